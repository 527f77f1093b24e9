//! A backlog in the outbox that can be drained again and again: by the product's relay, and by a bare producer.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use depot_end_to_end::Service;
use depot_outbox::NewEvent;
use depot_schemas::{Entity, topics::PARTITIONS, topics::Topics};
use depot_test_stack::TestTopics;
use sqlx::PgPool;
use tokio::process::Command;

use crate::{
    events::item_created,
    installation::Installation,
    kafka::{Growth, Log},
    measurement::{Found, Use},
    processes::{Watch, Watched},
};

/// Events of one transaction of the writers that left the backlog behind.
const BATCH: u64 = 500;
/// Until the memory of a service that has started is what it is while it has nothing to do.
const IDLE: Duration = Duration::from_secs(3);
/// The bare producer's whole run.
const LIMIT: Duration = Duration::from_secs(600);

pub struct Backlog {
    installation: Installation,
    bare: TestTopics,
    rows: i64,
    /// The position from which all of it, and nothing else, is to be published.
    origin: String,
}

impl Backlog {
    /// An installation of which only command-api is ever run, with so many rows to be published; the limit's copy has the
    /// same rows, with their headers in full.
    pub async fn of(rows: u64) -> Result<Self> {
        Self::with(PARTITIONS, 0, rows).await
    }

    /// The same in topics of so many partitions.
    pub async fn into_partitions(partitions: i32, rows: u64) -> Result<Self> {
        Self::with(partitions, 0, rows).await
    }

    /// The same with so many rows before it that are published already, and were not dropped yet.
    pub async fn behind(published: i64, rows: u64) -> Result<Self> {
        Self::with(PARTITIONS, published, rows).await
    }

    async fn with(partitions: i32, published: i64, rows: u64) -> Result<Self> {
        let settings = [("SAGA_ENABLED", "false")];
        let installation = Installation::of_partitions(partitions, &settings).await?;
        let installation = installation.without(&Service::ALL).await?;
        let origin = publish(&installation.depot.database, published).await?;
        let backlog = Self {
            installation,
            bare: TestTopics::create(partitions).await?,
            rows: rows as i64,
            origin,
        };
        backlog.fill(rows).await?;
        Ok(backlog)
    }

    async fn fill(&self, rows: u64) -> Result<()> {
        let pool = &self.installation.depot.database;
        let create = "CREATE TABLE public.bench_backlog (key text NOT NULL, headers text NOT NULL, value bytea NOT NULL)";
        sqlx::query(create).execute(pool).await?;
        let topics = self.installation.depot.topics();
        for first in (0..rows).step_by(BATCH as usize) {
            let events: Vec<NewEvent> = (first..rows.min(first + BATCH))
                .map(|number| NewEvent::from_event(&topics, &item_created(number)))
                .collect::<Result<_, _>>()?;
            let mut transaction = pool.begin().await?;
            copy_for_the_limit(&mut transaction, &events).await?;
            depot_outbox::append(&mut transaction, events).await?;
            transaction.commit().await?;
        }
        // As it is found after an hour, not after a second.
        sqlx::query("ANALYZE").execute(pool).await?;
        Ok(())
    }

    /// The relay publishes all of it. The rate is that of the log, from the first messages seen in it to the last.
    pub async fn drain(&mut self) -> Result<Found> {
        let idle = self.idle().await?;
        self.rewind().await?;
        let log = Log::of(self.topic(&self.installation.depot.topics())).await?;
        let from = log.end().await?;
        let (watch, _) = self.start_command_api().await?;
        let growth = log.grows(from, self.rows).await?;
        let used = self.stop_command_api(watch).await?;
        let mut found = found(&growth)
            .and("idle_rss_bytes", idle.rss_bytes as f64)
            .and(
                "rss_growth_bytes",
                used.rss_peak_bytes.saturating_sub(idle.rss_bytes) as f64,
            )
            .and("rss_peak_bytes", used.rss_peak_bytes as f64)
            .and(
                "relay_cpu_us_per_event",
                used.cpu_seconds * 1e6 / self.rows as f64,
            );
        found
            .processes
            .insert(Service::CommandApi.name().to_owned(), used);
        Ok(found)
    }

    /// COPY of the same rows out of Postgres, piped into a producer that does nothing else.
    pub async fn drain_bare(&self) -> Result<Found> {
        let log = Log::of(self.topic(&self.bare.names())).await?;
        let from = log.end().await?;
        let mut copy = Command::new("psql")
            .args(["-X", "-q", "-c"])
            .arg("COPY public.bench_backlog TO STDOUT (FORMAT binary)")
            .arg(self.installation.depot.backing.database.owner_url())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("psql")?;
        let pipe: Stdio = copy.stdout.take().context("it has a pipe")?.try_into()?;
        let mut producer = Command::new(std::env::current_exe()?)
            .arg("bare-producer")
            .arg(self.topic(&self.bare.names()))
            .stdin(pipe)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let growth = log.grows(from, self.rows).await?;
        let ended = async { anyhow::Ok((copy.wait().await?, producer.wait().await?)) };
        let (copied, produced) = tokio::time::timeout(LIMIT, ended).await.context("the pipe")??;
        ensure!(
            copied.success() && produced.success(),
            "psql: {copied}, producer: {produced}"
        );
        Ok(found(&growth))
    }

