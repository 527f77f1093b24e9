//! S3's event message: what a store says of objects that were made in it.
//!
//! After the Amazon S3 User Guide, "Event message structure". Servers differ in what surrounds the records, in the prefix
//! of the event's name, and in whether a key is URL-encoded; what is read here is common to all of them.

use depot_consumer::Poison;
use depot_domain::UploadId;
use serde::Deserialize;

/// A message with records; a test message has none.
#[derive(Debug, Deserialize)]
struct Message {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    /// `s3:TestEvent`, sent when notifications are switched on.
    #[serde(rename = "Event")]
    event: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    event_name: String,
    s3: Subject,
}

#[derive(Debug, Deserialize)]
struct Subject {
    bucket: Bucket,
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Object {
    key: String,
}

/// The uploads whose bytes a message says are there: objects of `staging` that were made now, by their keys.
///
/// # Errors
/// [`Poison`] for what is no event message.
pub fn arrived(payload: Option<&[u8]>, staging: &str) -> Result<Vec<UploadId>, Poison> {
    let payload = payload.ok_or_else(|| Poison::new("no_value", "a message without a value"))?;
    let value: serde_json::Value =
        serde_json::from_slice(payload).map_err(|error| Poison::new("not_json", error.to_string()))?;
    let message: Message =
        serde_json::from_value(value).map_err(|error| Poison::new("not_an_s3_event", error.to_string()))?;
    let Some(records) = message.records else {
        return match message.event.as_deref() {
            Some("s3:TestEvent") => Ok(Vec::new()),
            _ => Err(Poison::new(
                "not_an_s3_event",
                "neither `Records` nor a test event",
            )),
        };
    };
    let of_staging = records
        .into_iter()
        .filter(|record| record.s3.bucket.name == staging);
    let made = of_staging.filter(|record| is_made(&record.event_name));
    // What has another name is not this system's, or a probe's.
    Ok(made
        .filter_map(|record| decoded(&record.s3.object.key).parse().ok())
        .collect())
}

/// By a client's hand: a copy in the store is none.
fn is_made(event_name: &str) -> bool {
    let name = event_name.strip_prefix("s3:").unwrap_or(event_name);
    [
        "ObjectCreated:Put",
        "ObjectCreated:Post",
        "ObjectCreated:CompleteMultipartUpload",
    ]
    .contains(&name)
}

/// Form decoding, as keys are encoded in these messages; a `%` that begins no byte stays.
fn decoded(key: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), key.as_bytes());
    while let [first, after @ ..] = rest {
        let digits = after
            .get(..2)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = after;
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a20eb0-e676-7d98-b9a0-000000000001";

    fn message(event_name: &str, bucket: &str, key: &str) -> Vec<u8> {
        let record = serde_json::json!({
            "eventName": event_name, "s3": {"bucket": {"name": bucket}, "object": {"key": key}},
        });
        serde_json::json!({"Records": [record]}).to_string().into_bytes()
    }

    #[test]
    fn only_uploads_that_were_made_in_staging_arrived() {
        let encoded = ID.replace('-', "%2d");
        for (event_name, bucket, key, counts) in [
            ("s3:ObjectCreated:Put", "staging", ID, true),
            ("ObjectCreated:Put", "staging", &encoded, true),
            ("ObjectCreated:CompleteMultipartUpload", "staging", ID, true),
            ("ObjectCreated:Copy", "staging", ID, false),
            ("ObjectRemoved:Delete", "staging", ID, false),
            ("ObjectCreated:Put", "files", ID, false),
            ("ObjectCreated:Put", "staging-2", ID, false),
            ("ObjectCreated:Put", "staging", ".probe/x", false),
            ("ObjectCreated:Put", "staging", "100%+%zz", false),
        ] {
            let found = arrived(Some(&message(event_name, bucket, key)), "staging").unwrap();
            assert_eq!(!found.is_empty(), counts, "{event_name} {bucket} {key}");
            assert!(found.iter().all(|id| id.to_string() == ID));
        }
        let test = br#"{"Event": "s3:TestEvent", "Service": "S3"}"#;
        assert!(arrived(Some(test), "staging").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_event_message_is_named_by_its_reason() {
        for (payload, reason) in [
            (None, "no_value"),
            (Some(&b"{"[..]), "not_json"),
            (Some(b"\xff"), "not_json"),
            (Some(b"[]"), "not_an_s3_event"),
            (Some(b"7"), "not_an_s3_event"),
            (Some(b"{}"), "not_an_s3_event"),
            (Some(br#"{"Event": "other"}"#), "not_an_s3_event"),
            (Some(br#"{"Records": 7}"#), "not_an_s3_event"),
            (Some(br#"{"Records": [{}]}"#), "not_an_s3_event"),
            (
                Some(br#"{"Records": [{"eventName": "ObjectCreated:Put", "s3": {}}]}"#),
                "not_an_s3_event",
            ),
        ] {
            assert_eq!(
                arrived(payload, "staging").unwrap_err().reason_class,
                reason,
                "{payload:?}"
            );
        }
    }

    #[test]
    fn a_key_is_decoded_as_forms_are() {
        assert_eq!(decoded("a+b%20c%2B%C3%BC%"), "a b c+ü%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
        assert_eq!(decoded("%+1x"), "% 1x");
    }
}
