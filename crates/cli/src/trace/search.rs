//! Reading stretches of the log for one record.

use std::time::{Duration, Instant};

use depot_schemas::header;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::log::Place;

/// How long to wait for a record before looking whether the ends are reached.
const POLL: Duration = Duration::from_millis(200);

/// Part of a partition: from an offset to the one behind its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    pub topic: String,
    pub partition: i32,
    pub first: i64,
    pub end: i64,
}

/// Which record is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The first that tells this version of the aggregate with the key; of any restore epoch where none is named.
    Version {
        key: String,
        version: i64,
        epoch: Option<i32>,
    },
    /// The last with the key.
    Newest { key: String },
    /// The first of this event.
    Event { id: Uuid },
    /// The first with the key.
    First { key: String },
}

/// An event as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    pub place: Place,
    pub key: Option<String>,
    /// The record's own time, which is the event's.
    pub at: Option<OffsetDateTime>,
    pub event_id: Option<Uuid>,
    pub event_type: Option<String>,
    pub version: Option<i64>,
    pub epoch: Option<i32>,
}

/// What came of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    pub found: Option<LogRecord>,
    /// How many records were read.
    pub read: u64,
    /// The time was over before all was read.
    pub is_cut_short: bool,
}

impl Wanted {
    fn is(&self, message: &BorrowedMessage<'_>) -> bool {
        let has_key = |key: &str| message.key() == Some(key.as_bytes());
        match self {
            Self::Version { key, version, epoch } => {
                has_key(key)
                    && parsed(message, header::AGGREGATE_VERSION) == Some(*version)
                    && epoch.is_none_or(|epoch| parsed(message, header::RESTORE_EPOCH) == Some(epoch))
            }
            Self::Newest { key } | Self::First { key } => has_key(key),
            Self::Event { id } => parsed(message, header::ID) == Some(*id),
        }
    }
}

/// Reads the stretches side by side, at most for `limit`. Blocks.
pub fn run(
    consumer: &BaseConsumer,
    mut stretches: Vec<Stretch>,
    wanted: &Wanted,
    limit: Duration,
) -> Result<Search, KafkaError> {
    let begun = Instant::now();
    let mut search = Search {
        found: None,
        read: 0,
        is_cut_short: false,
    };
    if stretches.is_empty() {
        return Ok(search);
    }
    assign(consumer, &stretches)?;
    let mut trouble = None;
    while !stretches.is_empty() && begun.elapsed() < limit {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                search.read += 1;
                if is_within(&stretches, &message) && wanted.is(&message) {
                    search.found = Some(record(&message));
                    if !matches!(wanted, Wanted::Newest { .. }) {
                        stretches.clear();
                    }
                }
                let (topic, partition, next) = (message.topic(), message.partition(), message.offset() + 1);
                stretches
                    .retain(|left| (&*left.topic, left.partition) != (topic, partition) || next < left.end);
            }
            // The client goes on by itself after most of them.
            Some(Err(error)) => trouble = Some(error),
            None => leave_out_what_was_read(consumer, &mut stretches)?,
        }
    }
    search.is_cut_short = !stretches.is_empty();
    consumer.unassign()?;
    match trouble {
        // Nothing came at all: then the trouble says more than that the time was over.
        Some(error) if search.read == 0 && search.is_cut_short => Err(error),
        _ => Ok(search),
    }
}

fn assign(consumer: &BaseConsumer, stretches: &[Stretch]) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::new();
    for stretch in stretches {
        let first = Offset::Offset(stretch.first);
        list.add_partition_offset(&stretch.topic, stretch.partition, first)?;
    }
    consumer.assign(&list)
}

fn is_within(stretches: &[Stretch], message: &BorrowedMessage<'_>) -> bool {
    stretches.iter().any(|stretch| {
        (&*stretch.topic, stretch.partition) == (message.topic(), message.partition())
            && message.offset() < stretch.end
    })
}

/// Offsets below the end may have no record that is shown, so that no record says that the end is reached.
fn leave_out_what_was_read(consumer: &BaseConsumer, stretches: &mut Vec<Stretch>) -> Result<(), KafkaError> {
    let positions = consumer.position()?;
    stretches.retain(|left| {
        let position = positions.find_partition(&left.topic, left.partition);
        let next = position.map(|position| position.offset());
        !matches!(next, Some(Offset::Offset(next)) if next >= left.end)
    });
    Ok(())
}

fn record(message: &BorrowedMessage<'_>) -> LogRecord {
    let millis = message.timestamp().to_millis();
    let at = millis.and_then(|ms| OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok());
    let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
    LogRecord {
        place: Place {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
        },
        key: key.map(str::to_owned),
        at,
        event_id: parsed(message, header::ID),
        event_type: text(message, header::TYPE).map(str::to_owned),
        version: parsed(message, header::AGGREGATE_VERSION),
        epoch: parsed(message, header::RESTORE_EPOCH),
    }
}

fn text<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let headers = message.headers()?;
    let found = headers.iter().find(|header| header.key == name)?;
    std::str::from_utf8(found.value?).ok()
}

fn parsed<T: std::str::FromStr>(message: &BorrowedMessage<'_>, name: &str) -> Option<T> {
    text(message, name)?.parse().ok()
}
