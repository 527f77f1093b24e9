//! The last value that is accepted and the first that is not, and the names by which values are known outside.

use depot_domain::{
    Attributes, CancelReason, ContentType, Description, FieldError, FileName, Invalid, ItemName, ItemStatus,
    Owner, PartPlan, RejectReason, Sha256, SizeBytes, StorageAccount, Tags, UploadStatus,
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

#[test]
fn a_file_name_has_1_to_255_characters_and_is_kept() {
    assert_eq!(FileName::parse("ß".into()).unwrap().as_str(), "ß");
    assert!(FileName::parse("ß".repeat(255)).is_ok());
    assert!(FileName::parse("ß".repeat(256)).is_err());
    for bad in [".", "..", "   "] {
        assert!(FileName::parse(bad.into()).is_err(), "{bad:?}");
    }
    assert!(FileName::parse(".profile".into()).is_ok());
}

#[test]
fn a_content_type_has_at_most_127_characters() {
    let of_length = |length: usize| format!("a/{}", "b".repeat(length - 2));
    assert!(ContentType::parse(of_length(127)).is_ok());
    assert!(ContentType::parse(of_length(128)).is_err());
}

#[test]
fn a_file_has_1_byte_to_5_gib() {
    assert_eq!(SizeBytes::MAX, 5_368_709_120);
    for accepted in [1, SizeBytes::MAX] {
        assert_eq!(SizeBytes::parse(accepted).unwrap().get(), accepted);
    }
}

#[test]
fn a_digest_has_64_hexadecimal_digits_and_is_kept_in_lower_case() {
    let text = "0123456789abcdefABCDEF".repeat(3);
    let accepted = Sha256::parse(text[..64].into()).unwrap();
    assert_eq!(accepted.to_string(), text[..64].to_lowercase());
    assert_eq!(accepted.to_digest()[..6], [0x01, 0x23, 0x45, 0x67, 0x89, 0xab]);
    assert_eq!(Sha256::from_digest(accepted.to_digest()), accepted);
    assert!(Sha256::parse(text[..63].into()).is_err());
    assert!(Sha256::parse(text[..65].into()).is_err());
    assert!(Sha256::parse(text[..63].to_owned() + "g").is_err());
}

#[test]
fn a_plan_has_the_size_it_was_made_with_and_one_part_more_for_what_is_left() {
    let plan = |size, part| PartPlan::new(SizeBytes::parse(size).unwrap(), part);
    assert_eq!(plan(20, 10).part_size_bytes(), 10);
    for (size, count) in [(1, 1), (10, 1), (11, 2), (20, 2), (21, 3)] {
        assert_eq!(plan(size, 10).count(), count, "{size} bytes");
    }
    assert_eq!(plan(7, 0).part_size_bytes(), 1);
    let amiss = |arrived: &[(i32, i64)]| plan(20, 10).compare(arrived);
    assert!(amiss(&[(1, 10), (2, 10)]).is_nothing());
    assert!(!amiss(&[(1, 10)]).is_nothing(), "one is missing");
    assert!(!amiss(&[(1, 10), (2, 9)]).is_nothing(), "one has another size");
}

#[test]
fn what_is_invalid_is_told_field_by_field() {
    let invalid = Invalid(vec![
        FieldError::new("/name", "is empty"),
        FieldError::new("/tags/3", "is too long"),
    ]);
    assert_eq!(invalid.to_string(), "/name: is empty; /tags/3: is too long");
}
