//! Who sends is who has a lock of a session.

use std::time::Duration;

use depot_outbox::{RelayOptions, StepOutcome};
use depot_test_stack::wait_until;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::{
    ground::{Ground, pid_of},
    log::Log,
    relaying::{HOUR, commit_text, drain, options, relay},
    story::{Story, listed},
};

#[tokio::test]
async fn a_stopped_process_keeps_the_lock_of_its_session() {
    let mut story = Story::of("stopped_leader");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

/// The naive way: whoever gets the lock is the leader, until the connection ends.
async fn is_leader(connection: &mut PgConnection) -> bool {
    sqlx::query_scalar("SELECT pg_try_advisory_lock(1)")
        .fetch_one(connection)
        .await
        .unwrap()
}

async fn naive(story: &mut Story) {
    let ground = Ground::with("").await;
    let url = ground.database.owner_url();
    let mut leader = PgConnection::connect(&url).await.unwrap();
    let mut standby = PgConnection::connect(&url).await.unwrap();
    story.naive("the leader is who has pg_try_advisory_lock");
    let pid = pid_of(&mut leader).await;
    assert!(is_leader(&mut leader).await);
    story.line("leader", "pg_try_advisory_lock: true");
    // Of a process that is stopped the server sees as much as of this one from here on: a connection on which nothing comes.
    story.line(
        "leader",
        "is stopped (SIGSTOP, a suspended machine): its kernel keeps the connection",
    );
    assert!(!is_leader(&mut standby).await);
    story.line("standby", "pg_try_advisory_lock: false");
    let state: String = sqlx::query_scalar("SELECT state FROM pg_stat_activity WHERE pid = $1")
        .bind(pid)
        .fetch_one(&ground.pool)
        .await
        .unwrap();
    story.line(
        "server",
        format!("the leader's connection is {state}; no time-out ends it unless one is set"),
    );
    story.result("nobody sends, for as long as the leader is stopped");
    leader.close().await.unwrap();
    wait_until("the lock goes with the connection", async || {
        let mut standby = PgConnection::connect(&url).await.unwrap();
        is_leader(&mut standby).await
    })
    .await;
}

async fn depot(story: &mut Story) {
    let (ground, log) = (Ground::with("").await, Log::create().await);
    story.depot("a lease in the shard's row, which ends by the database's clock");
    // From its first step on it does nothing of its own accord.
    let stops = RelayOptions {
        lease: Duration::from_millis(300),
        heartbeat: HOUR,
        claim_interval: HOUR,
        ..options()
    };
    let mut leader = relay(&ground, stops).await;
    let _ = leader.step().await.unwrap();
    story.line("leader", "leases the shards; is stopped");
    commit_text(&ground, &log, Uuid::now_v7(), 1, "first").await;
    story.line("A", "append first; COMMIT");
    wait_until("the leases end", async || {
        ground
            .list::<bool>("SELECT bool_and(expires_at < clock_timestamp()) FROM outbox_shards")
            .await
            == [true]
    })
    .await;
    let mut standby = relay(&ground, options()).await;
    drain(&mut standby).await;
    assert_eq!(log.texts().await, ["first"]);
    story.line("standby", "finds the leases over, takes the shards");
    story.line("topic", listed(&log.texts().await));
    assert_eq!(leader.step().await.unwrap(), StepOutcome::NotLeader);
    assert_eq!(log.texts().await, ["first"]);
    story.line(
        "leader",
        "wakes; its own clock says that its lease is over; sends nothing",
    );
    story.result("another one sends when the lease is over, and the first one knows");
}
