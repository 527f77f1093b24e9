//! The promises, checked from outside: Kafka from its first offset, history, views, quota.

use std::collections::{HashMap, HashSet};

use depot_end_to_end::{Depot, LogRecord, read_topic};
use depot_schemas::{Entity, header};
use depot_test_stack::wait_until;
use rdkafka::error::KafkaResult;
use sqlx::{PgPool, Row};

use crate::load::Acknowledged;

/// Waits until nothing is on its way any more: outboxes published, events in the views, uploads decided.
pub async fn quiet(depot: &Depot) {
    for schema in ["command", "uploader"] {
        wait_until(&format!("the outbox of `{schema}` is published"), || async {
            unpublished(&depot.database, schema).await == 0
        })
        .await;
    }
    wait_until("every upload has an outcome", || async {
        open_uploads(&depot.database).await == 0
    })
    .await;
    for schema in ["command", "uploader"] {
        wait_until("the outboxes stay published", || async {
            unpublished(&depot.database, schema).await == 0
        })
        .await;
    }
    wait_until("the views have every event", || async { lag(depot).await == 0 }).await;
}

/// Outbox rows that no shard's position has seen.
pub async fn unpublished(database: &PgPool, schema: &str) -> i64 {
    let statement = format!(
        "SELECT count(*) FROM {schema}.outbox o JOIN {schema}.outbox_shards s USING (shard)
         WHERE NOT pg_visible_in_snapshot(o.xid::text::xid8, s.position)"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
        .fetch_one(database)
        .await
        .unwrap()
}

/// Waits until commands have come through and others are under way.
pub async fn wait_for_work_in_flight(depot: &Depot) {
    wait_until("work is in flight", || async {
        unpublished(&depot.database, "command").await > 0 && open_uploads(&depot.database).await > 0
    })
    .await;
}

pub async fn open_uploads(database: &PgPool) -> i64 {
    let statement = "SELECT count(*) FROM command.uploads WHERE status IN ('pending', 'received')";
    sqlx::query_scalar(statement).fetch_one(database).await.unwrap()
}

/// Messages of the view's topics that the projector has not taken yet.
pub async fn lag(depot: &Depot) -> i64 {
    let mut lag = 0;
    for entity in [Entity::Items, Entity::Uploads] {
        let topic = depot.topics().events(entity);
        let ends = ends(&topic).await;
        let statement = "SELECT partition, next_offset FROM read.offsets WHERE topic = $1";
        let rows = sqlx::query(statement)
            .bind(&topic)
            .fetch_all(&depot.database)
            .await
            .unwrap();
        let taken: HashMap<i32, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        lag += ends
            .iter()
            .map(|(partition, end)| end - taken.get(partition).unwrap_or(&0))
            .sum::<i64>();
    }
    lag
}

async fn ends(topic: &str) -> Vec<(i32, i64)> {
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || {
        use rdkafka::consumer::{BaseConsumer, Consumer};
        let timeout = std::time::Duration::from_secs(30);
        let brokers = depot_test_stack::settings().kafka_brokers();
        let consumer: BaseConsumer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .create()
            .unwrap();
        let metadata = answered(|| consumer.fetch_metadata(Some(&topic), timeout));
        let partitions = metadata.topics()[0].partitions().iter().map(|p| p.id());
        partitions
            .map(|id| (id, answered(|| consumer.fetch_watermarks(&topic, id, timeout)).1))
            .collect()
    })
    .await
    .unwrap()
}

/// A broker that is busy answers for a moment that it does not lead the partition.
fn answered<T>(ask: impl Fn() -> KafkaResult<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) if begun.elapsed() > std::time::Duration::from_secs(120) => panic!("{error}"),
            // The client asks for a newer view of the cluster by itself, and pauses between two.
            Err(_) => {}
        }
    }
}

/// Figures of what was checked; a check of nothing is no check.
#[derive(Debug, Default)]
pub struct Checked {
    pub records: usize,
    pub repeats: usize,
    pub items: usize,
    pub history_rows: usize,
    pub uploads: usize,
}

