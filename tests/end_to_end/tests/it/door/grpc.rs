use std::collections::BTreeSet;

use depot_end_to_end::{Depot, sha256_hex};
use depot_proto::v1::{
    self, command_service_client::CommandServiceClient, query_service_client::QueryServiceClient,
};
use futures::stream;
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::{Code, Request, Status, metadata::AsciiMetadataValue, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use uuid::Uuid;

use super::{
    Caller, Needs, Verdict,
    scene::{FILE, Scene},
    tokens, verdict,
};

/// What each method needs.
fn needs(method: &str) -> Needs {
    match method {
        "depot.v1.QueryService/GetItem"
        | "depot.v1.QueryService/BatchGetItems"
        | "depot.v1.QueryService/ListItems"
        | "depot.v1.QueryService/GetItemHistory"
        | "depot.v1.QueryService/GetStatistics"
        | "depot.v1.QueryService/WatchItems" => Needs::Reader,
        "depot.v1.QueryService/GetUpload" | "depot.v1.QueryService/GetDownloadUrl" => Needs::ReaderWhoOwns,
        "depot.v1.CommandService/CreateItem" => Needs::Writer,
        "depot.v1.CommandService/UpdateItem"
        | "depot.v1.CommandService/PatchItem"
        | "depot.v1.CommandService/DeleteItem"
        | "depot.v1.CommandService/RequestUpload"
        | "depot.v1.CommandService/SignParts"
        | "depot.v1.CommandService/CompleteUpload"
        | "depot.v1.CommandService/AbortUpload" => Needs::WriterWhoOwns,
        // Whether it serves is asked by what starts and balances services, which has no token; what it serves is in the
        // public documents too.
        "grpc.health.v1.Health/Check"
        | "grpc.health.v1.Health/Watch"
        | "grpc.reflection.v1.ServerReflection/ServerReflectionInfo" => Needs::Nothing,
        _ => panic!("{method} has no row"),
    }
}

/// Calls a method about the scene.
async fn call(
    channel: &Channel,
    method: &str,
    scene: &Scene,
    authorization: &[String],
) -> Result<(), Status> {
    let (item, upload) = (scene.item.clone(), scene.stored.clone());
    let at_least = None;
    let mut client = QueryServiceClient::new(channel.clone());
    match method {
        "depot.v1.QueryService/GetItem" => {
            let message = v1::GetItemRequest { id: item, at_least };
            client.get_item(with(message, authorization)).await.map(drop)
        }
        "depot.v1.QueryService/BatchGetItems" => {
            let message = v1::BatchGetItemsRequest {
                ids: vec![item],
                ..Default::default()
            };
            client
                .batch_get_items(with(message, authorization))
                .await
                .map(drop)
        }
        "depot.v1.QueryService/ListItems" => {
            let message = v1::ListItemsRequest::default();
            client.list_items(with(message, authorization)).await.map(drop)
        }
        "depot.v1.QueryService/GetItemHistory" => {
            let message = v1::GetItemHistoryRequest {
                item_id: item,
                ..Default::default()
            };
            client
                .get_item_history(with(message, authorization))
                .await
                .map(drop)
        }
        "depot.v1.QueryService/GetStatistics" => {
            let message = v1::GetStatisticsRequest::default();
            client
                .get_statistics(with(message, authorization))
                .await
                .map(drop)
        }
        "depot.v1.QueryService/WatchItems" => {
            let message = v1::WatchItemsRequest::default();
            client.watch_items(with(message, authorization)).await.map(drop)
        }
        "depot.v1.QueryService/GetUpload" => {
            let message = v1::GetUploadRequest { id: upload, at_least };
            client.get_upload(with(message, authorization)).await.map(drop)
        }
        "depot.v1.QueryService/GetDownloadUrl" => {
            let message = v1::GetDownloadUrlRequest {
                upload_id: upload,
                ..Default::default()
            };
            client
                .get_download_url(with(message, authorization))
                .await
                .map(drop)
        }
        _ if changes(method) => command(channel, method, scene, authorization).await,
        _ => call_open(channel, method, authorization).await,
    }
}

/// Whether it may change what it is asked about.
fn changes(method: &str) -> bool {
    method.starts_with("depot.v1.CommandService/")
}

/// Gives a command about the scene.
async fn command(
    channel: &Channel,
    method: &str,
    scene: &Scene,
    authorization: &[String],
) -> Result<(), Status> {
    let mut client = CommandServiceClient::new(channel.clone());
    let expected_version = scene.version.clone();
    let content = || {
        Some(v1::ItemContent {
            name: "by grpc".into(),
            ..Default::default()
        })
    };
    match method {
        "depot.v1.CommandService/CreateItem" => {
            let message = v1::CreateItemRequest { item: content() };
            client.create_item(with(message, authorization)).await.map(drop)
        }
        "depot.v1.CommandService/UpdateItem" => {
            let message = v1::UpdateItemRequest {
                id: scene.item.clone(),
                item: content(),
                expected_version,
            };
            client.update_item(with(message, authorization)).await.map(drop)
        }
        "depot.v1.CommandService/PatchItem" => {
            let message = v1::PatchItemRequest {
                id: scene.item.clone(),
                item: content(),
                update_mask: None,
                expected_version,
            };
            client.patch_item(with(message, authorization)).await.map(drop)
        }
        "depot.v1.CommandService/DeleteItem" => {
            let id = scene.item.clone();
            let message = v1::DeleteItemRequest { id, expected_version };
            client.delete_item(with(message, authorization)).await.map(drop)
        }
        "depot.v1.CommandService/RequestUpload" => {
            let message = v1::RequestUploadRequest {
                item_id: scene.item.clone(),
                file_name: "a.bin".into(),
                content_type: "application/octet-stream".into(),
                size_bytes: 3,
                sha256: sha256_hex(FILE),
            };
            client
                .request_upload(with(message, authorization))
                .await
                .map(drop)
        }
        "depot.v1.CommandService/SignParts" => {
            let message = v1::SignPartsRequest {
                upload_id: scene.in_parts.clone(),
                first: 1,
                count: 1,
                expected_version: String::new(),
            };
            client.sign_parts(with(message, authorization)).await.map(drop)
        }
        "depot.v1.CommandService/CompleteUpload" => {
            let message = v1::CompleteUploadRequest {
                id: scene.announced.clone(),
                expected_version: String::new(),
            };
            client
                .complete_upload(with(message, authorization))
                .await
                .map(drop)
        }
        "depot.v1.CommandService/AbortUpload" => {
            let message = v1::AbortUploadRequest {
                id: scene.announced.clone(),
                expected_version: String::new(),
            };
            client.abort_upload(with(message, authorization)).await.map(drop)
        }
        _ => panic!("{method} has no row"),
    }
}

/// Calls a method that needs no token, by whatever one comes with it.
async fn call_open(channel: &Channel, method: &str, authorization: &[String]) -> Result<(), Status> {
    let mut health = HealthClient::new(channel.clone());
    match method {
        "grpc.health.v1.Health/Check" => {
            let check = HealthCheckRequest::default();
            health.check(with(check, authorization)).await.map(drop)
        }
        "grpc.health.v1.Health/Watch" => {
            let check = HealthCheckRequest::default();
            health.watch(with(check, authorization)).await.map(drop)
        }
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo" => {
            let asked = [reflect(MessageRequest::ListServices(String::new()))];
            let mut reflection = ServerReflectionClient::new(channel.clone());
            let request = with(stream::iter(asked), authorization);
            reflection.server_reflection_info(request).await.map(drop)
        }
        _ => panic!("{method} has no row"),
    }
}

