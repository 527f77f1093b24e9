//! Transactions that give way to others: rolled back, run again, counted. The deadlock is in `faults`.

use depot_test_stack::{TestDatabase, wait_until};
use serde_json::json;
use uuid::Uuid;

use crate::{
    client::Request,
    service::{Service, metric, new_key},
};

const LOCK_TIMEOUTS: &str = "depot_db_conflicts_total{kind=\"lock_timeout\"}";
const SERIALIZATIONS: &str = "depot_db_conflicts_total{kind=\"serialization\"}";

fn rename(service: &Service, item: Uuid, name: &str) -> Request {
    service
        .by("alice", "PUT", &format!("/api/v1/items/{item}"))
        .if_match("*")
        .key(&new_key())
        .json(json!({ "name": name }))
}

#[tokio::test]
async fn a_command_that_does_not_get_a_lock_in_time_is_rolled_back_and_runs_again() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let before = metric(&service, LOCK_TIMEOUTS).await;
    let mut holder = service.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM command.items FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let renaming = tokio::spawn(rename(&service, item, "b").send());
    wait_until("the command has not got its lock", || async {
        metric(&service, LOCK_TIMEOUTS).await > before
    })
    .await;
    holder.rollback().await.unwrap();
    renaming.await.unwrap().expect(200);
    assert_eq!(
        service.kinds(item).await,
        ["item.created", "item.updated"],
        "once"
    );
}

#[tokio::test]
async fn a_command_whose_read_was_overtaken_is_rolled_back_and_runs_again() {
    let database = TestDatabase::create().await.unwrap();
    // At the level that the service uses by itself nothing is overtaken; a database may have another default.
    let stricter = format!(
        "ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'",
        database.name()
    );
    let owner = database.owner_pool().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(stricter))
        .execute(&owner)
        .await
        .unwrap();
    let service = Service::on(database, &[]).await;
    let item = service.item("alice").await;
    let before = metric(&service, SERIALIZATIONS).await;
    let mut other = service.pool.begin().await.unwrap();
    sqlx::query("UPDATE command.items SET updated_at = updated_at")
        .execute(&mut *other)
        .await
        .unwrap();
    let renaming = tokio::spawn(rename(&service, item, "b").send());
    service.somebody_waits().await;
    other.commit().await.unwrap();
    renaming.await.unwrap().expect(200);
    assert!(metric(&service, SERIALIZATIONS).await > before, "it was provoked");
    assert_eq!(
        service.kinds(item).await,
        ["item.created", "item.updated"],
        "once"
    );
}
