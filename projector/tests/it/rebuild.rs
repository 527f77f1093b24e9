//! Whole projectors that feed two versions of the views.

use std::time::Duration;

use depot_schemas::{Entity, ItemState};
use depot_test_stack::wait_until;
use projector::{SwitchRequest, compare, drop_rows, register, roll_back, switch};

use crate::{
    events::{item, item_event, next, upload, upload_event},
    whole_process::Pipeline,
};

const OLD: i32 = 1;
const NEW: i32 = 2;
const STAND_STILL: Duration = Duration::from_secs(20);

async fn serve(pipeline: &Pipeline, to: i32) {
    let request = SwitchRequest {
        to,
        actor: "root",
        accept_differences: false,
        stand_still: STAND_STILL,
    };
    let switched = switch(&pipeline.fixture.pool, request).await.unwrap();
    assert_eq!(switched.to, to);
}

/// Whether a version has this version of the item.
async fn has(pipeline: &Pipeline, projection: i32, item: &ItemState) -> bool {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT version FROM read.items WHERE projection = $1 AND id = $2")
            .bind(projection)
            .bind(item.id)
            .fetch_optional(&pipeline.fixture.pool)
            .await
            .unwrap();
    found == Some(item.version)
}

async fn both_have(pipeline: &Pipeline, item: &ItemState) {
    wait_until("both versions have the change", || async {
        has(pipeline, OLD, item).await && has(pipeline, NEW, item).await
    })
    .await;
}

async fn next_offset(pipeline: &Pipeline, projection: i32, entity: Entity) -> i64 {
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT sum(next_offset)::bigint FROM read.offsets WHERE projection = $1 AND topic = $2",
    )
    .bind(projection)
    .bind(pipeline.names().events(entity))
    .fetch_one(&pipeline.fixture.pool)
    .await
    .unwrap();
    found.unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_projectors_build_a_version_that_serves_and_goes_back_and_is_dropped() {
    let pipeline = Pipeline::new(4).await;
    let pool = &pipeline.fixture.pool;
    let (first, second) = (pipeline.start().await, pipeline.start().await);
    let states: Vec<ItemState> = (0..400)
        .map(|number| item(["alice", "bob"][number % 2], &["x"]))
        .collect();
    let events: Vec<_> = states.iter().map(item_event).collect();
    pipeline.send_all(&events).await;
    pipeline.send(&upload_event(&upload("alice"))).await;
    assert_eq!(register(pool, "root", false).await.unwrap().projection, NEW);
    wait_until("the new version has all of it", || async {
        next_offset(&pipeline, NEW, Entity::Items).await == 400
            && next_offset(&pipeline, NEW, Entity::Uploads).await == 1
    })
    .await;
    wait_until("the two come to the same place", || async {
        compare(pool, NEW, "root")
            .await
            .is_ok_and(|found| found.differences == 0)
    })
    .await;
    serve(&pipeline, NEW).await;
    let changed = next(&states[0], |_| ());
    pipeline.send(&item_event(&changed)).await;
    both_have(&pipeline, &changed).await;
    for running in [&first, &second] {
        wait_until("a projector is ready", || async {
            running.waiting_for().await.is_empty()
        })
        .await;
    }

    roll_back(pool, "root", STAND_STILL).await.unwrap();
    let changed = next(&changed, |_| ());
    pipeline.send(&item_event(&changed)).await;
    both_have(&pipeline, &changed).await;

    serve(&pipeline, NEW).await;
    wait_until("nothing of the old version is left", || async {
        drop_rows(pool, OLD, "root", Duration::from_secs(1))
            .await
            .unwrap()
            .is_done
    })
    .await;
    let changed = next(&changed, |_| ());
    pipeline.send(&item_event(&changed)).await;
    wait_until("the new version goes on", || has(&pipeline, NEW, &changed)).await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM read.items WHERE projection = 1")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(left, 0, "nobody feeds what was dropped");
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_stands_before_poison_that_was_not_given_up_and_writes_no_dead_letter() {
    let pipeline = Pipeline::new(1).await;
    let pool = &pipeline.fixture.pool;
    let running = pipeline.start().await;
    let (given_up, forgotten, last) = (item("alice", &[]), item("alice", &[]), item("alice", &[]));
    for poison in [&given_up, &forgotten] {
        let key = Some(poison.id.to_string());
        pipeline
            .send_raw(&item_event(poison), key, b"{ no json", &[])
            .await;
    }
    pipeline.send(&item_event(&last)).await;
    pipeline.wait_for_version(last.id, 1).await;
    // As of a dead letter from before such notes were kept.
    sqlx::query("DELETE FROM read.given_up WHERE \"offset\" = 1")
        .execute(pool)
        .await
        .unwrap();
    register(pool, "root", false).await.unwrap();
    let noted = || async {
        sqlx::query_as::<_, (i64, bool)>(
            "SELECT \"offset\", passed FROM read.given_up WHERE projection = 2 ORDER BY \"offset\"",
        )
        .fetch_all(pool)
        .await
        .unwrap()
    };
    wait_until("the rebuild stands before the second", || async {
        noted().await == [(0, true), (1, false)]
    })
    .await;
    assert_eq!(running.waiting_for().await, "", "the one that serves is fed");
    assert!(!has(&pipeline, NEW, &last).await);
    register(pool, "root", true).await.unwrap();
    wait_until("the rebuild has passed it", || has(&pipeline, NEW, &last)).await;
    assert_eq!(noted().await, [(0, true), (1, true)]);
    // One more is the third letter, not those of the rebuild.
    let key = Some(last.id.to_string());
    pipeline
        .send_raw(&item_event(&last), key, b"the third", &[])
        .await;
    let letters = pipeline.dead_letters(Entity::Items, 3);
    assert_eq!(letters[2].2, b"the third");
    running.stop().await;
}
