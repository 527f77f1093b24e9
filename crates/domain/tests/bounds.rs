//! The last value that is accepted and the first that is not, and the names by which values are known outside.

use depot_domain::{
    Attributes, CancelReason, Description, ItemName, ItemStatus, Owner, RejectReason, StorageAccount, Tags,
    UploadStatus,
};
use serde_json::{Map, Value, json};

fn attributes(value: Value) -> Map<String, Value> {
    [("k".to_owned(), value)].into_iter().collect()
}

/// Nested `depth` deep, the object around it counted.
fn nested(depth: usize) -> Map<String, Value> {
    let inner = (1..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    attributes(inner)
}

#[test]
fn an_owner_has_1_to_200_characters_and_no_control_character() {
    assert!(Owner::parse("").is_err());
    assert_eq!(Owner::parse("ß").unwrap().as_str(), "ß");
    assert_eq!(Owner::parse("alice").unwrap().to_string(), "alice");
    assert!(Owner::parse("ß".repeat(200)).is_ok());
    assert!(Owner::parse("ß".repeat(201)).is_err());
    assert!(Owner::parse("a\u{7}").is_err());
}

#[test]
fn texts_are_kept_as_they_are_up_to_their_bound() {
    assert_eq!(ItemName::parse("a name".into()).unwrap().as_str(), "a name");
    assert_eq!(Description::parse("text".into()).unwrap().as_str(), "text");
    assert!(Description::parse("ß".repeat(10_000)).is_ok());
    assert!(Description::parse("ß".repeat(10_001)).is_err());
    assert!(Description::parse("a\0".into()).is_err());
}

#[test]
fn there_are_20_tags_of_50_characters_and_no_more() {
    let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(Tags::parse(many(20)).unwrap().as_slice(), many(20));
    assert!(Tags::parse(many(21)).is_err());
    assert!(Tags::parse(many(30)).is_err());
    assert!(Tags::parse(vec!["ß".repeat(50)]).is_ok());
    assert!(Tags::parse(vec!["ß".repeat(51)]).is_err());
    assert!(Tags::parse(vec!["ß".repeat(60)]).is_err());
}

#[test]
fn attributes_have_16_kib_and_32_levels_and_no_more() {
    // `{"k":""}` takes eight bytes.
    let of_bytes = |bytes: usize| attributes(json!("x".repeat(bytes - 8)));
    assert!(Attributes::parse(of_bytes(16 * 1024)).is_ok());
    assert!(Attributes::parse(of_bytes(16 * 1024 + 1)).is_err());
    assert_eq!(Attributes::parse(nested(32)).unwrap().as_map(), &nested(32));
    assert!(Attributes::parse(nested(33)).is_err());
    let of_objects = (1..33).fold(json!({}), |inner, _| json!({"k": inner}));
    let Value::Object(of_objects) = of_objects else {
        unreachable!("an object was put around it")
    };
    assert!(Attributes::parse(of_objects).is_err());
}

#[test]
fn each_status_of_an_item_is_read_as_it_is_written() {
    for (status, name) in [
        (ItemStatus::Draft, "draft"),
        (ItemStatus::Active, "active"),
        (ItemStatus::Archived, "archived"),
    ] {
        assert_eq!(status.to_string(), name);
        assert_eq!(status.as_str(), name);
        assert_eq!(name.parse(), Ok(status));
        assert_eq!(json!(status), name, "and as it is serialized");
    }
    assert!("gone".parse::<ItemStatus>().is_err());
}

#[test]
fn each_status_of_an_upload_is_read_as_it_is_written_and_two_are_open() {
    for (status, name, is_open) in [
        (UploadStatus::Pending, "pending", true),
        (UploadStatus::Received, "received", true),
        (UploadStatus::Stored, "stored", false),
        (UploadStatus::Rejected, "rejected", false),
        (UploadStatus::Expired, "expired", false),
        (UploadStatus::Aborted, "aborted", false),
        (UploadStatus::Removed, "removed", false),
    ] {
        assert_eq!(status.to_string(), name);
        assert_eq!(name.parse(), Ok(status));
        assert_eq!(status.is_open(), is_open, "{name}");
    }
}

#[test]
fn reasons_are_written_as_they_are_serialized() {
    for reason in [
        RejectReason::ContentMissing,
        RejectReason::PartsMissing,
        RejectReason::SizeMismatch,
        RejectReason::ChecksumMismatch,
        RejectReason::ContentTypeMismatch,
        RejectReason::Malware,
        RejectReason::ItemDeleted,
        RejectReason::TooManyFiles,
    ] {
        assert_eq!(json!(reason), reason.as_str());
    }
    for reason in [CancelReason::ByOwner, CancelReason::ItemDeleted] {
        assert_eq!(json!(reason), reason.as_str());
    }
}

#[test]
fn what_is_available_is_the_limit_less_what_is_used_and_reserved() {
    let account = StorageAccount {
        owner: Owner::parse("alice").unwrap(),
        limit_bytes: 100,
        used_bytes: 30,
        reserved_bytes: 20,
    };
    assert_eq!(account.available_bytes(), 50);
}