fn with<T>(message: T, authorization: &[String]) -> Request<T> {
    let mut request = Request::new(message);
    // Questions need none.
    let key = Uuid::now_v7().to_string().parse().unwrap();
    request.metadata_mut().insert("idempotency-key", key);
    for value in authorization {
        let value: AsciiMetadataValue = value.parse().unwrap();
        request.metadata_mut().append("authorization", value);
    }
    request
}

fn reflect(message: MessageRequest) -> ServerReflectionRequest {
    ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    }
}

/// `package.Service/Method` of all that these files declare.
fn methods_of(files: impl IntoIterator<Item = FileDescriptorProto>) -> BTreeSet<String> {
    let mut methods = BTreeSet::new();
    for file in files {
        for service in &file.service {
            let names = service.method.iter().map(|method| method.name());
            methods.extend(names.map(|name| format!("{}.{}/{name}", file.package(), service.name())));
        }
    }
    methods
}

/// What the server says that it serves.
async fn reflected(channel: &Channel) -> BTreeSet<String> {
    let ask = async |message| {
        let mut reflection = ServerReflectionClient::new(channel.clone());
        let asked = stream::iter([reflect(message)]);
        let answers = reflection.server_reflection_info(asked).await.unwrap();
        let answer = answers.into_inner().message().await.unwrap().unwrap();
        answer.message_response.unwrap()
    };
    let MessageResponse::ListServicesResponse(list) = ask(MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list of services");
    };
    let mut methods = BTreeSet::new();
    for service in list.service {
        let of = format!("{}/", service.name);
        let MessageResponse::FileDescriptorResponse(files) =
            ask(MessageRequest::FileContainingSymbol(service.name)).await
        else {
            panic!("{of} is listed and not described");
        };
        let files = files.file_descriptor_proto;
        let files = files
            .iter()
            .map(|file| FileDescriptorProto::decode(file.as_slice()).unwrap());
        methods.extend(
            methods_of(files)
                .into_iter()
                .filter(|method| method.starts_with(&of)),
        );
    }
    methods
}

