//! Two versions of the views compared while both are fed.

use std::time::Duration;

use depot_consumer::BatchOutcome;
use depot_schemas::{Entity, ItemState};
use projector::{ProjectionError, Projector, SwitchRequest, compare, register, switch};
use tokio::time::timeout;

use crate::{
    events::{batch, file, item, item_event, items, next, upload, upload_event},
    fixture::{Fixture, PROJECTION, handle},
};

const NEW: i32 = 2;

/// An item of its own at each offset, or the next version of the one before.
fn changes(count: usize) -> Vec<ItemState> {
    let mut states: Vec<ItemState> = Vec::with_capacity(count);
    for number in 0..count {
        let state = match states.last() {
            Some(before) if number % 3 != 0 => next(before, |item| item.files.push(file(7))),
            _ => item(["alice", "bob"][number % 2], &["x", "y"][..1 + number % 2]),
        };
        states.push(state);
    }
    states
}

/// Applies all of them in batches of `size`, by a version that may be held meanwhile.
async fn feed(fixture: &Fixture, projection: i32, projector: &Projector, states: &[ItemState], size: usize) {
    let mut from = 0;
    while from < states.len() {
        let to = (from + size).min(states.len());
        let batch = items(from as i64, &states[from..to].iter().collect::<Vec<_>>());
        from = match handle(projector, &batch).await.unwrap() {
            BatchOutcome::Stored => to,
            BatchOutcome::Reload => fixture.assign_of(projection, &batch).await as usize,
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_that_are_fed_in_other_batches_meet_and_are_found_equal() {
    let fixture = Fixture::new().await;
    register(&fixture.pool, "root", false).await.unwrap();
    let (old, new) = (fixture.parts().projector, fixture.parts_of(NEW).projector);
    let states = changes(1_500);
    for projection in [PROJECTION, NEW] {
        fixture.assign_of(projection, &items(0, &[])).await;
    }
    let comparing = async {
        let mut found = Vec::new();
        for _ in 0..3 {
            found.push(compare(&fixture.pool, NEW, "root").await.unwrap());
        }
        found
    };
    let ((), (), found) = futures::join!(
        feed(&fixture, PROJECTION, &old, &states, 3),
        feed(&fixture, NEW, &new, &states, 7),
        comparing
    );
    for comparison in &found {
        assert_eq!(comparison.differences, 0, "{comparison:?}");
        assert!(
            comparison
                .views
                .iter()
                .all(|view| view.of_serving == view.of_projection)
        );
    }
    let last = compare(&fixture.pool, NEW, "root").await.unwrap();
    assert_eq!((last.serving, last.differences), (PROJECTION, 0));
    let rows = |view: &str| {
        let found = last.views.iter().find(|found| found.view == view).unwrap();
        found.of_projection.rows
    };
    assert_eq!(
        (rows("items"), rows("item_history"), rows("uploads")),
        (500, 1_500, 0)
    );
    assert_eq!((rows("tag_statistics"), rows("owner_statistics")), (2, 2));
    let held: i64 = sqlx::query_scalar("SELECT count(*) FROM read.offsets WHERE hold_at IS NOT NULL")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(held, 0, "nothing is held afterwards");
}

#[tokio::test]
async fn rows_that_differ_are_named_and_keep_the_version_from_serving_until_that_is_accepted() {
    let fixture = Fixture::new().await;
    register(&fixture.pool, "root", false).await.unwrap();
    let (old, new) = (fixture.parts().projector, fixture.parts_of(NEW).projector);
    let (one, two, requested) = (item("alice", &["x"]), item("bob", &[]), upload("bob"));
    for (projection, projector) in [(PROJECTION, &old), (NEW, &new)] {
        let uploads = batch(Entity::Uploads, 0, 0, vec![upload_event(&requested)]);
        fixture
            .apply_of(projection, projector, items(0, &[&one, &two]))
            .await;
        fixture.apply_of(projection, projector, uploads).await;
    }
    for damage in [
        "UPDATE read.items SET name = 'another' WHERE projection = 2 AND owner = 'alice'",
        "DELETE FROM read.uploads WHERE projection = 2",
        "INSERT INTO read.tag_statistics (projection, tag, items) VALUES (2, 'y', 1), (2, 'z', 0)",
        "UPDATE read.item_history SET \"offset\" = 7 WHERE projection = 2 AND item_id IN
             (SELECT id FROM read.items WHERE projection = 2 AND owner = 'bob')",
    ] {
        sqlx::query(damage).execute(&fixture.pool).await.unwrap();
    }
    let found = compare(&fixture.pool, NEW, "root").await.unwrap();
    let differing: Vec<_> = found
        .views
        .iter()
        .map(|view| (view.view.as_str(), view.differences, view.differing.clone()))
        .collect();
    let (one, two, requested) = (one.id.to_string(), two.id.to_string(), requested.id.to_string());
    assert_eq!(
        differing,
        [
            ("items", 1, vec![one]),
            ("item_history", 1, vec![two]),
            ("uploads", 1, vec![requested]),
            ("declared_aggregates", 0, vec![]),
            ("tag_statistics", 1, vec!["y".to_owned()]),
            ("owner_statistics", 0, vec![]),
        ]
    );
    assert_eq!(found.differences, 4);
    let asked = |accept_differences| SwitchRequest {
        to: NEW,
        actor: "root",
        accept_differences,
        stand_still: Duration::ZERO,
    };
    let refused = switch(&fixture.pool, asked(false)).await.unwrap_err();
    assert!(
        matches!(&refused, ProjectionError::NotSo(text) if text.contains("differed")),
        "{refused}"
    );
    switch(&fixture.pool, asked(true)).await.unwrap();
}

#[tokio::test]
async fn who_serves_is_compared_with_nobody_and_who_is_fed_by_nobody_neither() {
    let fixture = Fixture::new().await;
    let refused = compare(&fixture.pool, PROJECTION, "root").await.unwrap_err();
    assert!(matches!(refused, ProjectionError::NotSo(_)), "{refused}");
    let unknown = compare(&fixture.pool, NEW, "root").await.unwrap_err();
    assert!(matches!(unknown, ProjectionError::Unknown(NEW)), "{unknown}");
    register(&fixture.pool, "root", false).await.unwrap();
    let refused = compare(&fixture.pool, NEW, "root").await.unwrap_err();
    assert!(matches!(refused, ProjectionError::NotSo(_)), "{refused}");
}

#[tokio::test]
async fn a_hold_cuts_a_batch_and_ends_by_itself() {
    let fixture = Fixture::new().await;
    register(&fixture.pool, "root", false).await.unwrap();
    let new = fixture.parts_of(NEW).projector;
    let states = changes(4);
    let all = items(0, &states.iter().collect::<Vec<_>>());
    fixture.assign_of(NEW, &all).await;
    let hold = |until: &'static str| {
        let set = "UPDATE read.offsets SET hold_at = 3, held_until = clock_timestamp() + $1::text::interval";
        sqlx::query(set).bind(until).execute(&fixture.pool)
    };
    hold("1 hour").await.unwrap();
    let cut_off = timeout(Duration::from_secs(2), handle(&new, &all)).await;
    assert!(cut_off.is_err(), "it goes on though it is held");
    assert_eq!(fixture.assign_of(NEW, &all).await, 3, "as far as it may");
    // It comes again as it was, since nobody heard of the piece.
    assert_eq!(handle(&new, &all).await.unwrap(), BatchOutcome::Reload);
    let rest = batch(Entity::Items, 0, 3, vec![item_event(&states[3])]);
    hold("1 second").await.unwrap();
    assert_eq!(handle(&new, &rest).await.unwrap(), BatchOutcome::Stored);
}
