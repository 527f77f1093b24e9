//! The commands over gRPC.

mod deadlines;
mod items;
mod open;
mod refusals;
mod repeats;
mod same_event;
mod uploads;

use std::time::Duration;

use depot_proto::v1::{self, command_service_client::CommandServiceClient};
use depot_service::auth::Role;
use serde_json::{Map, Value};
use tonic::{Code, Request, Response, Status, metadata::MetadataMap, transport::Channel};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::service::{Service, new_key, token};

/// A channel to the service.
async fn channel(service: &Service) -> Channel {
    Channel::from_shared(format!("http://{}", service.grpc_address))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

async fn client(service: &Service) -> CommandServiceClient<Channel> {
    CommandServiceClient::new(channel(service).await)
}

/// A call of somebody with these roles, without a key.
fn by_roles<T>(subject: &str, roles: &[Role], message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {}", token(subject, roles)).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

/// A call of a writer, without a key.
fn unkeyed<T>(subject: &str, message: T) -> Request<T> {
    by_roles(subject, &[Role::Writer], message)
}

/// A call of a writer.
fn keyed<T>(subject: &str, key: &str, message: T) -> Request<T> {
    let mut request = unkeyed(subject, message);
    request
        .metadata_mut()
        .insert("idempotency-key", key.parse().unwrap());
    request
}

/// A call of a writer, with a key that is new.
fn by<T>(subject: &str, message: T) -> Request<T> {
    keyed(subject, &new_key(), message)
}

fn named(name: &str) -> Option<v1::ItemContent> {
    Some(v1::ItemContent {
        name: name.into(),
        ..Default::default()
    })
}

fn create(name: &str) -> v1::CreateItemRequest {
    v1::CreateItemRequest { item: named(name) }
}

fn update(id: &str, expected_version: &str, name: &str) -> v1::UpdateItemRequest {
    v1::UpdateItemRequest {
        id: id.to_owned(),
        item: named(name),
        expected_version: expected_version.to_owned(),
    }
}

fn delete(id: &str, expected_version: &str) -> v1::DeleteItemRequest {
    v1::DeleteItemRequest {
        id: id.to_owned(),
        expected_version: expected_version.to_owned(),
    }
}

fn announce(item: &str, size_bytes: i64) -> v1::RequestUploadRequest {
    v1::RequestUploadRequest {
        item_id: item.to_owned(),
        file_name: "report.pdf".into(),
        content_type: "application/pdf".into(),
        size_bytes,
        sha256: "ab".repeat(32),
    }
}

fn complete(id: &str) -> v1::CompleteUploadRequest {
    v1::CompleteUploadRequest {
        id: id.to_owned(),
        expected_version: String::new(),
    }
}

fn abort(id: &str) -> v1::AbortUploadRequest {
    v1::AbortUploadRequest {
        id: id.to_owned(),
        expected_version: String::new(),
    }
}

/// A new item of `owner`; answers its id.
async fn new_item(client: &mut CommandServiceClient<Channel>, owner: &str) -> String {
    let created = client.create_item(by(owner, create("thing"))).await.unwrap();
    created.into_inner().id
}

fn uuid(id: &str) -> Uuid {
    id.parse().unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

/// Code and reason; the domain is always ours.
#[track_caller]
fn reason(status: &Status) -> (Code, String) {
    let info = status
        .get_details_error_info()
        .unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "depot");
    (status.code(), info.reason)
}

/// What the details say under a name; empty where they say nothing.
fn figure(status: &Status, name: &str) -> String {
    let info = status.get_details_error_info().unwrap();
    info.metadata.get(name).cloned().unwrap_or_default()
}

fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

/// The fields that are wrong, sorted.
fn fields(status: &Status) -> Vec<String> {
    let bad = status.get_details_bad_request();
    let violations = bad.map(|bad| bad.field_violations).unwrap_or_default();
    let mut fields: Vec<_> = violations.into_iter().map(|violation| violation.field).collect();
    fields.sort();
    fields
}

fn says_replayed(metadata: &MetadataMap) -> bool {
    metadata
        .get("idempotency-replayed")
        .is_some_and(|value| value == "true")
}

fn is_replayed<T>(response: &Response<T>) -> bool {
    says_replayed(response.metadata())
}
