//! Everything that there is, read once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result};
use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use depot_test_stack::settings;
use redis::AsyncCommands as _;
use serde_json::Value;
use sqlx::{PgPool, Row as _};

use super::{
    Verdict,
    behind::{Behind, behind},
};
use crate::{
    inject::{Injected, Origin},
    log::{self, Message},
    site::Site,
    topics,
};

/// A table or query, each row as JSON.
pub type Rows = Vec<Value>;

/// The queries whose rows are compared, by the name under which they are counted.
const ROWS: [(&str, &str); 11] = [
    ("items", "SELECT to_jsonb(t) FROM (SELECT id, owner, version, deleted, files FROM command.items) t"),
    (
        "uploads",
        "SELECT to_jsonb(t)
         FROM (SELECT id, owner, status, version, object_key, size_bytes, thumbnail FROM command.uploads) t",
    ),
    ("accounts", "SELECT to_jsonb(t) FROM command.storage_accounts t"),
    ("sagas", "SELECT to_jsonb(t) FROM command.sagas t"),
    (
        "item views",
        "SELECT to_jsonb(t) - 'search' FROM read.items t JOIN read.active_projection USING (projection)",
    ),
    ("upload views", "SELECT to_jsonb(t) FROM read.uploads t JOIN read.active_projection USING (projection)"),
    (
        "history views",
        "SELECT jsonb_build_object('item_id', item_id, 'version', version, 'event_id', event_id, 'event_type', event_type,
             'partition', partition, 'offset', \"offset\", 'causation_id', causation_id)
         FROM read.item_history t JOIN read.active_projection USING (projection)
         ORDER BY item_id, version",
    ),
    ("tag statistics", "SELECT to_jsonb(t) FROM read.tag_statistics t JOIN read.active_projection USING (projection)"),
    ("owner statistics", "SELECT to_jsonb(t) FROM read.owner_statistics t JOIN read.active_projection USING (projection)"),
    ("receipts", "SELECT to_jsonb(t) FROM (SELECT upload_id, outcome, object_key, thumbnail_key FROM uploader.receipts) t"),
    ("objects on record", "SELECT to_jsonb(t) FROM (SELECT key, state FROM uploader.objects) t"),
];

/// Rows that must be none: nothing is parked, nothing is unpublished.
const LEFTOVERS: [(&str, &str); 5] = [
    (
        "unpublished of command-api",
        "SELECT o.aggregate_id::text FROM command.outbox o JOIN command.outbox_shards s USING (shard)
        WHERE NOT pg_visible_in_snapshot(o.xid::text::xid8, s.position)",
    ),
    (
        "unpublished of uploader",
        "SELECT o.aggregate_id::text FROM uploader.outbox o JOIN uploader.outbox_shards s USING (shard)
        WHERE NOT pg_visible_in_snapshot(o.xid::text::xid8, s.position)",
    ),
    (
        "parked key",
        "SELECT convert_from(key, 'UTF8') FROM uploader.parked_keys",
    ),
    (
        "parked aggregate",
        "SELECT aggregate_id::text FROM command.outbox_parked_aggregates
        UNION ALL SELECT aggregate_id::text FROM uploader.outbox_parked_aggregates",
    ),
    ("notes for the cache", "SELECT id::text FROM read.pending_cache"),
];

/// An event as it lies in Kafka for the first time, or once more.
#[derive(Debug, Clone)]
pub struct Event {
    pub topic: String,
    pub key: String,
    pub version: i64,
    pub id: String,
    pub event_type: String,
    pub causation: String,
    pub partition: i32,
    pub offset: i64,
    pub payload: Vec<u8>,
}

impl Event {
    pub fn origin(&self) -> Origin {
        Origin {
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.offset,
        }
    }

    pub fn data(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or(Value::Null)
    }
}

/// A dead letter, by what names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadLetter {
    pub group: String,
    pub origin: Origin,
}

pub struct Evidence {
    /// In the order of each partition.
    pub events: Vec<Event>,
    pub dead_letters: BTreeSet<DeadLetter>,
    pub poison: BTreeSet<Origin>,
    /// Where the campaign put what had been there before.
    pub repeats: BTreeSet<Origin>,
    /// Messages on event topics that are neither events nor the campaign's.
    pub strangers: Vec<String>,
    pub rows: HashMap<&'static str, Rows>,
    pub leftovers: Vec<(&'static str, Vec<String>)>,
    pub behind: Vec<Behind>,
    /// Cache entries of the generation that is read: key to its first line.
    pub cache: BTreeMap<String, String>,
    /// Key to size.
    pub files: BTreeMap<String, i64>,
    pub staging: BTreeMap<String, i64>,
}

impl Evidence {
    pub async fn gather(site: &Site, injected: &Injected, verdict: &mut Verdict) -> Result<Self> {
        let pool = PgPool::connect(&site.direct_postgres()).await?;
        let poison = injected.poison_origins();
        // The cache first: what was filled a moment ago lives for seconds only.
        let cache = read_cache(site, &pool).await?;
        let messages = read_topics(site).await?;
        let mut rows = HashMap::new();
        for (name, statement) in ROWS {
            let found: Rows = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .fetch_all(&pool)
                .await
                .context(name)?;
            verdict.has_read(name, found.len());
            rows.insert(name, found);
        }
        let mut leftovers = Vec::new();
        for (name, statement) in LEFTOVERS {
            let found: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .fetch_all(&pool)
                .await
                .context(name)?;
            leftovers.push((name, found));
        }
        let behind = behind(site, &pool, &messages).await?;
        let (files, staging) = (
            list(site, settings().get("S3_BUCKET")).await?,
            list(site, settings().get("S3_STAGING_BUCKET")).await?,
        );
        let mut strangers = Vec::new();
        let mut events = Vec::new();
        for topic in topics::of_events() {
            let messages = messages.get(topic).with_context(|| format!("no topic {topic}"))?;
            for message in messages {
                match event(topic, message) {
                    _ if poison.contains(&origin(topic, message)) => {}
                    Some(event) => events.push(event),
                    None => strangers.push(format!("{topic} [{}] at {}", message.partition, message.offset)),
                }
            }
        }
        verdict.has_read("records", messages.values().map(Vec::len).sum());
        verdict.has_read("events", events.len());
        verdict.has_read("cache entries", cache.len());
        verdict.has_read("objects", files.len());
        let dead_letters = messages.iter().filter(|(topic, _)| topic.contains(".dlq."));
        let dead_letters = dead_letters
            .flat_map(|(_, messages)| messages)
            .filter_map(dead_letter)
            .collect();
        Ok(Self {
            events,
            dead_letters,
            poison,
            repeats: injected.repeat_origins(),
            strangers,
            rows,
            leftovers,
            behind,
            cache,
            files,
            staging,
        })
    }

