//! The topics, declared once: names, partitions, retention. `depot topics` creates them; nothing else does.

use depot_domain::DECLARED;

use crate::event_type::Entity;

/// Partitions of every topic, unless an installation has chosen another number (`TOPIC_PARTITIONS`). A keyed topic never grows
/// in place: its keys would move.
pub const PARTITIONS: i32 = 6;
/// `max.message.bytes` of the event topics. The outbox refuses an event over half of it.
pub const MAX_MESSAGE_BYTES: i32 = 1024 * 1024;
/// `max.message.bytes` of the dead-letter topics: the original plus the headers that say why.
pub const MAX_DEAD_LETTER_BYTES: i32 = 2 * 1024 * 1024;

/// The retry topics of the uploader: the delay as it stands in the name, and in seconds.
pub const UPLOAD_RETRIES: [(&str, u64); 3] = [("30s", 30), ("5m", 300), ("1h", 3_600)];
/// The groups whose dead letters come back by a topic that is theirs alone. The uploader's come back by its first retry
/// topic.
pub const REDRIVEN_GROUPS: [&str; 3] = ["projector", "saga", "store-notifications"];

const FOR_EVER: i64 = -1;
/// A week: what a store tells is no event of this system, and says nothing once its upload has ended.
const NOTIFICATIONS_RETENTION_MS: i64 = 7 * 24 * 3_600 * 1_000;

/// Topic names under one prefix: `depot` in every installation, unique in a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    prefix: String,
}

/// A topic as it is to be created, and as it is checked at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    pub name: String,
    pub partitions: i32,
    pub max_message_bytes: i32,
    /// How long messages are kept; -1 for ever.
    pub retention_ms: i64,
}

impl TopicSpec {
    /// The topic's settings beside partitions and replication. Events are kept for ever: the log is the source of the
    /// views. So are dead letters and what is to be tried again: a copy has the time of its origin, and a broker that deletes by
    /// time would take one of an old event at its next look, before anybody has read it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", self.retention_ms.to_string()),
            ("retention.bytes", "-1".to_owned()),
            ("max.message.bytes", self.max_message_bytes.to_string()),
        ]
    }
}

impl Topics {
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// The topic of an entity's events, for example `depot.items.v1`.
    pub fn events(&self, entity: Entity) -> String {
        format!("{}.{}.v1", self.prefix, entity.as_str())
    }

    /// Where what cannot be processed ends, for example `depot.items.dlq.v1`.
    pub fn dead_letters(&self, entity: Entity) -> String {
        format!("{}.{}.dlq.v1", self.prefix, entity.as_str())
    }

    /// Where an upload's message waits for its next attempt, in the order of the attempts.
    pub fn retries(&self) -> [String; UPLOAD_RETRIES.len()] {
        UPLOAD_RETRIES.map(|(delay, _)| format!("{}.uploads.retry.{delay}.v1", self.prefix))
    }

    /// Where the dead letters of a group come back that is one of [`REDRIVEN_GROUPS`], for example `depot.saga.retry.v1`.
    pub fn redriven(&self, group: &str) -> String {
        format!("{}.{group}.retry.v1", self.prefix)
    }

    /// What the object store itself tells, where it sends notifications to Kafka.
    pub fn store_notifications(&self) -> String {
        format!("{}.store-notifications.v1", self.prefix)
    }

    /// Where what is no notification ends.
    pub fn store_notification_dead_letters(&self) -> String {
        format!("{}.store-notifications.dlq.v1", self.prefix)
    }

    /// A consumer group's name, for example `depot.projector`.
    pub fn group(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// The group that feeds a version of the views: `depot.projector` the first, `depot.projector.v2` the second. They stand
    /// for one reader, and dead letters name the first.
    pub fn projector_group(&self, projection: i32) -> String {
        match projection {
            1 => self.group("projector"),
            later => self.group(&format!("projector.v{later}")),
        }
    }

    /// The entity whose events topic is called `topic`.
    pub fn entity(&self, topic: &str) -> Option<Entity> {
        Entity::all().find(|entity| self.events(*entity) == topic)
    }

    /// Every topic that has to be there.
    pub fn declared(&self) -> Vec<TopicSpec> {
        self.declared_with(PARTITIONS)
    }

    /// As [`declared`](Self::declared), in an installation with another number of partitions.
    pub fn declared_with(&self, partitions: i32) -> Vec<TopicSpec> {
        let spec = |name, max_message_bytes| TopicSpec {
            name,
            partitions,
            max_message_bytes,
            retention_ms: FOR_EVER,
        };
        let events = Entity::all().map(|entity| spec(self.events(entity), MAX_MESSAGE_BYTES));
        let dead_letters = Entity::all().map(|entity| spec(self.dead_letters(entity), MAX_DEAD_LETTER_BYTES));
        let retries = self.retries().map(|name| spec(name, MAX_DEAD_LETTER_BYTES));
        let redriven = REDRIVEN_GROUPS.map(|group| spec(self.redriven(group), MAX_DEAD_LETTER_BYTES));
        let notifications = [
            TopicSpec {
                retention_ms: NOTIFICATIONS_RETENTION_MS,
                ..spec(self.store_notifications(), MAX_MESSAGE_BYTES)
            },
            spec(self.store_notification_dead_letters(), MAX_DEAD_LETTER_BYTES),
        ];
        events
            .chain(dead_letters)
            .chain(retries)
            .chain(redriven)
            .chain(notifications)
            .collect()
    }
}

impl Entity {
    /// But declared aggregates.
    pub const ALL: [Entity; 3] = [Entity::Items, Entity::Uploads, Entity::Files];

    /// All, declared aggregates too.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain(Self::declared())
    }

    /// Declared aggregates.
    pub fn declared() -> impl Iterator<Item = Self> {
        DECLARED.iter().map(Self::Declared)
    }

    /// As it stands in a topic's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Uploads => "uploads",
            Self::Files => "files",
            Self::Declared(of) => of.plural,
        }
    }
}
