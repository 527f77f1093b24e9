use std::time::Duration;

use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_service::auth::Role;
use prost_types::value::Kind;
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::harness::{Harness, Item, put_thumbnail, put_upload, token};

/// A channel to the service.
pub async fn channel(harness: &Harness) -> Channel {
    Channel::from_shared(format!("http://{}", harness.grpc))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// A request with a token.
pub fn by<T>(subject: &str, roles: &[Role], message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {}", token(subject, roles)).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

pub fn by_reader<T>(message: T) -> Request<T> {
    by("reader", &[Role::Reader], message)
}

fn no_wait(version: &str) -> Option<v1::AtLeast> {
    Some(v1::AtLeast {
        min_version: version.into(),
        wait: Some(prost_types::Duration::default()),
    })
}

/// Code and reason; the domain is always ours.
pub fn reason(status: &Status) -> (Code, String) {
    let info = status
        .get_details_error_info()
        .unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "depot");
    (status.code(), info.reason)
}

fn violations(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_details_bad_request().unwrap();
    details
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[tokio::test]
async fn items_are_answered_one_by_one_in_batches_and_in_lists() {
    let harness = Harness::start().await;
    let item = Item {
        version: 2,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    let gone = Item {
        id: Uuid::now_v7(),
        version: 3,
        deleted: true,
        ..Item::default()
    };
    gone.put(&harness.pool).await;
    item.put_change(&harness.pool, 0, 0).await;
    let mut client = QueryServiceClient::new(channel(&harness).await);

    let get = v1::GetItemRequest {
        id: item.id.to_string(),
        at_least: no_wait("2"),
    };
    let found = client.get_item(by_reader(get)).await.unwrap().into_inner();
    assert_eq!(
        (found.version.as_str(), found.status()),
        ("2", v1::ItemStatus::Active)
    );
    let created = found.created_at.unwrap();
    assert_eq!((created.seconds, created.nanos), (1_769_860_800, 123_456_000));
    let weight = found.attributes.unwrap().fields["weight"].kind.clone();
    assert_eq!(weight, Some(Kind::NumberValue(1.5)));

    let unknown = Uuid::now_v7();
    let ids = [item.id, unknown, gone.id, item.id]
        .map(|id| id.to_string())
        .to_vec();
    let batch = v1::BatchGetItemsRequest {
        ids: ids.clone(),
        ..Default::default()
    };
    let results = client
        .batch_get_items(by_reader(batch))
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!(
        results.iter().map(|result| result.id.clone()).collect::<Vec<_>>(),
        ids
    );
    use v1::batch_get_items_response::result::Outcome;
    assert!(matches!(results[0].outcome, Some(Outcome::Item(_))));
    assert!(matches!(results[1].outcome, Some(Outcome::NotFound(_))));
    assert!(matches!(&results[2].outcome, Some(Outcome::Deleted(deleted)) if deleted.version == "3"));
    assert!(matches!(results[3].outcome, Some(Outcome::Item(_))));

    let list = v1::ListItemsRequest {
        owner: "alice".into(),
        query: "name".into(),
        ..Default::default()
    };
    let page = client.list_items(by_reader(list)).await.unwrap().into_inner();
    assert_eq!((page.items.len(), page.next_page_token.as_str()), (1, ""));

    let history = v1::GetItemHistoryRequest {
        item_id: item.id.to_string(),
        ..Default::default()
    };
    let page = client
        .get_item_history(by_reader(history))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.changes[0].version, "2");
    let statistics = client
        .get_statistics(by_reader(v1::GetStatisticsRequest { limit: 1 }))
        .await
        .unwrap();
    assert!(statistics.into_inner().tags.is_empty());
}

#[tokio::test]
async fn questions_without_an_answer_have_canonical_codes_and_details() {
    let harness = Harness::start().await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let gone = Item {
        version: 3,
        deleted: true,
        ..Item::default()
    };
    gone.put(&harness.pool).await;
    let get = |id: Uuid, at_least| v1::GetItemRequest {
        id: id.to_string(),
        at_least,
    };

    let unknown = client
        .get_item(by_reader(get(Uuid::now_v7(), None)))
        .await
        .unwrap_err();
    assert_eq!(reason(&unknown), (Code::NotFound, "ITEM_NOT_FOUND".into()));
    let deleted = client.get_item(by_reader(get(gone.id, None))).await.unwrap_err();
    assert_eq!(reason(&deleted), (Code::NotFound, "ITEM_DELETED".into()));
    assert_eq!(deleted.get_details_error_info().unwrap().metadata["version"], "3");
    let behind = client
        .get_item(by_reader(get(gone.id, no_wait("4"))))
        .await
        .unwrap_err();
    assert_eq!(reason(&behind), (Code::Unavailable, "READ_MODEL_BEHIND".into()));
    assert_eq!(
        behind.get_details_error_info().unwrap().metadata["seen_version"],
        "3"
    );
    assert!(behind.get_details_retry_info().unwrap().retry_delay.unwrap() > Duration::ZERO);

    let bare = client.get_item(get(gone.id, None)).await.unwrap_err();
    assert_eq!(reason(&bare), (Code::Unauthenticated, "INVALID_TOKEN".into()));
    let without_role = client
        .get_item(by("alice", &[], get(gone.id, None)))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&without_role),
        (Code::PermissionDenied, "FORBIDDEN".into())
    );

    let bad = v1::GetItemRequest {
        id: "x".into(),
        at_least: no_wait("y"),
    };
    assert_eq!(
        violations(&client.get_item(by_reader(bad)).await.unwrap_err()),
        ["id", "at_least.min_version"]
    );
    let bad = v1::ListItemsRequest {
        page_size: 201,
        status: 99,
        tags: vec![String::new()],
        ..Default::default()
    };
    let bad = client.list_items(by_reader(bad)).await.unwrap_err();
    assert_eq!(violations(&bad), ["tags[0]", "status", "page_size"]);
    let bad = v1::ListItemsRequest {
        page_token: "x".into(),
        ..Default::default()
    };
    assert_eq!(
        violations(&client.list_items(by_reader(bad)).await.unwrap_err()),
        ["page_token"]
    );
    let bad = client
        .batch_get_items(by_reader(v1::BatchGetItemsRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(violations(&bad), ["ids"]);
    let bad = v1::WatchItemsRequest {
        resume_token: "x".into(),
        ..Default::default()
    };
    assert_eq!(
        violations(&client.watch_items(by_reader(bad)).await.unwrap_err()),
        ["resume_token"]
    );
}

#[tokio::test]
async fn uploads_and_downloads_are_for_their_owner_and_for_admins() {
    let harness = Harness::start().await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let (id, pending) = (Uuid::now_v7(), Uuid::now_v7());
    put_upload(&harness.pool, id, "alice", "stored", 3).await;
    put_thumbnail(&harness.pool, id, "small/1", "image/jpeg").await;
    put_upload(&harness.pool, pending, "alice", "pending", 1).await;
    for (subject, role, code) in [
        ("alice", Role::Reader, Code::Ok),
        ("root", Role::Admin, Code::Ok),
        ("bob", Role::Writer, Code::PermissionDenied),
    ] {
        let get = v1::GetUploadRequest {
            id: id.to_string(),
            at_least: None,
        };
        let got = client.get_upload(by(subject, &[role], get)).await;
        if let Ok(upload) = &got {
            let shown = upload.get_ref().thumbnail.clone().unwrap();
            assert_eq!((shown.width, shown.height, shown.size_bytes), (320, 200, 9));
            assert_eq!(shown.content_type, "image/jpeg");
        }
        assert_eq!(
            got.map_or_else(|status| status.code(), |_| Code::Ok),
            code,
            "{subject}"
        );
        let get = v1::GetDownloadUrlRequest {
            upload_id: id.to_string(),
            at_least: None,
            inline: false,
        };
        let got = client.get_download_url(by(subject, &[role], get)).await;
        assert_eq!(
            got.map_or_else(|status| status.code(), |_| Code::Ok),
            code,
            "{subject}"
        );
    }
    let get = v1::GetDownloadUrlRequest {
        upload_id: pending.to_string(),
        at_least: None,
        inline: true,
    };
    let refused = client
        .get_download_url(by("alice", &[Role::Reader], get))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&refused),
        (Code::FailedPrecondition, "UPLOAD_NOT_STORED".into())
    );
}

