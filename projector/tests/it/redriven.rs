//! Events that were given up, and come back late.

use depot_schemas::Entity;
use depot_test_stack::wait_until;

use crate::{
    events::{delete, item, item_event, next, upload, upload_event},
    whole_process::Pipeline,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_back_late_fills_its_place_in_the_history_and_changes_no_newer_row() {
    let pipeline = Pipeline::new(1).await;
    let pool = &pipeline.fixture.pool;
    let running = pipeline.start().await;
    let first = item("alice", &["x"]);
    let second = next(&first, |item| item.tags = vec!["y".to_owned()]);
    let third = next(&second, |item| item.tags = vec!["z".to_owned()]);
    // The second version was given up when it came.
    pipeline.send(&item_event(&first)).await;
    pipeline.send(&item_event(&third)).await;
    pipeline.wait_for_version(first.id, 3).await;
    let gone = item("alice", &["x"]);
    for event in [item_event(&gone), item_event(&delete(&gone))] {
        pipeline.send(&event).await;
    }
    pipeline.wait_for_version(gone.id, 2).await;
    let items = || async {
        sqlx::query_scalar::<_, String>("SELECT (to_jsonb(t) - 'search')::text FROM read.items t ORDER BY id")
            .fetch_all(pool)
            .await
            .unwrap()
    };
    let before = items().await;

    // Twice, as by a crash of whoever brings it back; and a repeated create of what is deleted.
    for event in [item_event(&second), item_event(&second), item_event(&gone)] {
        pipeline.bring_back(&event, 1).await;
    }
    // One that is not old: nothing newer of its key ever came.
    let requested = upload("alice");
    pipeline.bring_back(&upload_event(&requested), 7).await;
    wait_until("the last of them is in its view", || async {
        let found: i64 = sqlx::query_scalar("SELECT count(*) FROM read.uploads WHERE id = $1")
            .bind(requested.id)
            .fetch_one(pool)
            .await
            .unwrap();
        found == 1
    })
    .await;
    assert_eq!(items().await, before, "an older version changes no view");
    let versions: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM read.item_history WHERE item_id = $1 ORDER BY version")
            .bind(first.id)
            .fetch_all(pool)
            .await
            .unwrap();
    assert_eq!(versions, [1, 2, 3], "the history has no hole any more");
    assert_eq!(pipeline.fixture.miscounted().await, Vec::<String>::new());
    let offsets: Vec<(String, i64)> =
        sqlx::query_as("SELECT topic, next_offset FROM read.offsets WHERE next_offset > 0 ORDER BY topic")
            .fetch_all(pool)
            .await
            .unwrap();
    let names = pipeline.names();
    assert_eq!(
        offsets,
        [(names.events(Entity::Items), 4), (names.redriven("projector"), 4)],
        "each topic has its own offset"
    );
    assert_eq!(running.waiting_for().await, "");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_fails_again_is_the_same_letter_beside_those_of_its_source() {
    let pipeline = Pipeline::new(1).await;
    let running = pipeline.start().await;
    let mut refused = item("alice", &[]);
    refused.name = "\0".to_owned();
    pipeline.bring_back(&item_event(&refused), 5).await;
    let letters = pipeline.dead_letters(Entity::Items, 1);
    assert_eq!(letters[0].0, "refused_by_database");
    // What comes after it goes on.
    let good = item("alice", &[]);
    pipeline.bring_back(&item_event(&good), 6).await;
    pipeline.wait_for_version(good.id, 1).await;
    running.stop().await;
}
