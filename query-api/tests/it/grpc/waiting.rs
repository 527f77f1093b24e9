//! Reads that name a version.

use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use tonic::Code;
use uuid::Uuid;

use super::{by_reader, channel, reason};
use crate::harness::{Harness, Item};

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
