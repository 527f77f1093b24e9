//! The statements that read declared aggregates.

use depot_domain::InstanceId;
use depot_test_stack::{NOTE, ServiceRole, TestDatabase};
use query_api::{
    read::{Pools, Server, Views, declared::DeclaredRow},
    visibility::Versioned as _,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

async fn add(owner: &PgPool, kind: &str, id: u128, subject: &str, second: i64) {
    sqlx::query(
        "INSERT INTO read.declared_aggregates (projection, kind, id, owner, state, epoch, version, created_at, updated_at)
         VALUES (1, $1, $2, $3, '{\"text\": \"a\", \"closed\": false}', 0, 2, to_timestamp($4), now())",
    )
    .bind(kind)
    .bind(Uuid::from_u128(id))
    .bind(subject)
    .bind(second as f64)
    .execute(owner)
    .await
    .unwrap();
}

fn ids(rows: &[DeclaredRow]) -> Vec<u128> {
    rows.iter().map(|row| row.id.as_u128()).collect()
}

#[tokio::test]
async fn one_is_read_by_kind_and_id_and_a_page_has_the_owners_own_behind_a_place() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    // Two of one moment, which are told apart by their ids.
    for (kind, id, subject, second) in [
        ("note", 1, "alice", 10),
        ("note", 2, "alice", 20),
        ("note", 3, "alice", 20),
        ("note", 4, "bob", 30),
        ("letter", 5, "alice", 40),
    ] {
        add(&owner, kind, id, subject, second).await;
    }
    let pool = database.pool(ServiceRole::Query).await;
    let pools = Pools {
        point: pool.clone().into(),
        search: pool.clone().into(),
        newest: pool.into(),
    };
    let views = Views::new(Server::Primary, pools, 8);
    let of = |id| InstanceId(Uuid::from_u128(id));

    let row = views.declared(&NOTE, of(4)).await.unwrap().unwrap();
    assert_eq!(
        (row.owner.as_str(), row.token().to_string()),
        ("bob", "2".to_owned())
    );
    assert_eq!(row.shown().state, json!({"text": "a", "closed": false}));
    assert!(
        views.declared(&NOTE, of(5)).await.unwrap().is_none(),
        "of another kind"
    );
    assert!(views.declared(&NOTE, of(9)).await.unwrap().is_none());

    let first = views.declared_page(&NOTE, "alice", None, 2).await.unwrap();
    assert_eq!(ids(&first), [3, 2]);
    let behind = first.last().map(|last| (last.created_at, last.id));
    let rest = views.declared_page(&NOTE, "alice", behind, 2).await.unwrap();
    assert_eq!(ids(&rest), [1]);
}