/// The methods that our protocol declares of a service, and those that its server says it serves beside them.
async fn served(channel: &Channel, service: &str) -> BTreeSet<String> {
    let declared = methods_of(FileDescriptorSet::decode(v1::FILE_DESCRIPTOR_SET).unwrap().file);
    let (own, of_others): (BTreeSet<_>, BTreeSet<_>) = declared
        .into_iter()
        .partition(|method| method.starts_with(&format!("{service}/")));
    let reflected = reflected(channel).await;
    assert!(own.len() >= 8 && reflected.is_superset(&own), "{reflected:?}");
    assert!(reflected.is_disjoint(&of_others), "{reflected:?}");
    for standard in ["grpc.health.v1.Health/", "grpc.reflection.v1.ServerReflection/"] {
        let is_there = reflected.iter().any(|method| method.starts_with(standard));
        assert!(is_there, "{standard} is not in {reflected:?}");
    }
    reflected
}

pub async fn check(depot: &Depot, scene: &Scene) {
    check_server(
        depot,
        scene,
        depot.grpc_url(),
        v1::query_service_server::SERVICE_NAME,
    )
    .await;
    let url = depot.command_grpc_url();
    check_server(depot, scene, url, v1::command_service_server::SERVICE_NAME).await;
}

async fn check_server(depot: &Depot, scene: &Scene, url: String, service: &str) {
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let mut wrong = Vec::new();
    for method in &served(&channel, service).await {
        let needs = needs(method);
        for caller in Caller::ALL {
            let authorization: Vec<_> = caller
                .token()
                .map(|token| format!("Bearer {token}"))
                .into_iter()
                .collect();
            let verdict = verdict(needs, caller);
            // What a caller may change is its own, so that no row takes from another.
            let fresh = match verdict {
                Verdict::Passes if changes(method) => Some(scene.fresh(depot).await),
                _ => None,
            };
            let scene = fresh.as_ref().unwrap_or(scene);
            let answered = call(&channel, method, scene, &authorization).await;
            let code = answered.as_ref().map_or_else(Status::code, |()| Code::Ok);
            let expected = match verdict {
                Verdict::Passes => Code::Ok,
                Verdict::Unknown => Code::Unauthenticated,
                Verdict::NotAllowed => Code::PermissionDenied,
            };
            if code != expected {
                wrong.push(format!("{method} by {caller:?}: {answered:?}"));
            }
        }
        for (name, values) in tokens::broken() {
            let answered = call(&channel, method, scene, &values).await;
            let code = answered.as_ref().map_or_else(Status::code, |()| Code::Ok);
            let expected = match needs {
                Needs::Nothing => Code::Ok,
                _ => Code::Unauthenticated,
            };
            if code != expected {
                wrong.push(format!("{method} with {name}: {answered:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
