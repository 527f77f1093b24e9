//! Questions that have an answer.

use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use prost_types::value::Kind;
use uuid::Uuid;

use super::{by_reader, channel, no_wait};
use crate::harness::{Harness, Item};

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
