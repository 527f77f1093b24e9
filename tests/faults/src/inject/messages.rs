//! Messages that nobody meant: what the campaign itself put on topics is known by offset, and expected.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use rand::{RngExt as _, rngs::StdRng, seq::SliceRandom as _};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer as _},
    util::Timeout,
};
use uuid::Uuid;

use crate::{
    log::{Message, read_tail},
    site::Site,
};

const SEND: Duration = Duration::from_secs(60);
/// How many messages a partition are sent again.
const AGAIN: i64 = 40;

/// Where a message lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// What this campaign put on topics.
#[derive(Default)]
pub struct Injected {
    poison: Mutex<BTreeSet<Origin>>,
    repeats: Mutex<BTreeSet<Origin>>,
}

impl Injected {
    pub fn poison_origins(&self) -> BTreeSet<Origin> {
        lock(&self.poison).clone()
    }

    pub fn repeat_origins(&self) -> BTreeSet<Origin> {
        lock(&self.repeats).clone()
    }

    /// Garbage, an event without headers, a major version that does not exist, and garbage under a key that is in use.
    pub(super) async fn poison(&self, site: &Site, topic: &str, rng: &mut StdRng) -> Result<()> {
        let producer = producer(site, None)?;
        let newest = read_tail(&site.direct_brokers(), topic, 1).await?;
        let used = newest.first().and_then(|message| message.key.clone());
        let new = Uuid::new_v4().to_string().into_bytes();
        let event = r#"{"item":{},"changed":[],"actor":"nobody"}"#;
        let unknown_type = OwnedHeaders::new()
            .insert(header("ce_specversion", "1.0"))
            .insert(header("ce_id", &Uuid::new_v4().to_string()))
            .insert(header("ce_type", "depot.item.created.v99"));
        let mut messages = vec![
            (new.clone(), b"\x00\xffno event".to_vec(), OwnedHeaders::new()),
            (new, event.as_bytes().to_vec(), unknown_type),
        ];
        if let Some(used) = used {
            messages.push((used, b"{".to_vec(), OwnedHeaders::new()));
        }
        messages.shuffle(rng);
        for (key, payload, headers) in messages {
            let record = FutureRecord::to(topic)
                .key(&key)
                .payload(&payload)
                .headers(headers);
            self.send(&producer, record, &self.poison).await?;
        }
        Ok(())
    }

    /// The newest messages once more, in their order, as a relay does that was stopped before it could let go of them.
    pub(super) async fn repeat(&self, site: &Site, topic: &str) -> Result<()> {
        let messages = read_tail(&site.direct_brokers(), topic, AGAIN).await?;
        self.send_again(site, topic, &messages).await
    }

    /// Any of the newest messages once more, in any order.
    pub(super) async fn disorder(&self, site: &Site, topic: &str, rng: &mut StdRng) -> Result<()> {
        let mut messages = read_tail(&site.direct_brokers(), topic, AGAIN).await?;
        messages.shuffle(rng);
        let share = rng.random_range(1..=messages.len().max(1));
        messages.truncate(share);
        self.send_again(site, topic, &messages).await
    }

    async fn send_again(&self, site: &Site, topic: &str, messages: &[Message]) -> Result<()> {
        let producer = producer(site, None)?;
        for message in messages {
            let origin = Origin {
                topic: topic.to_owned(),
                partition: message.partition,
                offset: message.offset,
            };
            // What no handler could take is not put there twice.
            if lock(&self.poison).contains(&origin) {
                continue;
            }
            let headers = message
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |all, (name, value)| {
                    all.insert(Header {
                        key: name,
                        value: Some(value),
                    })
                });
            let mut record = FutureRecord::to(topic).payload(&message.payload).headers(headers);
            record = record.partition(message.partition);
            if let Some(key) = &message.key {
                record = record.key(key);
            }
            self.send(&producer, record, &self.repeats).await?;
        }
        Ok(())
    }

    /// A transaction that is given up: its offsets are used, and hold nothing that a reader of committed messages sees.
    pub(super) async fn gap(&self, site: &Site, topic: &str) -> Result<()> {
        let producer = producer(site, Some(&format!("campaign-{}", Uuid::new_v4())))?;
        let topic = topic.to_owned();
        tokio::task::spawn_blocking(move || -> Result<()> {
            producer.init_transactions(SEND)?;
            producer.begin_transaction()?;
            for n in 0..20 {
                let key = format!("gap-{n}");
                let sent = producer.send_result(FutureRecord::to(&topic).key(&key).payload("given up"));
                sent.map_err(|(error, _)| error)?;
            }
            producer.flush(Timeout::After(SEND))?;
            producer.abort_transaction(SEND)?;
            Ok(())
        })
        .await?
        .context("an aborted transaction")
    }

    async fn send(
        &self,
        producer: &FutureProducer,
        record: FutureRecord<'_, Vec<u8>, Vec<u8>>,
        kept: &Mutex<BTreeSet<Origin>>,
    ) -> Result<()> {
        let topic = record.topic.to_owned();
        let sent = producer.send(record, SEND).await.map_err(|(error, _)| error)?;
        lock(kept).insert(Origin {
            topic,
            partition: sent.partition,
            offset: sent.offset,
        });
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn header<'a>(key: &'a str, value: &'a str) -> Header<'a, &'a str> {
    Header {
        key,
        value: Some(value),
    }
}

/// Idempotent, so that what was put there is put there once, and its offset known.
fn producer(site: &Site, transaction: Option<&str>) -> Result<FutureProducer> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", site.direct_brokers())
        .set("partitioner", "murmur2_random")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "120000");
    if let Some(id) = transaction {
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", "120000");
    }
    Ok(config.create()?)
}
