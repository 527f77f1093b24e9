//! The limit of everything that publishes: rows out of a pipe into librdkafka, which does nothing but produce.

use std::{
    io::Read,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rdkafka::{
    ClientConfig, ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};

/// What COPY … (FORMAT binary) begins with.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
const FLUSH: Duration = Duration::from_secs(120);

/// Counts delivery reports.
#[derive(Default)]
pub struct Counting {
    failed: AtomicU64,
}

impl Counting {
    /// Messages that Kafka did not take.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl ClientContext for Counting {}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// As the relay's: the same promises, the same lingering, the same compression, the same size of batches.
pub fn settings(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "2")
        .set("compression.type", "lz4")
        .set("batch.size", "524288")
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.messages", "200000")
        .set("queue.buffering.max.kbytes", "262144");
    config
}

/// Produces what comes as a binary COPY of (key text, headers text, value bytea), the headers as `name=value` a line.
/// Returns when Kafka has acknowledged everything.
///
/// # Errors
/// Something was not acknowledged, or is no such COPY.
pub fn bare_producer(mut rows: impl Read, brokers: &str, topic: &str) -> Result<u64> {
    let producer: BaseProducer<Counting> = settings(brokers).create_with_context(Counting::default())?;
    let mut head = [0; 19];
    rows.read_exact(&mut head)?;
    ensure!(head.starts_with(SIGNATURE), "this is no binary COPY");
    let (mut count, mut row) = (0, Row::default());
    while row.read(&mut rows)? {
        send(&producer, topic, &row)?;
        count += 1;
        if count % 64 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(FLUSH)?;
    let failed = producer.context().failed();
    ensure!(failed == 0, "{failed} of {count} messages were not acknowledged");
    Ok(count)
}

fn send(producer: &BaseProducer<Counting>, topic: &str, row: &Row) -> Result<()> {
    let mut headers = OwnedHeaders::new();
    for line in std::str::from_utf8(&row.headers)?.lines() {
        let (key, value) = line.split_once('=').context("a header has a value")?;
        headers = headers.insert(Header {
            key,
            value: Some(value),
        });
    }
    let mut record = BaseRecord::to(topic)
        .key(&row.key)
        .payload(&row.value)
        .headers(headers);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                record = again;
                producer.poll(Duration::from_millis(5));
            }
            Err((error, _)) => bail!(error),
        }
    }
}

#[derive(Default)]
struct Row {
    key: Vec<u8>,
    headers: Vec<u8>,
    value: Vec<u8>,
}

impl Row {
    /// False at the end of the COPY.
    fn read(&mut self, rows: &mut impl Read) -> Result<bool> {
        let mut count = [0; 2];
        rows.read_exact(&mut count)?;
        match i16::from_be_bytes(count) {
            -1 => return Ok(false),
            3 => {}
            other => bail!("a row has {other} columns"),
        }
        for column in [&mut self.key, &mut self.headers, &mut self.value] {
            let mut length = [0; 4];
            rows.read_exact(&mut length)?;
            let length = usize::try_from(i32::from_be_bytes(length)).context("no column is null")?;
            column.resize(length, 0);
            rows.read_exact(column)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_binary_copy_are_read_to_its_end() {
        let mut bytes = Vec::new();
        bytes.extend(3_i16.to_be_bytes());
        for column in [&b"key"[..], b"a=b", b"value"] {
            bytes.extend((column.len() as i32).to_be_bytes());
            bytes.extend(column);
        }
        bytes.extend((-1_i16).to_be_bytes());
        let (mut rows, mut row) = (bytes.as_slice(), Row::default());
        assert!(row.read(&mut rows).unwrap());
        assert_eq!((&row.key[..], &row.value[..]), (&b"key"[..], &b"value"[..]));
        assert!(!row.read(&mut rows).unwrap());
    }
}
