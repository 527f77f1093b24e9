use std::collections::BTreeSet;

use depot_end_to_end::Depot;
use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use futures::stream;
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::{Code, Request, Status, metadata::AsciiMetadataValue, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::{Caller, Needs, Verdict, scene::Scene, tokens, verdict};

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
        _ => call_open(channel, method, authorization).await,
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

/// The methods that our protocol declares, and those that the server says it serves beside them.
async fn served(channel: &Channel) -> BTreeSet<String> {
    let declared = methods_of(FileDescriptorSet::decode(v1::FILE_DESCRIPTOR_SET).unwrap().file);
    let reflected = reflected(channel).await;
    assert!(
        declared.len() >= 8 && reflected.is_superset(&declared),
        "{reflected:?}"
    );
    for standard in ["grpc.health.v1.Health/", "grpc.reflection.v1.ServerReflection/"] {
        let is_there = reflected.iter().any(|method| method.starts_with(standard));
        assert!(is_there, "{standard} is not in {reflected:?}");
    }
    reflected
}

pub async fn check(depot: &Depot, scene: &Scene) {
    let channel = Channel::from_shared(depot.grpc_url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut wrong = Vec::new();
    for method in &served(&channel).await {
        let needs = needs(method);
        for caller in Caller::ALL {
            let authorization: Vec<_> = caller
                .token()
                .map(|token| format!("Bearer {token}"))
                .into_iter()
                .collect();
            let answered = call(&channel, method, scene, &authorization).await;
            let code = answered.as_ref().map_or_else(Status::code, |()| Code::Ok);
            let expected = match verdict(needs, caller) {
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
