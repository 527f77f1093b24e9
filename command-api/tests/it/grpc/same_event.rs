//! Both doors write the same.

use depot_grpc::values::object as message;
use depot_proto::v1;
use prost_types::FieldMask;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{abort, announce, by, client, complete, delete, object, uuid};
use crate::service::{Event, Service, new_key};

/// The events of an aggregate without what no two commands have in common: ids and times.
async fn told(service: &Service, aggregate: Uuid) -> Vec<Event> {
    let mut events = service.events(aggregate).await;
    for event in &mut events {
        erase(&mut event.data);
    }
    events
}

fn erase(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let is_own = name == "id" || name.ends_with("_id") || name.ends_with("_at");
                if is_own && !value.is_null() {
                    *value = json!("its own");
                } else {
                    erase(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(erase),
        _ => {}
    }
}

/// `(topic, names of headers)` of each row in the outbox.
async fn rows(service: &Service, aggregate: Uuid) -> Vec<(String, Vec<String>)> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT topic, headers FROM command.outbox WHERE aggregate_id = $1 ORDER BY aggregate_version",
    )
    .bind(aggregate)
    .fetch_all(&service.pool)
    .await
    .unwrap();
    let names = |headers: String| {
        let name = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
        // Where it was caused from is each trace's own.
        let is_told = |name: &String| !name.starts_with("trace");
        headers.lines().map(name).filter(is_told).collect()
    };
    rows.into_iter()
        .map(|(topic, headers)| (topic, names(headers)))
        .collect()
}

async fn the_same_is_told(service: &Service, rest: Uuid, grpc: Uuid, events: usize) {
    let (by_rest, by_grpc) = (told(service, rest).await, told(service, grpc).await);
    assert_eq!(by_rest.len(), events);
    assert_eq!(by_rest, by_grpc);
    assert_eq!(rows(service, rest).await, rows(service, grpc).await);
}

#[tokio::test]
async fn an_item_of_rest_and_one_of_grpc_have_the_same_events() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let attributes =
        json!({"whole": 7, "broken": 0.5, "list": [1, "a", null], "object": {"deep": {"er": true}}});
    let content = json!({
        "name": "ä name", "description": "text", "tags": ["b", "a"], "attributes": attributes, "status": "active",
    });
    let created = service.by("alice", "POST", "/api/v1/items").key(&new_key());
    let rest = created.json(content).send().await.expect(201).text("id");
    let path = format!("/api/v1/items/{rest}");
    let put = service.by("alice", "PUT", &path).if_match("\"1\"");
    put.json(json!({"name": "b", "tags": ["c"]}))
        .send()
        .await
        .expect(200);
    let patch = service.by("alice", "PATCH", &path).if_match("*");
    let change = json!({"description": "more", "tags": null, "attributes": {"x": {"y": 1}, "z": null}});
    patch.merge_patch(change).send().await.expect(200);
    let gone = service.by("alice", "DELETE", &path).if_match("\"3\"");
    gone.send().await.expect(204);

    let create = v1::CreateItemRequest {
        item: Some(v1::ItemContent {
            name: "ä name".into(),
            description: "text".into(),
            tags: vec!["b".into(), "a".into()],
            attributes: Some(message(object(attributes))),
            status: v1::ItemStatus::Active.into(),
        }),
    };
    let grpc = client
        .create_item(by("alice", create))
        .await
        .unwrap()
        .into_inner()
        .id;
    let update = v1::UpdateItemRequest {
        id: grpc.clone(),
        item: Some(v1::ItemContent {
            name: "b".into(),
            tags: vec!["c".into()],
            ..Default::default()
        }),
        expected_version: "1".into(),
    };
    client.update_item(by("alice", update)).await.unwrap();
    let patch = v1::PatchItemRequest {
        id: grpc.clone(),
        item: Some(v1::ItemContent {
            description: "more".into(),
            attributes: Some(message(object(json!({"x": {"y": 1}, "z": null})))),
            ..Default::default()
        }),
        update_mask: Some(FieldMask {
            paths: ["description", "tags", "attributes"].map(str::to_owned).to_vec(),
        }),
        expected_version: "*".into(),
    };
    client.patch_item(by("alice", patch)).await.unwrap();
    client.delete_item(by("alice", delete(&grpc, "3"))).await.unwrap();

    the_same_is_told(&service, uuid(&rest), uuid(&grpc), 4).await;
}

#[tokio::test]
async fn an_upload_of_rest_and_one_of_grpc_have_the_same_events() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let item = service.item("alice").await;
    let completed = service.upload("alice", item, 1_000).await;
    service.complete("alice", completed).await.expect(202);
    let aborted = service.upload("alice", item, 1_000).await;
    let path = format!("/api/v1/uploads/{aborted}");
    service.by("alice", "DELETE", &path).send().await.expect(204);

    let mut announced = Vec::new();
    for _ in 0..2 {
        let asked = by("alice", announce(&item.to_string(), 1_000));
        let asked = client.request_upload(asked).await.unwrap().into_inner();
        announced.push(asked.upload.unwrap().id);
    }
    client
        .complete_upload(by("alice", complete(&announced[0])))
        .await
        .unwrap();
    client
        .abort_upload(by("alice", abort(&announced[1])))
        .await
        .unwrap();

    the_same_is_told(&service, completed, uuid(&announced[0]), 2).await;
    the_same_is_told(&service, aborted, uuid(&announced[1]), 2).await;
    let saga = |id| service.saga(id);
    assert_eq!(saga(completed).await, saga(uuid(&announced[0])).await);
    assert_eq!(saga(aborted).await, saga(uuid(&announced[1])).await);
}
