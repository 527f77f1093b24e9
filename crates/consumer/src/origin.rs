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
            && record.header_str(header::ORIGINAL_CONSUMER_GROUP) == Some(self.letters_of())
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

#[cfg(test)]
mod tests {
    use super::Origin;
    use crate::dead_letter::header;
    use crate::{ConsumerSettings, Record};

    fn settings() -> ConsumerSettings {
        let mut settings = ConsumerSettings::new("k:9092", "g", ["first.v1", "second.v1"]);
        settings.redrive_topic = Some("g.retry.v1".into());
        settings
    }

    fn letter(topic: &str, original: &str, group: &str) -> Record {
        let header = |name: &str, value: &[u8]| (name.to_owned(), Some(value.to_vec()));
        Record {
            topic: topic.into(),
            partition: 1,
            offset: 2,
            headers: vec![
                header(header::ORIGINAL_TOPIC, original.as_bytes()),
                header(header::ORIGINAL_PARTITION, &3_i32.to_be_bytes()),
                header(header::ORIGINAL_OFFSET, &4_i64.to_be_bytes()),
                header(header::ORIGINAL_CONSUMER_GROUP, group.as_bytes()),
            ],
            ..Record::default()
        }
    }

    fn origin(topic: &str, partition: i32, offset: i64) -> Origin {
        Origin {
            topic: topic.into(),
            partition,
            offset,
        }
    }

    #[test]
    fn a_copy_has_the_origin_that_it_names_and_any_other_record_is_its_own() {
        let copy = letter("g.retry.v1", "first.v1", "g");
        assert_eq!(Origin::in_headers(&copy), Some(origin("first.v1", 3, 4)));
        assert_eq!(Origin::of(&copy), origin("first.v1", 3, 4));
        for cut_short in 0..3 {
            let mut half_named = copy.clone();
            half_named.headers.remove(cut_short);
            assert_eq!(Origin::in_headers(&half_named), None);
            assert_eq!(Origin::of(&half_named), origin("g.retry.v1", 1, 2));
        }
    }

    #[test]
    fn only_a_letter_of_this_group_and_its_sources_in_the_redrive_topic_is_traced_back() {
        let traced = |record| settings().traced_back(record).redriven_from;
        assert_eq!(
            traced(letter("g.retry.v1", "second.v1", "g")),
            Some(origin("second.v1", 3, 4))
        );
        assert_eq!(traced(letter("g.retry.v1", "second.v1", "another")), None);
        assert_eq!(traced(letter("g.retry.v1", "another.v1", "g")), None);
        assert_eq!(traced(letter("second.v1", "second.v1", "g")), None);
    }

    #[test]
    fn what_was_no_letter_is_given_up_beside_the_first_source() {
        let settings = settings();
        let in_redrive_topic = Record {
            topic: "g.retry.v1".into(),
            ..Record::default()
        };
        assert_eq!(settings.source_of(&in_redrive_topic), "first.v1");
        let in_source = Record {
            topic: "second.v1".into(),
            ..Record::default()
        };
        assert_eq!(settings.source_of(&in_source), "second.v1");
        let mut came_back = in_redrive_topic.clone();
        came_back.redriven_from = Some(origin("second.v1", 3, 4));
        assert_eq!(settings.source_of(&came_back), "second.v1");
    }
}
