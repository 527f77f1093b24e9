//! What needs no token.

use depot_test_stack::wait_until;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::channel;
use crate::service::{Service, metric};

async fn health(service: &Service, name: &str) -> ServingStatus {
    let check = HealthCheckRequest { service: name.into() };
    let mut client = HealthClient::new(channel(service).await);
    client.check(check).await.unwrap().into_inner().status()
}

const NAMES: [&str; 2] = ["", "depot.v1.CommandService"];

#[tokio::test]
async fn the_service_says_that_it_serves_once_it_is_ready() {
    let service = Service::start().await;
    for name in NAMES {
        wait_until("the service is healthy", || async {
            health(&service, name).await == ServingStatus::Serving
        })
        .await;
    }
}

#[tokio::test]
async fn without_its_database_the_service_says_that_it_does_not_serve() {
    let service = Service::without_database().await;
    for name in NAMES {
        wait_until("the service is not healthy", || async {
            health(&service, name).await == ServingStatus::NotServing
        })
        .await;
    }
}

#[tokio::test]
async fn reflection_tells_of_this_service_and_not_of_others() {
    let service = Service::without_database().await;
    let request = |message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let symbol = |name: &str| request(MessageRequest::FileContainingSymbol(name.into()));
    let requests = [
        request(MessageRequest::ListServices(String::new())),
        symbol("depot.v1.CommandService.CreateItem"),
        symbol("depot.v1.QueryService"),
    ];
    let mut answers = ServerReflectionClient::new(channel(&service).await)
        .server_reflection_info(futures::stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "depot.v1.CommandService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection"
        ]
    );
    let described = answers.message().await.unwrap().unwrap().message_response;
    assert!(matches!(
        described,
        Some(MessageResponse::FileDescriptorResponse(_))
    ));
    let unknown = answers.message().await;
    assert!(
        !matches!(
            &unknown,
            Ok(Some(answer)) if matches!(answer.message_response, Some(MessageResponse::FileDescriptorResponse(_)))
        ),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code() {
    let service = Service::start().await;
    let mut client = super::client(&service).await;
    let before = metric(&service, &series("CreateItem", "OK")).await;
    super::new_item(&mut client, "alice").await;
    assert!(metric(&service, &series("CreateItem", "OK")).await > before);
    let delete = super::delete(&uuid::Uuid::now_v7().to_string(), "*");
    client.delete_item(super::by("alice", delete)).await.unwrap_err();
    assert!(metric(&service, &series("DeleteItem", "NOT_FOUND")).await >= 1.0);
}

fn series(method: &str, code: &str) -> String {
    format!(
        "depot_requests_total{{method=\"gRPC\",route=\"/depot.v1.CommandService/{method}\",status=\"{code}\"}}"
    )
}