/// Every acknowledged command is in Kafka, in history and in the view, once and in order; uploads and quota add up.
pub async fn nothing_lost_doubled_or_reordered(depot: &Depot, acknowledged: &Acknowledged) -> Checked {
    let records = read_topic(&depot.topics().events(Entity::Items)).await.unwrap();
    let mut checked = Checked {
        records: records.len(),
        ..Checked::default()
    };
    let first = first_occurrences(&records, &mut checked);
    one_effect_a_command(&records);
    let items = acknowledged.items.lock().unwrap().clone();
    for (id, (version, description)) in &items {
        let versions = first
            .get(id)
            .unwrap_or_else(|| panic!("item {id} is not in Kafka"));
        assert_eq!(
            versions,
            &(1..=*version).collect::<Vec<_>>(),
            "item {id} in Kafka"
        );
        history_is_whole(depot, id, *version, &mut checked).await;
        let row = sqlx::query("SELECT version, description FROM read.items WHERE id = $1::uuid")
            .bind(id)
            .fetch_one(&depot.database)
            .await
            .unwrap();
        assert_eq!(
            (row.get::<i64, _>(0), row.get::<&str, _>(1)),
            (*version, description.as_str()),
            "view of {id}"
        );
        checked.items += 1;
    }
    uploads_add_up(depot, acknowledged, &mut checked).await;
    // The load repeats every command until it is answered, so nothing may be there that nobody was told of.
    let with_files: HashSet<_> = acknowledged
        .uploads
        .lock()
        .unwrap()
        .values()
        .map(|(item, _)| item.clone())
        .collect();
    let unknown: Vec<_> = first
        .keys()
        .filter(|id| !items.contains_key(*id) && !with_files.contains(*id))
        .collect();
    assert!(unknown.is_empty(), "items nobody was told of: {unknown:?}");
    assert!(checked.records > 0 && checked.items > 0 && checked.history_rows > 0 && checked.uploads > 0);
    checked
}

/// Key to the versions in the order of their first occurrences; a repeat must have the same id and bytes.
fn first_occurrences(records: &[LogRecord], checked: &mut Checked) -> HashMap<String, Vec<i64>> {
    let mut seen: HashMap<(String, i64), &LogRecord> = HashMap::new();
    let mut versions: HashMap<String, Vec<i64>> = HashMap::new();
    for record in records {
        let version: i64 = record
            .header(header::AGGREGATE_VERSION)
            .parse()
            .expect("a version");
        let key = record.key_text().to_owned();
        match seen.insert((key.clone(), version), record) {
            None => versions.entry(key).or_default().push(version),
            Some(first) => {
                checked.repeats += 1;
                assert_eq!(
                    first.header(header::ID),
                    record.header(header::ID),
                    "a repeat with another id"
                );
                assert!(
                    first.payload == record.payload,
                    "a repeat with other bytes: {key}"
                );
            }
        }
    }
    versions
}

/// No command (by its causation id) has two different events on one aggregate.
fn one_effect_a_command(records: &[LogRecord]) {
    let mut effects: HashMap<&str, &str> = HashMap::new();
    for record in records {
        let (cause, event) = (record.header(header::CAUSATION_ID), record.header(header::ID));
        let first = effects.entry(cause).or_insert(event);
        assert_eq!(*first, event, "command {cause} took effect twice");
    }
}

async fn history_is_whole(depot: &Depot, id: &str, version: i64, checked: &mut Checked) {
    let versions: Vec<i64> = sqlx::query_scalar(
        "SELECT version FROM read.item_history WHERE item_id = $1::uuid ORDER BY epoch, version",
    )
    .bind(id)
    .fetch_all(&depot.database)
    .await
    .unwrap();
    assert_eq!(versions, (1..=version).collect::<Vec<_>>(), "history of {id}");
    checked.history_rows += versions.len();
}

async fn uploads_add_up(depot: &Depot, acknowledged: &Acknowledged, checked: &mut Checked) {
    let uploads = acknowledged.uploads.lock().unwrap().clone();
    let mut bytes = 0;
    for (id, (item, size)) in &uploads {
        let (status, key, thumbnail, thumbnail_bytes): (String, Option<String>, Option<String>, i64) =
            sqlx::query_as(
                "SELECT status, object_key, thumbnail->>'object_key',
                        coalesce((thumbnail->>'size_bytes')::bigint, 0)
                 FROM read.uploads WHERE id = $1::uuid",
            )
            .bind(id)
            .fetch_one(&depot.database)
            .await
            .unwrap();
        assert_eq!(status, "stored", "upload {id}");
        let key = key.expect("a stored upload has a key");
        for key in [Some(key), thumbnail].into_iter().flatten() {
            depot
                .backing
                .store
                .head(&depot.backing.files, &key)
                .await
                .expect("a reference without its object");
        }
        let attached: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM read.items, jsonb_array_elements(files) f WHERE id = $1::uuid AND f->>'upload_id' = $2",
        )
        .bind(item)
        .bind(id)
        .fetch_one(&depot.database)
        .await
        .unwrap();
        assert_eq!(attached, 1, "upload {id} is attached to {item} once");
        bytes += i64::try_from(*size).unwrap() + thumbnail_bytes;
        checked.uploads += 1;
    }
    let (used, reserved): (i64, i64) = sqlx::query_as(
        "SELECT used_bytes, reserved_bytes FROM command.storage_accounts WHERE owner = 'alice'",
    )
    .fetch_one(&depot.database)
    .await
    .unwrap();
    assert_eq!((used, reserved), (bytes, 0), "quota");
}
