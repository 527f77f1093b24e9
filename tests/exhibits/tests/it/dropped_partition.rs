//! A partition of the outbox is dropped when everything in it was sent.

use depot_outbox::Relay;
use sqlx::PgConnection;

use crate::{
    ground::{Ground, pid_of},
    log::Log,
    relaying::{append_text, commit_text, drain, options, relay, two_items_of_a_shard},
    story::{Story, listed},
};

const TABLES: &str =
    "CREATE TABLE naive.outbox (id bigserial, event text NOT NULL, sent boolean NOT NULL DEFAULT false)
                          PARTITION BY RANGE (id);
                      CREATE TABLE naive.outbox_1 PARTITION OF naive.outbox FOR VALUES FROM (1) TO (3);
                      CREATE TABLE naive.outbox_2 PARTITION OF naive.outbox FOR VALUES FROM (3) TO (100)";
/// Ten ids, from 5,000,001 on.
const PARTITION: &str = "outbox_p000000005000001";

#[tokio::test]
async fn a_partition_that_looks_drained_is_dropped_with_an_open_writers_row() {
    let mut story = Story::of("dropped_partition");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

async fn insert(connection: &mut PgConnection, event: &str) {
    sqlx::query("INSERT INTO naive.outbox (event) VALUES ($1)")
        .bind(event)
        .execute(connection)
        .await
        .unwrap();
}

/// The naive way: look, then drop.
async fn drop_if_drained(connection: &mut PgConnection) -> bool {
    let unsent: i64 = sqlx::query_scalar("SELECT count(*) FROM naive.outbox_1 WHERE NOT sent")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    if unsent == 0 {
        sqlx::query("DROP TABLE naive.outbox_1")
            .execute(connection)
            .await
            .unwrap();
    }
    unsent == 0
}

async fn naive(story: &mut Story) {
    let ground = Ground::with(TABLES).await;
    story.naive("no row is unsent? then DROP TABLE");
    let mut a = ground.pool.begin().await.unwrap();
    insert(&mut a, "first").await;
    story.line("A", "BEGIN; INSERT first, into partition 1");
    let mut b = ground.pool.acquire().await.unwrap();
    for event in ["second", "third"] {
        insert(&mut b, event).await;
    }
    story.line(
        "B",
        "INSERT second, into partition 1; INSERT third, into partition 2; COMMIT",
    );
    let sent: Vec<String> = ground
        .list("WITH sent AS (UPDATE naive.outbox SET sent = true RETURNING id, event) SELECT event FROM sent ORDER BY id")
        .await;
    story.line("relay", format!("sends {}", listed(&sent)));
    assert_eq!(sent, ["second", "third"]);

    let mut cleaner = ground.pool.acquire().await.unwrap();
    let pid = pid_of(&mut cleaner).await;
    let commits = async {
        ground.until_blocked(pid).await;
        a.commit().await.unwrap();
    };
    let (dropped, ()) = tokio::join!(drop_if_drained(&mut cleaner), commits);
    assert!(dropped);
    story.line(
        "cleaner",
        "counts the unsent rows of partition 1: 0; DROP TABLE: waits for A's lock",
    );
    story.line("A", "COMMIT");
    story.line("cleaner", "has the lock: partition 1 is gone");
    let left: Vec<String> = ground.list("SELECT event FROM naive.outbox").await;
    assert_eq!(left, ["third"]);
    story.line("outbox", listed(&left));
    story.result("first was committed, and is gone before anybody could send it");
}

/// What the relay calls, with a lock time-out that a busy machine does not reach. Answers what was done.
async fn drop_partition(connection: &mut PgConnection) -> String {
    sqlx::query_scalar("SELECT outbox_drop_partition($1)")
        .bind(PARTITION)
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Sends what there is. A step more writes how far that is.
async fn publish(relay: &mut Relay) {
    drain(relay).await;
    drain(relay).await;
}

async fn depot(story: &mut Story) {
    let (ground, log) = (Ground::with("").await, Log::create().await);
    for statement in [
        "ALTER FUNCTION outbox_drop_partition(text) SET lock_timeout = '60s'",
        "SELECT setval('outbox_id_seq', 5000000), outbox_add_partitions(10, 3)",
    ] {
        sqlx::query(statement).execute(&ground.pool).await.unwrap();
    }
    let mut relay = relay(&ground, options()).await;
    drain(&mut relay).await;
    let (first, second) = two_items_of_a_shard();
    story.depot("the exclusive lock first, and then look");
    let mut a = ground.pool.begin().await.unwrap();
    append_text(&mut a, &log, first, 1, "first").await;
    story.line("A", "BEGIN; append first");
    commit_text(&ground, &log, second, 1, "second").await;
    // The ids of the partition are used up: a later one was drawn.
    sqlx::query("SELECT setval('outbox_id_seq', 5000011)")
        .execute(&ground.pool)
        .await
        .unwrap();
    publish(&mut relay).await;
    let sent = log.texts().await;
    assert_eq!(sent, ["second"]);
    story.line(
        "B",
        "append second, into the same partition; COMMIT; later ids are drawn",
    );
    story.line("relay", format!("topic: {}", listed(&sent)));

    let mut cleaner = ground.pool.acquire().await.unwrap();
    let pid = pid_of(&mut cleaner).await;
    let commits = async {
        ground.until_blocked(pid).await;
        a.commit().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(drop_partition(&mut cleaner), commits);
    assert_eq!(outcome, "unread");
    story.line("cleaner", "LOCK TABLE: waits for A");
    story.line("A", "COMMIT");
    story.line(
        "cleaner",
        format!("has the lock, looks: {outcome}; leaves the partition"),
    );
    publish(&mut relay).await;
    story.line("relay", format!("topic: {}", listed(&log.texts().await)));
    assert_eq!(log.texts().await, ["second", "first"]);
    let outcome = drop_partition(&mut cleaner).await;
    assert_eq!(outcome, "dropped");
    story.line(
        "cleaner",
        format!("has the lock, looks: everything was sent; {outcome}"),
    );
    story.result("sent before it is dropped");
}
