//! Several pollers of one outbox, each of which takes what nobody else has locked.

use depot_outbox::{RelayOptions, StepOutcome};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    ground::Ground,
    log::Log,
    relaying::{HOUR, commit_text, drain, options, relay},
    story::{Story, listed},
};

const TABLES: &str = "CREATE TABLE naive.outbox (id bigserial PRIMARY KEY, event text NOT NULL)";

#[tokio::test]
async fn pollers_that_skip_locked_rows_send_a_newer_version_first() {
    let mut story = Story::of("skip_locked");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

/// The naive way, its first half: the oldest row that no other poller has, locked to the end of the transaction.
async fn take(transaction: &mut PgConnection) -> (i64, String) {
    sqlx::query_as("SELECT id, event FROM naive.outbox ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED")
        .fetch_one(transaction)
        .await
        .unwrap()
}

/// Its second half.
async fn send_and_delete(transaction: &mut PgConnection, log: &Log, (id, event): (i64, String)) {
    log.send(&event).await;
    sqlx::query("DELETE FROM naive.outbox WHERE id = $1")
        .bind(id)
        .execute(transaction)
        .await
        .unwrap();
}

async fn naive(story: &mut Story) {
    let (ground, log) = (Ground::with(TABLES).await, Log::create().await);
    story.naive("each poller: FOR UPDATE SKIP LOCKED, send, DELETE, COMMIT");
    for version in ["v1", "v2"] {
        sqlx::query("INSERT INTO naive.outbox (event) VALUES ($1)")
            .bind(version)
            .execute(&ground.pool)
            .await
            .unwrap();
    }
    story.line("commands", "v1 and v2 of one item are committed, in this order");
    let mut a = ground.pool.begin().await.unwrap();
    let taken_by_a = take(&mut a).await;
    story.line("poller A", format!("takes {}", taken_by_a.1));
    let mut b = ground.pool.begin().await.unwrap();
    let taken_by_b = take(&mut b).await;
    story.line(
        "poller B",
        format!("skips {}, takes {}", taken_by_a.1, taken_by_b.1),
    );
    send_and_delete(&mut b, &log, taken_by_b).await;
    b.commit().await.unwrap();
    story.line("poller B", "sends, deletes, COMMIT");
    send_and_delete(&mut a, &log, taken_by_a).await;
    a.commit().await.unwrap();
    story.line("poller A", "sends, deletes, COMMIT");
    assert_eq!(log.texts().await, ["v2", "v1"]);
    story.line("topic", listed(&log.texts().await));
    story.result("the newer version comes first, in the one partition that the item's key has");
}

async fn depot(story: &mut Story) {
    let (ground, log) = (Ground::with(TABLES).await, Log::create().await);
    story.depot("an item's shard is one relay's at a time, by a lease");
    // What it holds it keeps to the end of this.
    let keeps = RelayOptions {
        lease: HOUR,
        heartbeat: HOUR,
        claim_interval: HOUR,
        ..options()
    };
    let mut a = relay(&ground, keeps).await;
    let mut b = relay(&ground, options()).await;
    assert_eq!(a.step().await.unwrap(), StepOutcome::Idle);
    story.line("relay A", "leases the item's shard");
    let item = Uuid::now_v7();
    commit_text(&ground, &log, item, 1, "v1").await;
    let _ = a.step().await.unwrap();
    story.line("relay A", "takes v1, and hands it to its client of Kafka");
    commit_text(&ground, &log, item, 2, "v2").await;
    assert_eq!(b.step().await.unwrap(), StepOutcome::NotLeader);
    story.line("relay B", "has no shard, and takes nothing");
    drain(&mut a).await;
    story.line("relay A", "takes v2");
    assert_eq!(log.texts().await, ["v1", "v2"]);
    story.line("topic", listed(&log.texts().await));
    story.result("in order");
}
