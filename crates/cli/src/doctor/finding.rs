use std::fmt;

use serde::Serialize;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)*) => {
        /// What can be wrong with an installation. Each kind is in docs/operations.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Kind {
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word that stands in reports.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// A variable of the tool cannot be used.
    SettingRefused = "setting_refused";
    /// A secret in production that everybody can read.
    PublishedSecret = "published_secret";
    /// An instance does not answer at its admin port.
    ServiceAway = "service_away";
    /// An instance takes no work.
    ServiceNotReady = "service_not_ready";
    /// Instances, or this tool, are of several versions.
    VersionsDiffer = "versions_differ";
    /// A clock is not where the others are.
    ClockDiffers = "clock_differs";
    /// Postgres does not answer.
    DatabaseAway = "database_away";
    /// Postgres does not let the operators' role in.
    OperatorRefused = "operator_refused";
    /// The role by which the tool looks may not see all that it looks at.
    OperatorSeesLittle = "operator_sees_little";
    /// The role by which the tool looks could change what it looks at.
    OperatorMayWrite = "operator_may_write";
    /// A schema is not one that this version works with.
    SchemaUnfit = "schema_unfit";
    /// The role of a service is not there.
    RoleMissing = "role_missing";
    /// The role of a service may do more than it has to.
    RoleTooPowerful = "role_too_powerful";
    /// Postgres acknowledges what is not on disk.
    DurabilityOff = "durability_off";
    /// A transaction is open for so long that it keeps what is dead.
    TransactionOld = "transaction_old";
    /// No broker answers.
    KafkaAway = "kafka_away";
    /// A broker or a topic is not as the services need it.
    KafkaUnfit = "kafka_unfit";
    /// A partition takes no messages.
    TopicUnwritable = "topic_unwritable";
    /// Acknowledged messages may be lost with a leader.
    TopicUnclean = "topic_unclean";
    /// A topic has fewer copies than topics are made with.
    ReplicasFew = "replicas_few";
    /// Copies are behind.
    ReplicasBehind = "replicas_behind";
    /// The outbox came from another cluster of Postgres.
    OutboxForeign = "outbox_foreign";
    /// An event waits to be published.
    OutboxOld = "outbox_old";
    /// Nobody publishes some shards.
    ShardsUnheld = "shards_unheld";
    /// Kafka refused an event for good.
    AggregateParked = "aggregate_parked";
    /// No instance reads for a group.
    GroupUnread = "group_unread";
    /// A group has not read what was written long ago.
    GroupBehind = "group_behind";
    /// A group stands where the log is not.
    OffsetOutside = "offset_outside";
    /// A saga asked as often as it may, and had no answer.
    SagaStuck = "saga_stuck";
    /// A deadline has passed, and nobody took it.
    DeadlineMissed = "deadline_missed";
    /// Messages that no handler could take.
    DeadLettersOpen = "dead_letters_open";
    /// Redis does not answer.
    RedisAway = "redis_away";
    /// Redis refuses to write when it is full.
    RedisNeverEvicts = "redis_never_evicts";
    /// Redis was not told of changes.
    CachePending = "cache_pending";
    /// The cache is of another Redis than the one that answers.
    CacheForeign = "cache_foreign";
    /// The object store does not answer.
    StoreAway = "store_away";
    /// The object store does not let the tool look.
    StoreRefuses = "store_refuses";
    /// A bucket is not there.
    BucketMissing = "bucket_missing";
    /// The pages that may use a bucket are others than those that are to.
    CorsDiffers = "cors_differs";
    /// Nothing drops parts that nobody put together.
    MultipartsKept = "multiparts_kept";
    /// The disk of the object store is nearly full.
    DiskLow = "disk_low";
    /// The object store does not say how full its disk is.
    DiskUnknown = "disk_unknown";
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something does not work, or what was promised is not kept.
    Fault,
    /// It works, and will not for long, or not as well.
    Warning,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: Kind,
    pub severity: Severity,
    /// What, in words.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Finding {
    pub fn fault(kind: Kind, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            kind,
            severity: Severity::Fault,
            what: what.into(),
            mend: mend.into(),
        }
    }

    pub fn warning(kind: Kind, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::fault(kind, what, mend)
        }
    }

    /// What a start-up check of a service finds. It would refuse to start, or wait.
    pub fn of_startup(kind: Kind, found: depot_service::startup::Finding) -> Self {
        Self::fault(kind, format!("{}: {}", found.subject, found.problem), found.mend)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fault => "fault",
            Self::Warning => "warning",
        })
    }
}

/// A number of things: `1 event`, `2 events`.
pub fn counted(number: impl Into<i64>, word: &str) -> String {
    let number = number.into();
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {word}{end}")
}

/// Up to five of them, in words.
pub fn listed(names: &[String]) -> String {
    const NAMED: usize = 5;
    let named = names
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    /// The first column of the table of findings, of a line that has four.
    fn documented() -> Vec<String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
        let text = fs::read_to_string(path).unwrap();
        let (_, section) = text.split_once("## Is everything right?").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let names = section.lines().filter_map(|line| {
            let name = line.strip_prefix("| `")?.split('`').next()?;
            (line.matches(" | ").count() >= 3).then(|| name.to_owned())
        });
        names.collect()
    }

    #[test]
    fn the_document_has_each_kind_of_finding_and_no_other() {
        let known: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
        let documented = documented();
        assert_eq!(documented.iter().cloned().collect::<BTreeSet<_>>(), known);
        assert_eq!(documented.len(), known.len(), "one is there twice");
    }

    #[test]
    fn a_kind_is_called_the_same_in_words_and_in_json() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let names: Vec<String> = (0..7).map(|name| name.to_string()).collect();
        assert_eq!(listed(&names[..2]), "0, 1");
        assert_eq!(listed(&names), "0, 1, 2, 3, 4 and 2 more");
    }
}
