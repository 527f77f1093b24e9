//! What a change leaves behind besides the state: versions, times, reasons, and what is counted for it.
#![cfg(test)]

use depot_domain::{
    CancelReason, ContentType, FileName, FileRef, Item, ItemContent, ItemDecision, ItemError, ItemId,
    ItemStatus, Owner, RejectReason, Sha256, SizeBytes, Thumbnail, Upload, UploadDecision, UploadId,
    UploadRequest,
};
use serde_json::Map;
use time::{Duration, OffsetDateTime};

const BEGUN: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn later() -> OffsetDateTime {
    BEGUN + Duration::hours(1)
}

fn content(name: &str) -> ItemContent {
    ItemContent::parse(name.into(), String::new(), vec![], Map::new(), ItemStatus::Draft).unwrap()
}

fn item() -> Item {
    Item::create(
        ItemId::generate(),
        Owner::parse("alice").unwrap(),
        content("a"),
        BEGUN,
    )
}

fn changed(decision: Result<ItemDecision, ItemError>) -> (Item, Vec<&'static str>) {
    match decision.unwrap() {
        ItemDecision::Changed(item, changed) => (item, changed),
        ItemDecision::Unchanged(item) => panic!("nothing of {item:?} changed"),
    }
}

fn file() -> FileRef {
    FileRef {
        upload_id: UploadId::generate(),
        file_name: FileName::parse("a.txt".into()).unwrap(),
        content_type: ContentType::parse("text/plain".into()).unwrap(),
        size_bytes: SizeBytes::parse(1).unwrap(),
        sha256: Sha256::from_digest([0; 32]),
    }
}

fn upload() -> Upload {
    let request = UploadRequest::parse(
        ItemId::generate(),
        "a.png".into(),
        "image/png".into(),
        25,
        "ab".repeat(32),
    );
    let owner = Owner::parse("alice").unwrap();
    Upload::request(UploadId::generate(), owner, request.unwrap(), BEGUN, later())
}

fn after(decision: UploadDecision) -> Upload {
    match decision {
        UploadDecision::Changed(upload) => upload,
        UploadDecision::Unchanged(upload) => panic!("nothing of {upload:?} changed"),
    }
}

#[test]
fn a_replaced_item_has_the_new_content_and_the_time_of_its_change() {
    let mut other = content("b");
    other.status = ItemStatus::Active;
    let (item, fields) = changed(item().replace(other.clone(), later()));
    assert_eq!((&item.content, item.version), (&other, 2));
    assert_eq!((item.created_at, item.updated_at), (BEGUN, later()));
    assert_eq!(fields, ["name", "status"]);
}

#[test]
fn an_item_takes_its_hundredth_file_and_no_other() {
    let mut item = item();
    for number in 1..=Item::MAX_FILES {
        assert_eq!(item.require_room_for_a_file(), Ok(()));
        (item, _) = changed(item.attach_file(file(), BEGUN));
        assert_eq!(item.files.len(), number);
    }
    assert_eq!(item.files.len(), 100);
    let refused = ItemError::TooManyFiles {
        item: item.id,
        limit: 100,
    };
    assert_eq!(item.require_room_for_a_file(), Err(refused.clone()));
    assert_eq!(item.attach_file(file(), BEGUN), Err(refused));
}

#[test]
fn an_upload_that_ends_says_why_and_when() {
    let rejected = after(upload().reject(RejectReason::SizeMismatch, later()).unwrap());
    assert_eq!(rejected.reason.as_deref(), Some("size_mismatch"));
    assert_eq!((rejected.created_at, rejected.updated_at), (BEGUN, later()));
    let aborted = after(upload().abort(CancelReason::ByOwner, later()).unwrap());
    assert_eq!(aborted.reason.as_deref(), Some("by_owner"));
    assert_eq!(after(upload().expire(later())).reason, None);
}

#[test]
fn asking_again_raises_the_version_and_nothing_else() {
    let before = upload();
    for asked in [
        before.clone().ask_again(later()),
        before.clone().request_removal(later()),
    ] {
        let expected = Upload {
            version: 2,
            updated_at: later(),
            ..before.clone()
        };
        assert_eq!(asked, expected);
    }
    let set_back = BEGUN - Duration::hours(1);
    assert_eq!(
        before.ask_again(set_back).updated_at,
        BEGUN,
        "a clock that was set back"
    );
}

#[test]
fn a_thumbnail_counts_with_its_file() {
    let thumbnail = Thumbnail {
        object_key: "bb/1".into(),
        sha256: Sha256::from_digest([1; 32]),
        size_bytes: SizeBytes::parse(7).unwrap(),
        content_type: ContentType::parse("image/webp".into()).unwrap(),
        width: 3,
        height: 2,
    };
    assert_eq!(upload().stored_bytes(), 25);
    let stored = after(upload().store("aa/1".into(), Some(thumbnail), later()).unwrap());
    assert_eq!(stored.stored_bytes(), 32);
}

#[test]
fn a_file_that_is_sent_in_parts_has_a_plan_of_them() {
    assert_eq!(upload().parts(), None);
    let in_parts = Upload {
        part_size_bytes: Some(10),
        ..upload()
    };
    let plan = in_parts.parts().unwrap();
    assert_eq!(
        (plan.part_size_bytes(), plan.count(), plan.size_of(3)),
        (10, 3, Some(5))
    );
}
