//! The hops from a commit to a row of a view, with nothing in between.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use depot_outbox::NewEvent;
use depot_schemas::{Entity, topics::PARTITIONS};
use depot_test_stack::{TestDatabase, TestTopics, settings};
use rdkafka::{
    Message as _,
    consumer::BaseConsumer,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use sqlx::{Connection as _, PgConnection};
use tokio::sync::mpsc;

use super::command_to_visible::found;
use crate::{
    events::item_created,
    kafka::{self, Counting, at_the_end},
    latencies::Latencies,
    measurement::Found,
};

const TIMEOUT: Duration = Duration::from_secs(10);

pub struct BareHops {
    pub database: TestDatabase,
    topics: TestTopics,
}

impl BareHops {
    pub async fn new() -> Result<Self> {
        Ok(Self {
            database: TestDatabase::create().await?,
            topics: TestTopics::create(PARTITIONS).await?,
        })
    }

    /// One event at a time: committed, produced, consumed, upserted; then the next.
    pub async fn one_after_the_other(&self, lasting: Duration) -> Result<Found> {
        let topic = self.topics.names().events(Entity::Items);
        let mut connection = PgConnection::connect(&self.database.owner_url()).await?;
        let producer: BaseProducer<Counting> =
            kafka::settings(settings().kafka_brokers()).create_with_context(Counting::default())?;
        let mut consumed = Consumed::start(&topic).await?;
        let (mut latencies, began, mut number) = (Latencies::default(), Instant::now(), 0);
        while began.elapsed() < lasting {
            let event = NewEvent::from_event(&self.topics.names(), &item_created(number))?;
            let start = Instant::now();
            commit(&mut connection, &event).await?;
            let id = event.aggregate_id.to_string();
            let record = BaseRecord::<_, _, ()>::to(&topic)
                .key(&id)
                .payload(&event.payload);
            producer.send(record).map_err(|(error, _)| error)?;
            consumed.wait_for(&id).await?;
            upsert(&mut connection, &event).await?;
            latencies.push(start.elapsed());
            producer.poll(Duration::ZERO);
            number += 1;
        }
        tokio::task::spawn_blocking(move || producer.flush(TIMEOUT)).await??;
        consumed.end().await?;
        connection.close().await?;
        Ok(found(latencies))
    }
}

/// Key, item and event of a command in one statement.
async fn commit(connection: &mut PgConnection, event: &NewEvent) -> Result<()> {
    let statement = "WITH key AS (
             INSERT INTO command.idempotency_keys (principal, route, key, fingerprint, expires_at, status, headers, body)
             VALUES ('bench', 'POST /api/v1/items', $1::uuid::text, '\\x00', now() + interval '24 hours', 201, '[]', $2)
         ), item AS (
             INSERT INTO command.items (id, owner, name, description, tags, attributes, status, version, created_at, updated_at)
             VALUES ($1, 'bench', 'Bench item', 'Made under load, to be found by its words.', '{bench,tag-7}', '{\"n\": 7}',
                     'draft', 1, now(), now())
         )
         INSERT INTO command.outbox (shard, topic, aggregate_id, aggregate_version, event_id, event_type, occurred_at, headers,
                                     payload)
         VALUES (0, 'depot.items.v1', $1, 1, $1, 'depot.item.created.v1', now(), '', $2)";
    let query = sqlx::query(statement)
        .bind(event.aggregate_id)
        .bind(&event.payload);
    query.execute(connection).await?;
    Ok(())
}

async fn upsert(connection: &mut PgConnection, event: &NewEvent) -> Result<()> {
    let statement = "WITH history AS (
             INSERT INTO read.item_history (projection, item_id, epoch, version, event_id, event_type, causation_id, actor,
                                            changed, item, occurred_at, topic, partition, \"offset\")
             VALUES (1, $1, 0, 1, $1, 'depot.item.created.v1', $1, 'bench', '{}', convert_from($2, 'UTF8')::jsonb, now(),
                     'depot.items.v1', 0, 0)
         )
         INSERT INTO read.items AS t (projection, id, owner, name, description, tags, attributes, status, files, epoch, version,
                                      created_at, updated_at, deleted)
         VALUES (1, $1, 'bench', 'Bench item', 'Made under load, to be found by its words.', '{bench,tag-7}', '{\"n\": 7}',
                 'draft', '[]', 0, 1, now(), now(), false)
         ON CONFLICT (projection, id) DO UPDATE SET version = EXCLUDED.version WHERE t.version < EXCLUDED.version";
    let query = sqlx::query(statement)
        .bind(event.aggregate_id)
        .bind(&event.payload);
    query.execute(connection).await?;
    Ok(())
}

/// Keys of what is consumed, as they come.
struct Consumed {
    keys: mpsc::Receiver<String>,
    stop: Arc<AtomicBool>,
    consuming: tokio::task::JoinHandle<Result<()>>,
}

impl Consumed {
    async fn start(topic: &str) -> Result<Self> {
        let topic = topic.to_owned();
        let consumer = tokio::task::spawn_blocking(move || at_the_end(&topic)).await??;
        let (sender, keys) = mpsc::channel(1024);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let consuming = tokio::task::spawn_blocking(move || consume(&consumer, &sender, &stopped));
        Ok(Self {
            keys,
            stop,
            consuming,
        })
    }

    async fn wait_for(&mut self, id: &str) -> Result<()> {
        let next = tokio::time::timeout(TIMEOUT, self.keys.recv()).await;
        let key = next
            .context("nothing is consumed")?
            .context("the consumer has ended")?;
        ensure!(key == id, "{key} came instead of {id}");
        Ok(())
    }

    async fn end(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.consuming.await?
    }
}

fn consume(consumer: &BaseConsumer, sender: &mpsc::Sender<String>, stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        if let Some(message) = consumer.poll(Duration::from_millis(20)) {
            let message = message?;
            let key = message.key().context("a message has a key")?;
            sender.blocking_send(String::from_utf8(key.to_vec())?)?;
        }
    }
    Ok(())
}