#[tokio::test]
async fn a_wait_ends_before_the_deadline_of_its_call() {
    let harness = Harness::start().await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let at_least = Some(v1::AtLeast {
        min_version: "1".into(),
        wait: None,
    });
    let mut request = by_reader(v1::GetItemRequest {
        id: Uuid::now_v7().to_string(),
        at_least,
    });
    // Only the head carries the deadline, so that nothing on this side ends the call first.
    request
        .metadata_mut()
        .insert("grpc-timeout", "3S".parse().unwrap());
    let behind = client.get_item(request).await.unwrap_err();
    assert_eq!(reason(&behind), (Code::Unavailable, "READ_MODEL_BEHIND".into()));
}

#[tokio::test]
async fn a_batch_waits_for_the_versions_that_it_names() {
    let harness = Harness::start().await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let item = Item {
        version: 1,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    let batch = |version: &str, seconds| v1::BatchGetItemsRequest {
        ids: vec![item.id.to_string()],
        min_versions: [(item.id.to_string(), version.to_owned())].into(),
        wait: Some(prost_types::Duration { seconds, nanos: 0 }),
    };
    let behind = client
        .batch_get_items(by_reader(batch("2", 0)))
        .await
        .unwrap_err();
    assert_eq!(reason(&behind), (Code::Unavailable, "READ_MODEL_BEHIND".into()));
    let (results, ()) = tokio::join!(client.batch_get_items(by_reader(batch("2", 30))), async {
        harness.until_a_read_waits().await;
        Item {
            version: 2,
            ..item.clone()
        }
        .put(&harness.pool)
        .await;
    });
    use v1::batch_get_items_response::result::Outcome;
    let outcome = results.unwrap().into_inner().results.remove(0).outcome;
    assert!(matches!(outcome, Some(Outcome::Item(item)) if item.version == "2"));
}

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

#[tokio::test]
async fn a_url_is_for_showing_only_where_that_is_asked_for_and_safe() {
    let harness = Harness::start().await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    for (content_type, inline, kind) in [
        ("image/png", true, "inline"),
        ("image/png", false, "attachment"),
        ("text/html", true, "attachment"),
    ] {
        let id = Uuid::now_v7();
        put_upload(&harness.pool, id, "alice", "stored", 3).await;
        sqlx::query("UPDATE read.uploads SET content_type = $2 WHERE id = $1")
            .bind(id)
            .bind(content_type)
            .execute(&harness.pool)
            .await
            .unwrap();
        let get = v1::GetDownloadUrlRequest {
            upload_id: id.to_string(),
            at_least: None,
            inline,
        };
        let got = client
            .get_download_url(by("alice", &[Role::Reader], get))
            .await
            .unwrap();
        let url = got.into_inner().url;
        let expected = format!("response-content-disposition={kind}%3B");
        assert!(url.contains(&expected), "{content_type}: {url}");
    }
}