    pub fn rows(&self) -> i64 {
        self.rows
    }

    fn topic(&self, topics: &Topics) -> String {
        topics.events(Entity::Items)
    }

    /// command-api while it has nothing to publish.
    async fn idle(&mut self) -> Result<Use> {
        let advance = "UPDATE command.outbox_shards
                       SET position = pg_current_snapshot(), page_target = NULL, page_after_id = NULL";
        sqlx::query(advance)
            .execute(&self.installation.depot.database)
            .await?;
        let (watch, _) = self.start_command_api().await?;
        self.installation.depot.wait_ready(Service::CommandApi).await;
        tokio::time::sleep(IDLE).await;
        self.stop_command_api(watch).await
    }

    /// Everything is to be published again.
    async fn rewind(&self) -> Result<()> {
        let pool = &self.installation.depot.database;
        let unpublished = "SELECT count(*) FROM command.outbox WHERE xid >= pg_snapshot_xmax($1::pg_snapshot)::text::bigint";
        let rows: i64 = sqlx::query_scalar(unpublished)
            .bind(&self.origin)
            .fetch_one(pool)
            .await?;
        ensure!(
            rows == self.rows,
            "{} rows were put into the outbox, {rows} are in it",
            self.rows
        );
        let rewind = "UPDATE command.outbox_shards
                      SET position = $1::pg_snapshot, page_target = NULL, page_after_id = NULL";
        sqlx::query(rewind).bind(&self.origin).execute(pool).await?;
        Ok(())
    }

    async fn start_command_api(&mut self) -> Result<(Watch, u32)> {
        let admin = self.installation.depot.admin_url(Service::CommandApi, "");
        let process = self.installation.depot.process(Service::CommandApi);
        process.restart()?;
        let id = process.id().context("it was just started")?;
        let watched = Watched {
            name: Service::CommandApi.name().to_owned(),
            id,
            with_children: false,
            admin: Some(admin),
        };
        Ok((Watch::start(vec![watched])?, id))
    }

    async fn stop_command_api(&mut self, watch: Watch) -> Result<Use> {
        let used = watch.end()?.into_values().next().context("it was watched")?;
        let ended_well = self
            .installation
            .depot
            .process(Service::CommandApi)
            .terminate()
            .await?;
        ensure!(ended_well, "command-api did not end well");
        Ok(used)
    }
}

/// Puts rows into the outbox that every position sees; that position.
async fn publish(pool: &PgPool, rows: i64) -> Result<String> {
    if rows == 0 {
        return Ok("1:1:".to_owned());
    }
    let partitions = "SELECT command.outbox_add_partitions(1000000, $1)";
    sqlx::query(partitions)
        .bind((rows / 1_000_000) as i32 + 4)
        .execute(pool)
        .await?;
    let insert = "INSERT INTO command.outbox (shard, topic, aggregate_id, aggregate_version, event_id, event_type, occurred_at, \
                                              headers, payload)
                  SELECT n % 64, 'published', gen_random_uuid(), 1, gen_random_uuid(), 'depot.item.created.v1', now(),
                         repeat('h', 300), repeat('p', 450)::bytea
                  FROM generate_series(1, $1) n";
    for first in (0..rows).step_by(100_000) {
        let count = (rows - first).min(100_000);
        sqlx::query(insert).bind(count as i32).execute(pool).await?;
    }
    Ok(sqlx::query_scalar("SELECT pg_current_snapshot()::text")
        .fetch_one(pool)
        .await?)
}

fn found(growth: &Growth) -> Found {
    Found::values([
        ("per_second", growth.per_second()),
        ("counted_messages", growth.messages as f64),
        ("counted_seconds", growth.seconds),
    ])
    .with_curve("events_per_second_over_time", growth.curve.clone())
}

async fn copy_for_the_limit(connection: &mut sqlx::PgConnection, events: &[NewEvent]) -> Result<()> {
    let (mut keys, mut headers, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for event in events {
        let lines = event
            .headers
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        keys.push(event.aggregate_id.to_string());
        headers.push(lines.collect::<Vec<_>>().join("\n"));
        values.push(event.payload.clone());
    }
    let insert = "INSERT INTO public.bench_backlog SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])";
    sqlx::query(insert)
        .bind(keys)
        .bind(headers)
        .bind(values)
        .execute(connection)
        .await?;
    Ok(())
}
