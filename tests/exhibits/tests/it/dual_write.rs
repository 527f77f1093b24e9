//! State and event in two stores, one after the other.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    ground::Ground,
    kill_point::KillPoint,
    log::Log,
    relaying::{append_text, drain, options, relay},
    story::{Story, listed},
};

/// That a name is taken is found at the commit, as a serialization failure or a lost connection would be.
const TABLES: &str = "CREATE TABLE naive.items (name text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED)";

#[tokio::test]
async fn a_dual_write_loses_an_event_and_tells_of_what_never_was() {
    let mut story = Story::of("dual_write");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

async fn insert(transaction: &mut PgConnection, name: &str) {
    sqlx::query("INSERT INTO naive.items (name) VALUES ($1)")
        .bind(name)
        .execute(transaction)
        .await
        .unwrap();
}

async fn items(ground: &Ground) -> Vec<String> {
    ground.list("SELECT name FROM naive.items ORDER BY name").await
}

/// The naive way: the state, and then its event.
async fn commit_then_send(ground: &Ground, log: &Log, name: &str, between: impl Future<Output = ()>) {
    let mut transaction = ground.pool.begin().await.unwrap();
    insert(&mut transaction, name).await;
    transaction.commit().await.unwrap();
    between.await;
    log.send(&format!("{name} created")).await;
}

/// The naive way the other way round.
async fn send_then_commit(ground: &Ground, log: &Log, name: &str) -> Result<(), sqlx::Error> {
    let mut transaction = ground.pool.begin().await.unwrap();
    insert(&mut transaction, name).await;
    log.send(&format!("another {name} created")).await;
    transaction.commit().await
}

async fn naive(story: &mut Story) {
    let (ground, log) = (Ground::with(TABLES).await, Log::create().await);
    story.naive("COMMIT, then send");
    let killed = KillPoint::default();
    killed
        .kill(commit_then_send(&ground, &log, "lamp", killed.here()))
        .await;
    assert_eq!(
        (items(&ground).await, log.texts().await),
        (vec!["lamp".to_owned()], vec![])
    );
    story.line("command", "INSERT lamp; COMMIT; is killed before it sends");
    story.line("table", listed(&items(&ground).await));
    story.line("topic", listed(&log.texts().await));
    story.result("the lamp is there, and nobody is ever told");

    story.naive("send, then COMMIT");
    let refused = send_then_commit(&ground, &log, "lamp").await.unwrap_err();
    assert!(
        refused.as_database_error().unwrap().is_unique_violation(),
        "{refused}"
    );
    assert_eq!(items(&ground).await, ["lamp"]);
    assert_eq!(log.texts().await, ["another lamp created"]);
    story.line(
        "command",
        "INSERT another lamp; sends; COMMIT is refused: the name is taken",
    );
    story.line("table", listed(&items(&ground).await));
    story.line("topic", listed(&log.texts().await));
    story.result("everybody is told of a lamp that never was");
}

/// Depot's way: the event is a row of the same transaction.
async fn commit_with_event(
    ground: &Ground,
    log: &Log,
    text: &str,
    after: impl Future<Output = ()>,
) -> Result<(), sqlx::Error> {
    let mut transaction = ground.pool.begin().await.unwrap();
    insert(&mut transaction, "lamp").await;
    append_text(&mut transaction, log, Uuid::now_v7(), 1, text).await;
    transaction.commit().await?;
    after.await;
    Ok(())
}

async fn depot(story: &mut Story) {
    let (ground, log) = (Ground::with(TABLES).await, Log::create().await);
    story.depot("state and event in one transaction, a relay sends what is committed");
    let killed = KillPoint::default();
    killed
        .kill(commit_with_event(&ground, &log, "lamp created", killed.here()))
        .await;
    story.line("command", "INSERT lamp; append its event; COMMIT; is killed");
    let refused = commit_with_event(&ground, &log, "another lamp created", async {}).await;
    assert!(refused.is_err());
    story.line(
        "command",
        "INSERT another lamp; append its event; COMMIT is refused",
    );
    let mut relay = relay(&ground, options()).await;
    drain(&mut relay).await;
    assert_eq!(
        (items(&ground).await, log.texts().await),
        (vec!["lamp".to_owned()], vec!["lamp created".to_owned()])
    );
    story.line("relay", "is started, and sends what is in the outbox");
    story.line("table", listed(&items(&ground).await));
    story.line("topic", listed(&log.texts().await));
    story.result("one lamp, one event");
}
