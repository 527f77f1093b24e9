//! A consumed record, owned.

use std::sync::Arc;

use rdkafka::Timestamp;
use rdkafka::message::{BorrowedMessage, Headers, Message};

use crate::origin::Origin;

/// Who set a record's timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The record carries none.
    #[default]
    None,
    /// The producer.
    CreateTime,
    /// The broker, on append.
    LogAppendTime,
}

impl TimestampType {
    /// The name that Kafka's Java client prints, which readers of dead letters expect.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NoTimestampType",
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
    }
}

/// One record as it lies in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The topic it was read from.
    pub topic: Arc<str>,
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset in that partition.
    pub offset: i64,
    /// Unix milliseconds, if the record carries a timestamp.
    pub timestamp_ms: Option<i64>,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// The key's bytes, if there is a key.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` for a tombstone.
    pub payload: Option<Vec<u8>>,
    /// All headers, in their order; a name may occur more than once, a value may be null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Of a dead letter that came back by its group's redrive topic: where it was read first.
    pub redriven_from: Option<Origin>,
}

impl Record {
    /// The value of the last header of that name, which is the one that counts by Kafka's convention. `None` when
    /// there is no such header or its value is null.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.as_deref())
    }

    /// As [`Record::header`], when the value is UTF-8.
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.header(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The topic whose message this is: where it was read first, if it came back from the dead letters.
    #[must_use]
    pub fn source_topic(&self) -> &str {
        self.redriven_from
            .as_ref()
            .map_or(&self.topic, |origin| &origin.topic)
    }

    /// Bytes of key, value and headers together.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len))
            .sum();
        self.key.as_ref().map_or(0, Vec::len) + self.payload.as_ref().map_or(0, Vec::len) + headers
    }

    /// Copies a message out of the client's memory. `topic` is the message's topic, shared to save the allocation.
    pub(crate) fn copy_of(message: &BorrowedMessage<'_>, topic: Arc<str>) -> Self {
        let (timestamp_ms, timestamp_type) = match message.timestamp() {
            Timestamp::NotAvailable => (None, TimestampType::None),
            Timestamp::CreateTime(ms) => (Some(ms), TimestampType::CreateTime),
            Timestamp::LogAppendTime(ms) => (Some(ms), TimestampType::LogAppendTime),
        };
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect()
        });
        Self {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms,
            timestamp_type,
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers,
            redriven_from: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Record, TimestampType};
    use crate::Origin;

    #[test]
    fn the_last_header_of_a_name_counts_and_null_is_none() {
        let record = Record {
            headers: vec![
                ("a".into(), Some(b"1".to_vec())),
                ("a".into(), Some(b"2".to_vec())),
                ("b".into(), None),
                ("c".into(), Some(vec![0xff])),
            ],
            ..Record::default()
        };
        assert_eq!(record.header("a"), Some(&b"2"[..]));
        assert_eq!(record.header("b"), None);
        assert_eq!(record.header("d"), None);
        assert_eq!(record.header_str("c"), None);
    }

    #[test]
    fn the_size_is_that_of_key_value_and_headers_with_their_names() {
        assert_eq!(Record::default().size_bytes(), 0);
        let record = Record {
            key: Some(b"key".to_vec()),
            payload: Some(b"value".to_vec()),
            headers: vec![
                ("header".into(), Some(b"1234567".to_vec())),
                ("null".into(), None),
            ],
            ..Record::default()
        };
        assert_eq!(record.size_bytes(), 3 + 5 + (6 + 7) + 4);
    }

    #[test]
    fn a_letter_that_came_back_is_a_message_of_the_topic_it_was_read_from_first() {
        let mut record = Record {
            topic: "redriven".into(),
            ..Record::default()
        };
        assert_eq!(record.source_topic(), "redriven");
        record.redriven_from = Some(Origin {
            topic: "things.v1".into(),
            partition: 0,
            offset: 1,
        });
        assert_eq!(record.source_topic(), "things.v1");
    }

    #[test]
    fn types_of_timestamps_have_the_names_that_readers_of_dead_letters_know() {
        let names = [
            TimestampType::None,
            TimestampType::CreateTime,
            TimestampType::LogAppendTime,
        ]
        .map(TimestampType::as_str);
        assert_eq!(names, ["NoTimestampType", "CreateTime", "LogAppendTime"]);
    }
}
