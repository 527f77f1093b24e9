//! Where a record was read first, and dead letters that come back by a topic of their group's own.

use crate::dead_letter::header;
use crate::record::Record;
use crate::settings::ConsumerSettings;

/// Where a message was read first: what names it, however often it is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The source topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl Origin {
    /// From the headers of a copy, or, of a record that was never copied, from where it was read.
    pub(crate) fn of(record: &Record) -> Self {
        Self::in_headers(record).unwrap_or_else(|| Self {
            topic: record.topic.to_string(),
            partition: record.partition,
            offset: record.offset,
        })
    }

    /// From the headers of a copy; none where nobody copied it here.
    pub(crate) fn in_headers(record: &Record) -> Option<Self> {
        let partition = record.header(header::ORIGINAL_PARTITION)?;
        let offset = record.header(header::ORIGINAL_OFFSET)?;
        Some(Self {
            topic: record.header_str(header::ORIGINAL_TOPIC)?.to_owned(),
            partition: i32::from_be_bytes(partition.try_into().ok()?),
            offset: i64::from_be_bytes(offset.try_into().ok()?),
        })
    }
}

impl ConsumerSettings {
    /// Notes on a record of the redrive topic where it was read first. One that names no source of this group, or
    /// another group, is no letter of ours, and stays as it was read.
    pub(crate) fn traced_back(&self, mut record: Record) -> Record {
        if self.is_redrive_topic(&record.topic)
            && record.header_str(header::ORIGINAL_CONSUMER_GROUP) == Some(self.group.as_str())
        {
            let origin = Origin::in_headers(&record);
            record.redriven_from = origin.filter(|origin| self.topics.contains(&origin.topic));
        }
        record
    }

    /// The topic whose dead letters a record belongs to. The redrive topic has none of its own: what lies there and
    /// was no letter is given up beside the first source's.
    pub(crate) fn source_of<'a>(&'a self, record: &'a Record) -> &'a str {
        let source = record.source_topic();
        match self.topics.first() {
            Some(first) if self.is_redrive_topic(source) => first,
            _ => source,
        }
    }

    fn is_redrive_topic(&self, topic: &str) -> bool {
        self.redrive_topic.as_deref() == Some(topic)
    }
}
