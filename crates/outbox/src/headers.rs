//! A message's headers as the `headers` column holds them: one a line, in order, `name=value`; the name alone where
//! the value is what the row's columns say, which is half of the headers' bytes.

use std::borrow::Cow;

use depot_schemas::header;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use uuid::Uuid;

/// The columns that values of headers follow from.
pub(crate) struct Facts<'a> {
    pub event_id: Uuid,
    pub event_type: &'a str,
    pub aggregate_id: Uuid,
    pub aggregate_version: i64,
    pub occurred_at: OffsetDateTime,
}

impl Facts<'_> {
    /// What the header `name` says if the columns say it. Must never change: a repeat has the same headers.
    fn value(&self, name: &str) -> Option<String> {
        match name {
            header::ID => Some(text_of(self.event_id)),
            header::TYPE => Some(self.event_type.to_owned()),
            header::TIME => self.occurred_at.to_offset(UtcOffset::UTC).format(&Rfc3339).ok(),
            header::SUBJECT | header::PARTITION_KEY => Some(text_of(self.aggregate_id)),
            header::AGGREGATE_VERSION => Some(self.aggregate_version.to_string()),
            _ => None,
        }
    }
}

/// An id as text, without a formatter: each message has four, which took a tenth of the relay's time.
pub(crate) fn text_of(id: Uuid) -> String {
    id.hyphenated()
        .encode_lower(&mut Uuid::encode_buffer())
        .to_owned()
}

/// Answers the column's text, or the name of a header that it cannot hold.
pub(crate) fn encode(headers: &[(String, String)], facts: &Facts<'_>) -> Result<String, String> {
    let mut text = String::new();
    for (name, value) in headers {
        if name.is_empty() || name.contains(['=', '\n']) || value.contains('\n') {
            return Err(name.clone());
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(name);
        if facts.value(name).as_ref() != Some(value) {
            text.push('=');
            text.push_str(value);
        }
    }
    Ok(text)
}

/// The headers that [`encode`] was given.
pub(crate) fn decode<'a>(text: &'a str, facts: &Facts<'_>) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
    text.split('\n')
        .filter(|line| !line.is_empty())
        .map(|line| match line.split_once('=') {
            Some((name, value)) => (name, Cow::Borrowed(value)),
            None => (line, Cow::Owned(facts.value(line).unwrap_or_default())),
        })
}

/// What the header `name` says, if the text says it and not a column.
pub(crate) fn written<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split('\n')
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn facts() -> Facts<'static> {
        Facts {
            event_id: Uuid::from_u128(1),
            event_type: "depot.item.created.v1",
            aggregate_id: Uuid::from_u128(2),
            aggregate_version: 7,
            occurred_at: datetime!(2026-11-24 10:00:00.123456 UTC),
        }
    }

    #[test]
    fn headers_come_back_as_they_were_and_in_order() {
        let headers: Vec<(String, String)> = [
            ("ce_specversion", "1.0"),
            ("ce_id", "00000000-0000-0000-0000-000000000001"),
            ("ce_time", "2026-11-24T10:00:00.123456789Z"),
            ("ce_subject", "00000000-0000-0000-0000-000000000002"),
            ("ce_aggregateversion", "8"),
            ("empty", ""),
            ("tracestate", "a=b,c=d"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        let text = encode(&headers, &facts()).unwrap();
        assert_eq!(
            text,
            "ce_specversion=1.0\nce_id\nce_time=2026-11-24T10:00:00.123456789Z\nce_subject\n\
             ce_aggregateversion=8\nempty=\ntracestate=a=b,c=d"
        );
        let back: Vec<_> = decode(&text, &facts())
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect();
        assert_eq!(back, headers);
        assert_eq!(written(&text, "tracestate"), Some("a=b,c=d"));
        for absent in ["ce_id", "trace", "a"] {
            assert_eq!(written(&text, absent), None, "{absent}");
        }
    }

    #[test]
    fn a_header_that_a_line_cannot_hold_is_refused() {
        for (name, value) in [("a=b", "c"), ("a\nb", "c"), ("a", "b\nc"), ("", "c")] {
            let refused = encode(&[(name.to_owned(), value.to_owned())], &facts());
            assert_eq!(refused, Err(name.to_owned()));
        }
    }
}
