//! Connections and places that are all taken, since somebody holds a lock.

use std::time::Duration;

use depot_end_to_end::Backing;

use super::{
    scene::{Repeated, Scene, creating, repeat},
    table::Group,
};
use crate::long::is_left_out;

/// More than there are places, which are four for each connection.
const CLIENTS: usize = 40;
const PAUSE: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_all_taken_are_dealt_with_as_the_page_says() {
    if is_left_out("the runbook for pools") {
        return;
    }
    let backing = Backing::create().await.unwrap();
    let given = [
        ("COMMAND_API_DATABASE_MAX_CONNECTIONS", "4"),
        // It waits, where query-api gives up.
        ("COMMAND_API_DATABASE_ACQUIRE_TIMEOUT_MS", "60000"),
        ("COMMAND_GROUP_MAX_SIZE", "1"),
        ("QUERY_API_DATABASE_SEARCH_MAX_CONNECTIONS", "2"),
        ("QUERY_API_DATABASE_ACQUIRE_TIMEOUT_MS", "300"),
        ("RATE_LIMIT_PER_SECOND", "0"),
    ];
    let mut scene = Scene::start(Group::Pools, backing, &given, &[]).await;

    let mut taken = scene.begin(&["DepotPoolExhausted", "DepotBulkheadRefuses"]).await;
    // As an index does that is made the usual way: reads go on, and changes wait.
    let held = scene.hold("LOCK TABLE command.items IN SHARE MODE").await;
    let commands: Vec<_> = (0..CLIENTS)
        .map(|_| creating(&scene.client("alice"), PAUSE))
        .collect();
    scene.fires(&mut taken).await;
    scene.mends(&mut taken, "DepotPoolExhausted").await;
    drop(commands);
    scene.clears(taken).await;
    assert!(held.rollback().await.is_err());

    let mut timed_out = scene.begin(&["DepotPoolTimesOut"]).await;
    let held = scene.hold("LOCK TABLE read.items IN ACCESS EXCLUSIVE MODE").await;
    let lists: Vec<_> = (0..CLIENTS).map(|_| listing(&scene)).collect();
    scene.fires(&mut timed_out).await;
    scene.mends(&mut timed_out, "DepotPoolTimesOut").await;
    drop(lists);
    scene.clears(timed_out).await;
    assert!(held.rollback().await.is_err());
    scene.end();
}

fn listing(scene: &Scene) -> Repeated {
    let alice = scene.client("alice");
    repeat(PAUSE, move || {
        let alice = alice.clone();
        async move { drop(alice.send(alice.query("/api/v1/items")).await) }
    })
}