    /// Whether every group has handled all that lies before it.
    pub async fn nobody_is_behind(site: &Site, pool: &PgPool) -> Result<bool> {
        let messages = read_topics(site).await?;
        Ok(behind(site, pool, &messages).await?.is_empty())
    }

    /// The newest event of each aggregate of a topic.
    pub fn newest(&self, topic: &str) -> BTreeMap<&str, &Event> {
        let mut newest: BTreeMap<&str, &Event> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.topic == topic) {
            let slot = newest.entry(event.key.as_str()).or_insert(event);
            if slot.version < event.version {
                *slot = event;
            }
        }
        newest
    }
}

async fn read_topics(site: &Site) -> Result<BTreeMap<String, Vec<Message>>> {
    let brokers = site.direct_brokers();
    let mut topics = BTreeMap::new();
    for topic in log::topics(&brokers).await? {
        let messages = log::read_whole(&brokers, &topic).await?;
        topics.insert(topic, messages);
    }
    Ok(topics)
}

fn event(topic: &str, message: &Message) -> Option<Event> {
    let text = |name| {
        Some(message.header(name))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    Some(Event {
        topic: topic.to_owned(),
        key: message.key_text().to_owned(),
        version: text("ce_aggregateversion")?.parse().ok()?,
        id: text("ce_id")?,
        event_type: text("ce_type")?,
        causation: text("ce_causationid")?,
        partition: message.partition,
        offset: message.offset,
        payload: message.payload.clone(),
    })
}

fn origin(topic: &str, message: &Message) -> Origin {
    Origin {
        topic: topic.to_owned(),
        partition: message.partition,
        offset: message.offset,
    }
}

/// Numbers are big-endian in Spring's headers.
fn dead_letter(message: &Message) -> Option<DeadLetter> {
    let bytes = |name: &str| message.header_bytes(&format!("kafka_dlt-original-{name}"));
    Some(DeadLetter {
        group: message.header("kafka_dlt-original-consumer-group").to_owned(),
        origin: Origin {
            topic: message.header("kafka_dlt-original-topic").to_owned(),
            partition: i32::from_be_bytes(bytes("partition").try_into().ok()?),
            offset: i64::from_be_bytes(bytes("offset").try_into().ok()?),
        },
    })
}

/// The entries that readers would be given: those of the projection and the generation that hold now.
async fn read_cache(site: &Site, pool: &PgPool) -> Result<BTreeMap<String, String>> {
    let row = sqlx::query("SELECT projection, generation FROM read.active_projection, read.cache_generation")
        .fetch_one(pool)
        .await?;
    let (projection, generation): (i32, i64) = (row.get(0), row.get(1));
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", site.ports.redis()))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut cache = BTreeMap::new();
    for kind in ["item", "upload"] {
        let pattern = format!("{kind}:{projection}:{generation}:*");
        let mut keys = Vec::new();
        let mut scan = connection.scan_match::<_, String>(&pattern).await?;
        while let Some(key) = scan.next_item().await {
            keys.push(key?);
        }
        drop(scan);
        for key in keys {
            let entry: Option<Vec<u8>> = connection.get(&key).await?;
            let Some(entry) = entry else { continue };
            let line = entry.split(|byte| *byte == b'\n').next().unwrap_or_default();
            cache.insert(key, String::from_utf8_lossy(line).into_owned());
        }
    }
    Ok(cache)
}

async fn list(site: &Site, bucket: &str) -> Result<BTreeMap<String, i64>> {
    let key = |name| settings().get(name).to_owned();
    let credentials =
        Credentials::from_keys(key("STACK_MINIO_ACCESS_KEY"), key("STACK_MINIO_SECRET_KEY"), None);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(site.direct_store())
        .region(Region::new(key("S3_REGION")))
        .credentials_provider(credentials)
        .force_path_style(true)
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let mut objects = BTreeMap::new();
    let mut pages = client.list_objects_v2().bucket(bucket).into_paginator().send();
    while let Some(page) = pages.next().await {
        for object in page.with_context(|| format!("list {bucket}"))?.contents() {
            objects.insert(
                object.key().unwrap_or_default().to_owned(),
                object.size().unwrap_or_default(),
            );
        }
    }
    Ok(objects)
}
