use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use depot_end_to_end::Service;
use depot_schemas::{Entity, topics::PARTITIONS};
use depot_test_stack::settings;
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};

use super::{
    Row,
    prepared_views::{PreparedViews, empty_views},
};
use crate::{
    bench::{Bench, Place},
    events::item_created,
    goal::{Bound, Goal},
    installation::{Installation, backing_services},
    kafka::{self, Counting},
    measurement::Found,
    processes::{Watch, Watched},
};

const NAME: &str = "projector-catch-up";
const LIMIT: &str = "limit";
const OURS: &str = "ours";
/// Its JDBC sink, which upserts one flat table and no Redis.
const SINK: &str = "peer-debezium";
const LOOK_EVERY: Duration = Duration::from_millis(100);
const STANDSTILL: Duration = Duration::from_secs(120);
/// psql processes at a time, of which the best number is taken.
const SESSIONS: [usize; 4] = [1, 2, 4, 8];

pub const ROW: Row = Row {
    name: NAME,
    about: "The projector from offset 0 over the creation of 300,000 items, events a second, until all views and Redis \
            have them, from the first that the offsets show to the last. Limit: the rows of the same views upserted by \
            psql from prepared files in batches of as many, with the best number of sessions.",
    measures: &[LIMIT, OURS],
    peers: &[SINK],
    goals: &[goal(LIMIT, 0.7), goal(SINK, 3.0)],
    run: |bench| Box::pin(run(bench)),
};

const fn goal(against: &'static str, bound: f64) -> Goal {
    Goal {
        ours: (OURS, "per_second"),
        against: (against, "per_second"),
        bound: Bound::AtLeast(bound),
    }
}

async fn run(bench: &Bench) -> Result<()> {
    let events = bench.sized(30_000, 300_000);
    let mut catch_up = CatchUp::over(PARTITIONS, events as u64).await?;
    // Fills the views once, for the limit's files.
    catch_up.build_anew().await?;
    let prepared = PreparedViews::of(&catch_up.installation.depot.database).await?;
    let attempt = |sessions| prepared.upsert(sessions);
    let sessions = bench.best_clients(NAME, LIMIT, &SESSIONS, attempt).await?;
    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        let limit = prepared.upsert(sessions);
        bench.measure(place(LIMIT), backing_services(), limit).await?;
        let ours = catch_up.build_anew();
        bench.measure(place(OURS), backing_services(), ours).await?;
        for peer in ROW.peers {
            let arguments = ["sink".to_owned(), events.to_string()];
            bench.measure_peer(NAME, round, peer, &arguments).await?;
        }
    }
    Ok(())
}

/// Puts the creation of so many items into the topic.
fn produce(topic: &str, events: u64) -> Result<()> {
    let producer: BaseProducer<Counting> =
        kafka::settings(settings().kafka_brokers()).create_with_context(Counting::default())?;
    for number in 0..events {
        let event = item_created(number);
        let mut headers = OwnedHeaders::new();
        for (key, value) in event.envelope.headers() {
            headers = headers.insert(Header {
                key,
                value: Some(&value),
            });
        }
        let (key, payload) = (event.envelope.subject.to_string(), event.payload()?);
        let record = BaseRecord::to(topic).key(&key).payload(&payload).headers(headers);
        // Well under what the client holds, so that its queue is never full.
        if number % 10_000 == 9_999 {
            producer.flush(Duration::from_secs(60))?;
        }
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(60))?;
    ensure!(producer.context().failed() == 0, "events were not acknowledged");
    Ok(())
}

/// Events in the log, and an installation of which only the projector is ever run.
pub struct CatchUp {
    pub installation: Installation,
    events: i64,
}

impl CatchUp {
    /// With the creation of so many items in a log of so many partitions.
    pub async fn over(partitions: i32, events: u64) -> Result<Self> {
        let installation = Installation::of_partitions(partitions, &[]).await?;
        let installation = installation.without(&Service::ALL).await?;
        let topic = installation.depot.topics().events(Entity::Items);
        tokio::task::spawn_blocking(move || produce(&topic, events)).await??;
        Ok(Self {
            installation,
            events: events as i64,
        })
    }

    /// Forgets what the views have of it and lets a projector build it again.
    pub async fn build_anew(&mut self) -> Result<Found> {
        self.build_anew_by(1).await
    }

    /// Lets so many projectors build it together; what is told of a process is told of the first. None of them stores anything
    /// before all have their partitions: otherwise the first is done before the others have begun.
    pub async fn build_anew_by(&mut self, projectors: usize) -> Result<Found> {
        let installation = &mut self.installation;
        let pool = installation.depot.database.clone();
        empty_views(&pool).await?;
        sqlx::query("TRUNCATE read.offsets, read.pending_cache")
            .execute(&pool)
            .await?;
        // What Redis holds is of an older generation then, and is never read.
        let older = "UPDATE read.cache_generation SET generation = generation + 1";
        sqlx::query(older).execute(&pool).await?;
        let mut gate = pool.begin().await?;
        sqlx::query("LOCK TABLE read.items IN SHARE MODE")
            .execute(&mut *gate)
            .await?;
        let admin = installation.depot.admin_url(Service::Projector, "");
        let process = installation.depot.process(Service::Projector);
        process.restart()?;
        let watched = Watched {
            name: Service::Projector.name().to_owned(),
            id: process.id().context("it was just started")?,
            with_children: false,
            admin: Some(admin),
        };
        let watch = Watch::start(vec![watched])?;
        let mut others = Vec::new();
        for _ in 1..projectors {
            others.push(installation.depot.start_another(Service::Projector).await?);
        }
        gate.rollback().await?;
        let caught_up = watch_offsets(installation, self.events).await;
        let uses = watch.end()?;
        for mut other in others {
            ensure!(other.process.terminate().await?, "a projector did not end well");
        }
        let ended_well = installation.depot.process(Service::Projector).terminate().await?;
        ensure!(ended_well, "the projector did not end well");
        let mut found = caught_up?;
        found.processes = uses;
        Ok(found)
    }
}

async fn watch_offsets(installation: &Installation, events: i64) -> Result<Found> {
    let (mut first, mut changed) = (None, (Instant::now(), 0));
    let (mut curve, mut drawn) = (Vec::new(), (Instant::now(), 0));
    loop {
        let (next, pending): (i64, bool) = sqlx::query_as(
            "SELECT coalesce((SELECT sum(next_offset) FROM read.offsets), 0)::bigint, EXISTS (SELECT FROM read.pending_cache)",
        )
        .fetch_one(&installation.depot.database)
        .await?;
        let now = Instant::now();
        if next > changed.1 {
            changed = (now, next);
        }
        ensure!(
            now - changed.0 < STANDSTILL,
            "the projector stands at {next} of {events}"
        );
        if first.is_none() && next > 0 {
            (first, drawn) = (Some((now, next)), (now, next));
        }
        if let Some((began, seen)) = first {
            if now - drawn.0 >= LOOK_EVERY * 5 {
                let rate = (next - drawn.1) as f64 / (now - drawn.0).as_secs_f64();
                curve.push(((now - began).as_secs_f64(), rate));
                drawn = (now, next);
            }
            if next >= events && !pending {
                let seconds = (now - began).as_secs_f64();
                let found = Found::values([
                    ("per_second", (next - seen) as f64 / seconds),
                    ("counted_seconds", seconds),
                ]);
                return Ok(found.with_curve("events_per_second_over_time", curve));
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
