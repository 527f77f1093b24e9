//! Events in the order of their transactions' ids.

use depot_test_stack::wait_until;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    ground::{Ground, pid_of},
    log::Log,
    relaying::{append_text, drain, options, relay},
    story::{Story, listed},
};

const TABLES: &str = "CREATE TABLE naive.items (version bigint NOT NULL);
                      INSERT INTO naive.items VALUES (0);
                      CREATE TABLE naive.requests (what text NOT NULL);
                      CREATE TABLE naive.outbox (id bigserial PRIMARY KEY, event text NOT NULL,
                                                 xid xid8 NOT NULL DEFAULT pg_current_xact_id())";

#[tokio::test]
async fn the_order_of_transaction_ids_is_not_that_of_an_items_versions() {
    let mut story = Story::of("transaction_order");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

/// Assigns the item's next version, under the lock of its row, which is waited for.
async fn next_version(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("UPDATE naive.items SET version = version + 1 RETURNING version")
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Answers the transaction's id, which it gets here at the latest.
async fn xid_of(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT pg_current_xact_id()::text::bigint")
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Two commands of one item. The one that began first writes something else before it comes to the item, and there has to
/// wait for the other. `write` writes the event of a version.
async fn interleave(
    ground: &Ground,
    story: &mut Story,
    verb: &str,
    write: impl AsyncFn(&mut PgConnection, i64),
) {
    let mut older = ground.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO naive.requests VALUES ('a request')")
        .execute(&mut *older)
        .await
        .unwrap();
    let (pid, older_xid) = (pid_of(&mut older).await, xid_of(&mut older).await);
    story.line(
        "A",
        "BEGIN; notes the request, and so has the older transaction id",
    );
    let mut newer = ground.pool.begin().await.unwrap();
    let version = next_version(&mut newer).await;
    write(&mut newer, version).await;
    assert!(older_xid < xid_of(&mut newer).await);
    story.line(
        "B",
        format!("BEGIN; UPDATE item, which gets version {version}; {verb} v{version}"),
    );
    let waits = async {
        let version = next_version(&mut older).await;
        write(&mut older, version).await;
        older.commit().await.unwrap();
        version
    };
    let lets_go = async {
        ground.until_blocked(pid).await;
        newer.commit().await.unwrap();
    };
    let (version, ()) = tokio::join!(waits, lets_go);
    story.line("A", "UPDATE item: waits for B");
    story.line("B", "COMMIT");
    story.line(
        "A",
        format!("the item gets version {version}; {verb} v{version}; COMMIT"),
    );
}

async fn naive(story: &mut Story) {
    let ground = Ground::with(TABLES).await;
    story.naive("ORDER BY the transaction's id, behind the oldest running one");
    interleave(
        &ground,
        story,
        "INSERT",
        async |connection: &mut PgConnection, version: i64| {
            sqlx::query("INSERT INTO naive.outbox (event) VALUES ($1)")
                .bind(format!("v{version}"))
                .execute(connection)
                .await
                .unwrap();
        },
    )
    .await;
    wait_until("no older transaction runs", async || {
        ground
            .list::<bool>("SELECT xid < pg_snapshot_xmin(pg_current_snapshot()) FROM naive.outbox")
            .await
            == [true, true]
    })
    .await;
    let read: Vec<String> = ground
        .list("SELECT event FROM naive.outbox ORDER BY xid, id")
        .await;
    assert_eq!(read, ["v2", "v1"]);
    story.line("reader", listed(&read));
    story.result("the item's events are sent in the wrong order");
}

async fn depot(story: &mut Story) {
    let (ground, log) = (Ground::with(TABLES).await, Log::create().await);
    let item = Uuid::now_v7();
    story.depot("ORDER BY the version, which is assigned under the lock of the item's row");
    interleave(
        &ground,
        story,
        "append",
        async |connection: &mut PgConnection, version: i64| {
            append_text(connection, &log, item, version, &format!("v{version}")).await;
        },
    )
    .await;
    let mut relay = relay(&ground, options()).await;
    drain(&mut relay).await;
    assert_eq!(log.texts().await, ["v1", "v2"]);
    story.line("relay", format!("topic: {}", listed(&log.texts().await)));
    story.result("in the order in which the versions were assigned");
}
