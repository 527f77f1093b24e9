//! Questions that have none.

use std::{num::NonZeroU32, time::Duration};

use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_service::auth::Role;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use super::{by, by_reader, channel, no_wait, reason};
use crate::harness::{Harness, Item};

/// Calls that are granted at once.
const BURST: u32 = 8;

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
async fn a_caller_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_refused() {
    let harness = Harness::start_with(|config| {
        config.rate_limit.per_second = NonZeroU32::new(1);
        config.rate_limit.burst = NonZeroU32::new(BURST).unwrap();
    })
    .await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let request = || v1::GetItemRequest {
        id: Uuid::now_v7().to_string(),
        at_least: None,
    };
    let mut refused = None;
    // Beyond the burst one is granted a second; of a hundred, one comes sooner.
    for call in 0..BURST + 100 {
        let status = client.get_item(by_reader(request())).await.unwrap_err();
        if status.code() == Code::ResourceExhausted {
            assert!(
                call >= BURST,
                "each call is counted once, and this is call {call}"
            );
            refused = Some(status);
            break;
        }
        assert_eq!(status.code(), Code::NotFound);
    }
    let refused = refused.expect("a hundred requests in less than a hundred seconds");
    assert_eq!(reason(&refused), (Code::ResourceExhausted, "RATE_LIMITED".into()));
    let retry = refused.get_details_retry_info().unwrap();
    assert!(retry.retry_delay.is_some_and(|delay| delay.as_secs() >= 1));
    let other = by("other", &[Role::Reader], request());
    assert_eq!(client.get_item(other).await.unwrap_err().code(), Code::NotFound);
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
