//! Several projectors, several partitions.

use std::sync::Arc;

use depot_consumer::{BatchOutcome, Failure};
use depot_schemas::{Entity, ItemState};
use futures::future::join_all;

use crate::{
    events::{batch, delete, file, item, item_event, items, next},
    fixture::{Fixture, handle},
};

#[tokio::test]
async fn a_late_projector_is_rolled_back_and_counts_nothing_twice() {
    let fixture = Fixture::new().await;
    let (late, current) = (fixture.parts().projector, fixture.parts().projector);
    let created = item("alice", &["x"]);
    let updated = next(&created, |item| item.files.push(file(9)));
    let stale = items(0, &[&created]);
    fixture.assign(&stale).await;
    fixture.apply(&current, items(0, &[&created, &updated])).await;
    let before = fixture.views().await;

    assert_eq!(handle(&late, &stale).await.unwrap(), BatchOutcome::Reload);
    // Also with a batch that holds something new: its place is not where the views stand.
    let other = item("bob", &["y"]);
    assert_eq!(
        handle(&late, &items(1, &[&updated, &other])).await.unwrap(),
        BatchOutcome::Reload
    );
    assert_eq!(
        handle(&late, &items(7, &[&other])).await.unwrap(),
        BatchOutcome::Reload
    );
    assert_eq!(fixture.views().await, before);
    assert_eq!(fixture.assign(&stale).await, 2);
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
}

#[tokio::test]
async fn of_projectors_that_race_for_a_batch_one_stores_it() {
    let fixture = Fixture::new().await;
    let projectors: Vec<_> = (0..4).map(|_| fixture.parts().projector).collect();
    let mut state = item("alice", &["x"]);
    fixture.assign(&items(0, &[&state])).await;
    for offset in 0..25 {
        let batch = items(offset, &[&state]);
        let outcomes = join_all(projectors.iter().map(|projector| handle(projector, &batch))).await;
        let stored = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Ok(BatchOutcome::Stored)))
            .count();
        assert_eq!(stored, 1, "{outcomes:?}");
        state = next(&state, |item| item.files.push(file(offset)));
    }
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
    assert_eq!(fixture.count("item_history").await, 25);
}

#[tokio::test]
async fn a_batch_without_events_moves_the_offset_alone() {
    let fixture = Fixture::new().await;
    let parts = fixture.parts();
    let mut empty = items(0, &[]);
    empty.next_offset = 5;
    fixture.assign(&empty).await;
    let written = parts.writer.write(std::slice::from_ref(&empty)).await.unwrap();
    assert!(written.stored == [true] && written.changes.entries.is_empty());
    assert_eq!(fixture.assign(&empty).await, 5);
}

#[tokio::test]
async fn partitions_that_update_the_same_tags_lose_no_count() {
    let fixture = Arc::new(Fixture::new().await);
    let partitions = (0..6).map(|partition| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move { feed(&fixture, partition).await })
    });
    for partition in partitions.collect::<Vec<_>>() {
        partition.await.unwrap();
    }
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
    let tags: i64 = sqlx::query_scalar("SELECT count(*) FROM read.tag_statistics WHERE items > 0")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(tags, 3);
}

/// Batches of one partition in which items of few owners come, change their tags, and go.
async fn feed(fixture: &Fixture, partition: i32) {
    let projector = fixture.parts().projector;
    let mut offset = 0;
    for round in 0..20_usize {
        let states: Vec<ItemState> = (0..8_usize)
            .flat_map(|n| life(round + n + partition as usize))
            .collect();
        let batch = batch(
            Entity::Items,
            partition,
            offset,
            states.iter().map(item_event).collect(),
        );
        assert_eq!(fixture.assign(&batch).await, offset);
        loop {
            match handle(&projector, &batch).await {
                Ok(outcome) => break assert_eq!(outcome, BatchOutcome::Stored),
                // Two partitions may deadlock; the one that lost comes again.
                Err(Failure::Transient { .. }) => {}
                Err(failure) => panic!("{failure}"),
            }
        }
        offset = batch.next_offset;
    }
}

fn life(seed: usize) -> Vec<ItemState> {
    const TAGS: [&str; 3] = ["c", "a", "b"];
    let created = item(
        ["alice", "bob"][seed % 2],
        &[TAGS[seed % 3], TAGS[(seed + 1) % 3]],
    );
    let changed = next(&created, |item| {
        item.tags = vec![TAGS[(seed + 2) % 3].to_owned()];
        item.files.push(file(seed as i64));
    });
    match seed % 4 {
        0 => vec![created],
        1 => vec![created.clone(), delete(&created)],
        _ => vec![created, changed],
    }
}
