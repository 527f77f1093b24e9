//! An event's topic: whether the event has been published, and where it lies.

use std::time::Duration;

use depot_outbox::Whereabouts;
use depot_schemas::Entity;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    hop::{Hop, HopState, NotSeen, Seen},
    log::{From, Log, Place},
    outbox, partitioner,
    search::{LogRecord, Wanted},
};

/// The event that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Whose topic it is in.
    pub entity: Entity,
    pub aggregate: Uuid,
    pub version: i64,
    /// Of the restore; none where only the log tells.
    pub epoch: Option<i32>,
    /// When it happened, at the latest.
    pub at: Option<OffsetDateTime>,
    /// How much earlier the event may say that it was: its time is another clock's.
    pub leeway: Duration,
    /// Where somebody has seen it.
    pub seen_at: Option<LogRecord>,
}

/// Where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereto {
    Found(LogRecord),
    /// In the outbox; and why the log, which knows better, was not asked.
    NotPublished(Option<NotSeen>),
    /// It should be in the log, and was not seen there; why.
    NotSeen(NotSeen),
}

impl Whereto {
    pub fn record(&self) -> Option<&LogRecord> {
        match self {
            Self::Found(record) => Some(record),
            _ => None,
        }
    }

    pub fn place(&self) -> Option<&Place> {
        self.record().map(|record| &record.place)
    }
}

/// Looks for the event, in the log where nobody has seen it.
pub async fn find(log: &Log, followed: &Followed, outbox: &Seen<Whereabouts>, scan: Duration) -> Whereto {
    if let Some(record) = &followed.seen_at {
        return Whereto::Found(record.clone());
    }
    let is_in_outbox = outbox::is_waiting(outbox, followed.version);
    match search(log, followed, scan).await {
        Ok(Some(record)) => Whereto::Found(record),
        Ok(None) if is_in_outbox => Whereto::NotPublished(None),
        Err(why) if is_in_outbox => Whereto::NotPublished(Some(why)),
        Ok(None) => Whereto::NotSeen(NotSeen(format!(
            "version {} is not in its partition, nor in the outbox",
            followed.version
        ))),
        Err(why) => Whereto::NotSeen(why),
    }
}

async fn search(log: &Log, followed: &Followed, scan: Duration) -> Seen<Option<LogRecord>> {
    let topic = log.topics.events(followed.entity);
    let key = followed.aggregate.to_string();
    let partitions = log.partitions(&topic).await?;
    if partitions == 0 {
        return Err(NotSeen(format!("topic {topic} is not there")));
    }
    let partition = partitioner::partition_of(key.as_bytes(), partitions);
    let from = followed
        .at
        .map_or(From::Start, |at| From::Time(at - followed.leeway));
    let wanted = Wanted::Version {
        key,
        version: followed.version,
        epoch: followed.epoch,
    };
    let search = log
        .search(vec![(topic.clone(), partition, from)], wanted, scan)
        .await?;
    match search.found {
        None if search.is_cut_short => Err(NotSeen(format!(
            "not among the first {} records of {topic} [{partition}] from its time on, read in {} s: raise --scan-seconds",
            search.read,
            scan.as_secs()
        ))),
        found => Ok(found),
    }
}

pub fn hop(log: &Log, followed: &Followed, whereto: &Whereto) -> Hop {
    let topic = log.topics.events(followed.entity);
    let name = format!("topic {topic}");
    match whereto {
        Whereto::Found(record) => {
            let Place {
                partition, offset, ..
            } = record.place;
            let what = record.event_type.as_deref().unwrap_or("an event");
            let detail = format!(
                "partition {partition}, offset {offset}: {what}, version {}",
                followed.version
            );
            Hop::new(name, HopState::Done, detail)
                .since(record.at)
                .figure("partition", partition)
                .figure("offset", offset)
                .figure("event_id", record.event_id.map(|id| id.to_string()))
                .figure("event_type", record.event_type.clone())
                .figure("version", followed.version)
        }
        Whereto::NotPublished(None) => {
            let detail = format!("version {} is in the outbox", followed.version);
            Hop::new(name, HopState::NotReached, detail).figure("version", followed.version)
        }
        Whereto::NotPublished(Some(why)) | Whereto::NotSeen(why) => {
            Hop::unseen(name, why).figure("version", followed.version)
        }
    }
}
