//! Whatever is repeated, reordered and cut into batches, the views end where the newest versions are.

use std::collections::BTreeMap;

use depot_schemas::{Entity, Event, EventData, ItemState};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use uuid::Uuid;

use crate::{
    events::{batch, delete, file, item, item_event, next},
    fixture::Fixture,
};

const TAGS: [&str; 4] = ["x", "y", "z", "w"];

/// What happens to one item: tags by bits, files added, deleted at the end or not.
fn changes() -> impl Strategy<Value = (usize, Vec<(u8, bool)>, bool)> {
    (
        0..3_usize,
        prop::collection::vec((0..16_u8, any::<bool>()), 1..6),
        any::<bool>(),
    )
}

fn tags(bits: u8) -> Vec<String> {
    (0..4)
        .filter(|bit| bits & (1 << bit) != 0)
        .map(|bit| TAGS[bit].to_owned())
        .collect()
}

fn versions((owner, changes, deleted): (usize, Vec<(u8, bool)>, bool)) -> Vec<ItemState> {
    let mut states: Vec<ItemState> = Vec::new();
    for (bits, attach) in changes {
        let change = |item: &mut ItemState| {
            item.tags = tags(bits);
            if attach {
                item.files.push(file(i64::from(bits) * 1_000));
            }
        };
        let state = match states.last() {
            None => {
                let mut first = item(["alice", "bob", "carol"][owner], &[]);
                change(&mut first);
                first
            }
            Some(last) => next(last, change),
        };
        states.push(state);
    }
    if deleted {
        states.extend(states.last().map(delete));
    }
    states
}

/// Events of several items in any order, some told several times, and the sizes of the batches.
fn log() -> impl Strategy<Value = (Vec<Event>, Vec<usize>)> {
    let lives = prop::collection::vec(changes(), 1..12);
    let told = lives.prop_flat_map(|lives| {
        let events: Vec<Event> = lives
            .into_iter()
            .flat_map(versions)
            .map(|state| item_event(&state))
            .collect();
        let repeats = prop::collection::vec(0..events.len(), 0..events.len());
        (Just(events), repeats)
    });
    let shuffled = told.prop_flat_map(|(mut events, repeats)| {
        let again: Vec<Event> = repeats.into_iter().map(|index| events[index].clone()).collect();
        events.extend(again);
        Just(events).prop_shuffle()
    });
    (shuffled, prop::collection::vec(1..9_usize, 1..40))
}

#[tokio::test]
async fn statistics_equal_a_recount_after_any_order_and_any_repeats() {
    // A fixed seed: a failure can be looked at again.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let mut expected: BTreeMap<Uuid, ItemState> = BTreeMap::new();
    let mut histories = std::collections::BTreeSet::new();
    for partition in 0..15 {
        let (mut events, sizes) = log().new_tree(&mut runner).unwrap().current();
        for event in &events {
            let EventData::Item(data) = &event.data else {
                unreachable!()
            };
            histories.insert((data.item.id, data.item.version));
            let newest = expected.entry(data.item.id).or_insert_with(|| data.item.clone());
            if newest.version < data.item.version {
                *newest = data.item.clone();
            }
        }
        let mut offset = 0;
        for size in sizes.iter().cycle() {
            if events.is_empty() {
                break;
            }
            let rest = events.split_off((*size).min(events.len()));
            let batch = batch(
                Entity::Items,
                partition,
                offset,
                std::mem::replace(&mut events, rest),
            );
            offset = batch.next_offset;
            fixture.apply(&projector, batch).await;
        }
        assert_eq!(
            fixture.miscounted().await,
            Vec::<String>::new(),
            "after log {partition}"
        );
    }
    let rows: Vec<(Uuid, i64, bool, Vec<String>)> =
        sqlx::query_as("SELECT id, version, deleted, tags FROM read.items ORDER BY id")
            .fetch_all(&fixture.pool)
            .await
            .unwrap();
    let expected: Vec<_> = expected
        .into_values()
        .map(|item| (item.id, item.version, item.deleted, item.tags))
        .collect();
    assert!(expected.len() > 40, "the logs were too small to say anything");
    assert_eq!(rows, expected);
    assert_eq!(fixture.count("item_history").await, histories.len() as i64);
    for (id, version, ..) in expected {
        assert_eq!(fixture.cached_version(id).await, Some(version));
    }
}
