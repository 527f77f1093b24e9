//! Items: created, replaced, patched, deleted.

use depot_grpc::values::{json_object, object as message};
use depot_proto::v1;
use prost_types::FieldMask;
use serde_json::json;

use super::{by, client, create, delete, new_item, object, unkeyed, update, uuid};
use crate::service::Service;

fn patch(id: &str, paths: &[&str], item: v1::ItemContent) -> v1::PatchItemRequest {
    let paths = paths.iter().map(|&path| path.to_owned()).collect();
    v1::PatchItemRequest {
        id: id.to_owned(),
        item: Some(item),
        update_mask: Some(FieldMask { paths }),
        expected_version: "*".into(),
    }
}

#[tokio::test]
async fn an_item_is_created_replaced_patched_and_deleted() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let created = client.create_item(by("alice", create("a"))).await.unwrap();
    assert!(!super::is_replayed(&created));
    let created = created.into_inner();
    assert_eq!(
        (
            created.name.as_str(),
            created.owner.as_str(),
            created.version.as_str()
        ),
        ("a", "alice", "1")
    );
    assert_eq!(created.status(), v1::ItemStatus::Draft);
    assert!(created.created_at.is_some() && created.created_at == created.updated_at);

    let replaced = client.update_item(by("alice", update(&created.id, "1", "b")));
    let replaced = replaced.await.unwrap().into_inner();
    assert_eq!((replaced.name.as_str(), replaced.version.as_str()), ("b", "2"));
    let change = v1::ItemContent {
        status: v1::ItemStatus::Active.into(),
        ..Default::default()
    };
    // A key is needed only where something is made.
    let patched = client.patch_item(unkeyed("alice", patch(&created.id, &["status"], change)));
    let patched = patched.await.unwrap().into_inner();
    assert_eq!(
        (patched.name.as_str(), patched.status(), patched.version.as_str()),
        ("b", v1::ItemStatus::Active, "3")
    );
    let deleted = client.delete_item(unkeyed("alice", delete(&created.id, "3")));
    assert_eq!(deleted.await.unwrap().into_inner().version, "4");
    assert_eq!(
        service.kinds(uuid(&created.id)).await,
        ["item.created", "item.updated", "item.updated", "item.deleted"]
    );
}

#[tokio::test]
async fn a_replacement_gives_fields_that_are_not_set_their_defaults() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let full = v1::CreateItemRequest {
        item: Some(v1::ItemContent {
            name: "a".into(),
            description: "b".into(),
            tags: vec!["c".into()],
            attributes: Some(message(object(json!({"d": 1})))),
            status: v1::ItemStatus::Archived.into(),
        }),
    };
    let created = client.create_item(by("alice", full)).await.unwrap().into_inner();
    assert_eq!(created.tags, ["c"]);
    assert_eq!(
        json_object(created.attributes.clone().unwrap()),
        Ok(object(json!({"d": 1})))
    );
    let replaced = client.update_item(by("alice", update(&created.id, "*", "a")));
    let replaced = replaced.await.unwrap().into_inner();
    assert_eq!((replaced.description.as_str(), replaced.tags.len()), ("", 0));
    assert_eq!(replaced.status(), v1::ItemStatus::Draft);
    assert_eq!(replaced.attributes, Some(prost_types::Struct::default()));
}

#[tokio::test]
async fn a_patch_changes_what_its_mask_names_and_merges_attributes() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let full = v1::CreateItemRequest {
        item: Some(v1::ItemContent {
            name: "a".into(),
            description: "b".into(),
            tags: vec!["c".into()],
            attributes: Some(message(object(json!({"keep": 1, "go": 2, "in": {"x": 1}})))),
            ..Default::default()
        }),
    };
    let id = client
        .create_item(by("alice", full))
        .await
        .unwrap()
        .into_inner()
        .id;
    let change = v1::ItemContent {
        // Not named, and so not meant.
        name: "other".into(),
        attributes: Some(message(object(json!({"go": null, "in": {"y": 2}})))),
        ..Default::default()
    };
    let patched = client.patch_item(by("alice", patch(&id, &["attributes", "description"], change)));
    let patched = patched.await.unwrap().into_inner();
    assert_eq!(
        (
            patched.name.as_str(),
            patched.description.as_str(),
            patched.tags.len()
        ),
        ("a", "", 1)
    );
    assert_eq!(
        json_object(patched.attributes.unwrap()),
        Ok(object(json!({"keep": 1, "in": {"x": 1, "y": 2}})))
    );
    assert_eq!(
        service.events(uuid(&id)).await[1].data["changed"],
        json!(["description", "attributes"])
    );
}

#[tokio::test]
async fn a_change_that_changes_nothing_answers_the_present_version_and_is_no_event() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    let same = client.update_item(by("alice", update(&id, "1", "thing")));
    assert_eq!(same.await.unwrap().into_inner().version, "1");
    let nothing = v1::PatchItemRequest {
        id: id.clone(),
        item: None,
        update_mask: None,
        expected_version: "1".into(),
    };
    let same = client.patch_item(by("alice", nothing));
    assert_eq!(same.await.unwrap().into_inner().version, "1");
    assert_eq!(service.kinds(uuid(&id)).await, ["item.created"]);
}
