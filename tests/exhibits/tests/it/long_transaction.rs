//! A reader of the outbox that stays behind the oldest running transaction.

use depot_test_stack::{TestDatabase, wait_until};
use uuid::Uuid;

use crate::{
    ground::Ground,
    log::Log,
    relaying::{commit_text, drain, options, relay},
    story::{Story, listed},
};

const TABLES: &str = "CREATE TABLE naive.outbox (id bigserial PRIMARY KEY, event text NOT NULL,
                                                 xid xid8 NOT NULL DEFAULT pg_current_xact_id())";

#[tokio::test]
async fn a_reader_behind_the_oldest_transaction_stands_still_with_it() {
    let mut story = Story::of("long_transaction");
    tell(&mut story).await;
    story.end();
}

/// The naive way: no row of a transaction that a running one is older than. No such row can come late.
async fn read_behind_the_horizon(ground: &Ground) -> Vec<String> {
    ground
        .list(
            "SELECT event FROM naive.outbox WHERE xid < pg_snapshot_xmin(pg_current_snapshot())
             ORDER BY xid, id",
        )
        .await
}

/// Both ways at once: they meet the same transaction.
async fn tell(story: &mut Story) {
    let (ground, log) = (Ground::with(TABLES).await, Log::create().await);
    let mut relay = relay(&ground, options()).await;
    story.naive("only rows of transactions older than every running one");
    let elsewhere = TestDatabase::create().await.unwrap();
    let other_pool = elsewhere.owner_pool().await;
    let mut long = other_pool.begin().await.unwrap();
    sqlx::query("SELECT pg_current_xact_id()")
        .execute(&mut *long)
        .await
        .unwrap();
    story.line(
        "other",
        "in another database of the server: BEGIN; writes; goes on",
    );
    sqlx::query("INSERT INTO naive.outbox (event) VALUES ('first')")
        .execute(&ground.pool)
        .await
        .unwrap();
    story.line("A", "INSERT first; COMMIT");
    let seen = read_behind_the_horizon(&ground).await;
    assert_eq!(seen, [""; 0]);
    story.line("reader", listed(&seen));
    story.result("nothing is read, however much is committed, while the other one runs");

    story.depot("what is visible now, and was not in the shard's snapshot");
    commit_text(&ground, &log, Uuid::now_v7(), 1, "first").await;
    story.line("A", "append first; COMMIT; the other one still runs");
    drain(&mut relay).await;
    assert_eq!(log.texts().await, ["first"]);
    story.line("relay", format!("topic: {}", listed(&log.texts().await)));
    story.result("sent at once");

    long.rollback().await.unwrap();
    wait_until(
        "the reader goes on when the long transaction has ended",
        async || read_behind_the_horizon(&ground).await == ["first"],
    )
    .await;
    other_pool.close().await;
}
