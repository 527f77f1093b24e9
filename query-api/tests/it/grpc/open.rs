//! What needs no token.

use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::channel;
use crate::harness::Harness;

#[tokio::test]
async fn health_and_reflection_answer_without_a_token() {
    let harness = Harness::start().await;
    let channel = channel(&harness).await;
    for service in ["", "depot.v1.QueryService"] {
        depot_test_stack::wait_until("the service is healthy", || async {
            let check = HealthCheckRequest {
                service: service.into(),
            };
            let answer = HealthClient::new(channel.clone())
                .check(check)
                .await
                .unwrap()
                .into_inner();
            answer.status() == tonic_health::pb::health_check_response::ServingStatus::Serving
        })
        .await;
    }
    let request = |message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let requests = [
        request(MessageRequest::ListServices(String::new())),
        request(MessageRequest::FileContainingSymbol(
            "depot.v1.QueryService.GetItem".into(),
        )),
    ];
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list");
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"depot.v1.QueryService".to_owned()), "{names:?}");
    let answer = answers.message().await.unwrap().unwrap().message_response;
    assert!(matches!(answer, Some(MessageResponse::FileDescriptorResponse(_))));
}
