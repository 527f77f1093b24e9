use depot_service::auth::Role;
use uuid::Uuid;

use crate::{
    harness::{Harness, Item},
    http,
};

#[tokio::test]
async fn an_item_is_answered_with_its_version_as_etag() {
    let harness = Harness::start().await;
    let item = Item {
        version: 7,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    // The first from Postgres, the second from Redis: no difference.
    for _ in 0..2 {
        let reply = harness.get(&format!("/api/v1/items/{}", item.id)).await;
        assert_eq!((reply.status, reply.header("etag")), (200, Some("\"7\"")));
        let body = reply.json();
        assert_eq!(body["created_at"], "2026-01-31T12:00:00.123456Z");
        assert_eq!(body["attributes"]["weight"], 1.5);
        assert_eq!((&body["version"], &body["owner"]), (&7.into(), &"alice".into()));
    }
}

#[tokio::test]
async fn a_client_that_has_the_version_is_told_304() {
    let harness = Harness::start().await;
    let item = Item {
        version: 7,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    let path = format!("/api/v1/items/{}", item.id);
    let same = harness
        .get_with(&path, &[("if-none-match", "\"6\", W/\"7\"")])
        .await;
    assert_eq!(
        (same.status, same.header("etag"), same.body.len()),
        (304, Some("\"7\""), 0)
    );
    let other = harness.get_with(&path, &[("if-none-match", "\"6\"")]).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn a_rebuilt_view_answers_with_etags_of_its_own() {
    let harness = Harness::start().await;
    let item = Item::default();
    item.put(&harness.pool).await;
    sqlx::query("UPDATE read.items SET projection = 2")
        .execute(&harness.pool)
        .await
        .unwrap();
    sqlx::query("UPDATE read.active_projection SET projection = 2")
        .execute(&harness.pool)
        .await
        .unwrap();
    depot_test_stack::wait_until("the pointer is followed", || async {
        let reply = harness.get(&format!("/api/v1/items/{}", item.id)).await;
        reply.header("etag") == Some("\"1-p2\"")
    })
    .await;
}

#[tokio::test]
async fn a_deleted_item_is_gone_and_an_unknown_one_was_never_there() {
    let harness = Harness::start().await;
    let item = Item {
        version: 3,
        deleted: true,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    for _ in 0..2 {
        let gone = harness.get(&format!("/api/v1/items/{}", item.id)).await;
        assert_eq!((gone.status, gone.problem().as_str()), (410, "item-deleted"));
        assert_eq!(
            (gone.header("etag"), &gone.json()["version"]),
            (Some("\"3\""), &3.into())
        );
    }
    let unknown = harness.get(&format!("/api/v1/items/{}", Uuid::now_v7())).await;
    assert_eq!(
        (unknown.status, unknown.problem().as_str()),
        (404, "item-not-found")
    );
}

#[tokio::test]
async fn nobody_reads_without_a_token_that_has_a_role() {
    let harness = Harness::start().await;
    let id = Uuid::now_v7();
    for path in [
        "/api/v1/items".to_owned(),
        format!("/api/v1/items/{id}"),
        format!("/api/v1/items/{id}/history"),
        format!("/api/v1/uploads/{id}"),
        format!("/api/v1/uploads/{id}/content"),
        "/api/v1/statistics".to_owned(),
        "/api/v1/statistics/tags".to_owned(),
        "/api/v1/statistics/owners".to_owned(),
    ] {
        let bare = http::get(harness.http, &path, &[]).await;
        assert_eq!(
            (bare.status, bare.problem().as_str()),
            (401, "unauthorized"),
            "{path}"
        );
        let forged = http::get(harness.http, &path, &[("authorization", "Bearer a.b.c")]).await;
        assert_eq!(forged.status, 401, "{path}");
        let without_role = harness.get_as("alice", &[], &path, &[]).await;
        assert_eq!(
            (without_role.status, without_role.problem().as_str()),
            (403, "forbidden"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn health_contract_and_problems_need_no_token() {
    let harness = Harness::start().await;
    for path in [
        "/health",
        "/api/v1/health",
        "/problems",
        "/problems/read-model-behind",
    ] {
        assert_eq!(http::get(harness.http, path, &[]).await.status, 200, "{path}");
    }
    let contract = http::get(harness.http, "/api/v1/openapi.json", &[]).await.json();
    assert!(contract["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = contract["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 19, "{:?}", paths.keys());
    assert!(contract["components"]["schemas"]["ItemView"].is_object());
}

#[tokio::test]
async fn history_is_paged_from_the_newest_change_and_outlives_the_item() {
    let harness = Harness::start().await;
    let mut item = Item::default();
    for version in 1..=5 {
        item.version = version;
        item.deleted = version == 5;
        item.put_change(&harness.pool, 0, version).await;
    }
    item.put(&harness.pool).await;
    let mut path = format!("/api/v1/items/{}/history?limit=2", item.id);
    let mut versions = Vec::new();
    loop {
        let reply = harness.get(&path).await;
        assert_eq!(reply.status, 200);
        let body = reply.json();
        versions.extend(
            body["changes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["version"].as_i64().unwrap()),
        );
        let Some(link) = reply.header("link") else {
            assert!(body["next_cursor"].is_null());
            break;
        };
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(versions, [5, 4, 3, 2, 1]);
    let unknown = harness
        .get(&format!("/api/v1/items/{}/history", Uuid::now_v7()))
        .await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn statistics_name_those_with_the_most_items_first() {
    let harness = Harness::start().await;
    sqlx::query(
        "INSERT INTO read.tag_statistics VALUES (1, 'red', 2), (1, 'blue', 5), (1, 'gone', 0), (2, 'x', 9)",
    )
    .execute(&harness.pool)
    .await
    .unwrap();
    sqlx::query("INSERT INTO read.owner_statistics VALUES (1, 'alice', 3, 1, 10), (1, 'bob', 4, 0, 0)")
        .execute(&harness.pool)
        .await
        .unwrap();
    let all = harness
        .get_as("w", &[Role::Writer], "/api/v1/statistics?limit=1", &[])
        .await
        .json();
    assert_eq!(
        all,
        serde_json::json!({
            "tags": [{"tag": "blue", "items": 5}],
            "owners": [{"owner": "bob", "items": 4, "files": 0, "file_bytes": 0}],
        })
    );
    let tags = harness.get("/api/v1/statistics/tags").await.json();
    assert_eq!(tags["tags"].as_array().unwrap().len(), 2);
    let owners = harness.get("/api/v1/statistics/owners").await.json();
    assert_eq!(
        owners["owners"][1],
        serde_json::json!({"owner": "alice", "items": 3, "files": 1, "file_bytes": 10})
    );
}
