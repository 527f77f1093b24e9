use depot_end_to_end::{Client, Depot, ReplicatedPostgres};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::StatusCode;

async fn listed_name(reader: &Client) -> String {
    let answer = reader.send(reader.query("/api/v1/items")).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["items"][0]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The newest version in the item's history, which is read under that condition.
async fn newest_version(reader: &Client, id: &str, condition: &str) -> i64 {
    let path = format!("/api/v1/items/{id}/history?limit=1{condition}");
    let answer = reader.send(reader.query(&path)).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["changes"][0]["version"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_from_the_replica_and_versions_that_it_lacks_from_the_primary() {
    let postgres = ReplicatedPostgres::start().await.unwrap();
    let urls = postgres.urls();
    let urls: Vec<_> = urls.iter().map(|(name, url)| (*name, url.as_str())).collect();
    let depot = Depot::start_with(&urls).await.unwrap();
    let (alice, rita) = (
        depot.client("alice", Role::Writer),
        depot.client("rita", Role::Reader),
    );
    let created = alice
        .create_item("k", &serde_json::json!({"name": "first"}))
        .await;
    let id = created.unwrap().text("id");
    let path = format!("/api/v1/items/{id}");
    wait_until("the replica has the item", async || {
        listed_name(&rita).await == "first"
    })
    .await;

    postgres.hold_back().await.unwrap();
    let request = alice
        .command(reqwest::Method::PUT, &path)
        .header("If-Match", "\"1\"");
    let renamed = alice
        .send(request.json(&serde_json::json!({"name": "second"})))
        .await;
    assert_eq!(renamed.unwrap().status, StatusCode::OK);
    let seen = rita.read_at_least(&path, "2").await.unwrap();
    assert_eq!(seen.text("name"), "second");
    assert_eq!(newest_version(&rita, &id, "&min_version=2").await, 2);
    assert_eq!(newest_version(&rita, &id, "").await, 1, "by the replica");
    assert_eq!(listed_name(&rita).await, "first");

    postgres.let_go().await.unwrap();
    wait_until("the replica has caught up", async || {
        listed_name(&rita).await == "second"
    })
    .await;

    postgres.stop_replica().await.unwrap();
    assert_eq!(listed_name(&rita).await, "second", "by the primary");
    assert_eq!(newest_version(&rita, &id, "").await, 2);
}
