//! Batches of several partitions in one transaction.

use std::time::Duration;

use depot_consumer::{Batch, BatchOutcome, Failure};
use depot_read_model::{ChangeNotice, EntityKind, changes_channel};
use depot_schemas::{Entity, Event, ItemState};
use depot_test_stack::wait_until;
use futures::{StreamExt as _, future::join_all};
use projector::{Projector, SharingSettings};
use sqlx::{Postgres, Transaction};
use tokio::time::timeout;

use crate::{
    events::{batch, file, item, item_event, next},
    fixture::{Fixture, handle},
};

const ONE_LANE: SharingSettings = SharingSettings {
    lanes: 1,
    max_events: 500,
    longest_rest: Duration::ZERO,
};

fn of_partition(partition: i32, from: i64, states: &[&ItemState]) -> Batch<Event> {
    let events = states.iter().map(|state| item_event(state)).collect();
    batch(Entity::Items, partition, from, events)
}

/// Holds the offset of partition 0 as another projector does that is about to commit.
async fn hold_first(fixture: &Fixture) -> Transaction<'static, Postgres> {
    let mut holder = fixture.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM read.offsets WHERE partition = 0 FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    holder
}

async fn until_one_waits(fixture: &Fixture) {
    wait_until("the first batch waits", || async {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
        waiting == 1
    })
    .await;
}

/// All tasks run in this thread, and each goes on as far as it can by itself, which takes none of them so many turns.
async fn until_all_have_begun() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Runs the first batch, which keeps the lanes busy, and then the others, which gather meanwhile.
async fn gathered(
    fixture: &Fixture,
    projector: &Projector,
    batches: &[Batch<Event>],
) -> Vec<Result<BatchOutcome, Failure>> {
    for batch in batches {
        fixture.assign(batch).await;
    }
    let holder = hold_first(fixture).await;
    let (first, others) = batches.split_first().unwrap();
    let gathering = async {
        until_one_waits(fixture).await;
        let releasing = async {
            until_all_have_begun().await;
            holder.rollback().await.unwrap();
        };
        let others = join_all(others.iter().map(|batch| handle(projector, batch)));
        futures::join!(others, releasing).0
    };
    let (first, others) = futures::join!(handle(projector, first), gathering);
    std::iter::once(first).chain(others).collect()
}

/// How many transactions have moved the offsets of these partitions.
async fn transactions(fixture: &Fixture, partitions: std::ops::Range<i32>) -> i64 {
    sqlx::query_scalar(
        "SELECT count(DISTINCT xmin::text) FROM read.offsets WHERE partition >= $1 AND partition < $2",
    )
    .bind(partitions.start)
    .bind(partitions.end)
    .fetch_one(&fixture.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn batches_that_gather_share_a_transaction_and_are_announced_each_for_itself() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts_with(ONE_LANE).projector;
    let client = redis::Client::open(fixture.redis.url()).unwrap();
    let mut listener = client.get_async_pubsub().await.unwrap();
    let channel = changes_channel(&fixture.redis.key_prefix);
    listener.subscribe(channel).await.unwrap();
    let states: Vec<_> = (0..6).map(|_| item("alice", &["x"])).collect();
    let batches: Vec<_> = (0..6)
        .map(|n| of_partition(n, 0, &[&states[n as usize], &next(&states[n as usize], |_| ())]))
        .collect();

    let outcomes = gathered(&fixture, &projector, &batches).await;
    for outcome in outcomes {
        assert_eq!(outcome.unwrap(), BatchOutcome::Stored);
    }
    assert_eq!(transactions(&fixture, 1..6).await, 1);
    assert_eq!(transactions(&fixture, 0..6).await, 2);
    for (batch, state) in batches.iter().zip(&states) {
        assert_eq!(fixture.assign(batch).await, 2);
        assert_eq!(fixture.cached_version(state.id).await, Some(2));
    }
    assert_eq!(fixture.count("item_history").await, 12);
    assert_eq!(fixture.count("pending_cache").await, 0);
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());

    let mut messages = listener.on_message();
    let mut told = Vec::new();
    for _ in 0..6 {
        let message = messages.next().await.unwrap();
        let notice = ChangeNotice::from_json(message.get_payload_bytes()).unwrap();
        assert_eq!((notice.next_offset, notice.changes.len()), (2, 1));
        let change = &notice.changes[0];
        assert_eq!((change.kind, change.offset), (EntityKind::Item, 1));
        assert_eq!(change.id, states[notice.partition as usize].id);
        told.push(notice.partition);
    }
    told.sort_unstable();
    assert_eq!(told, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_history_row_says_in_which_partition_its_event_lies() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts_with(ONE_LANE).projector;
    let states: Vec<_> = (0..4).map(|_| item("alice", &[])).collect();
    let batches: Vec<_> = (0..4)
        .map(|n| of_partition(n, 10 * i64::from(n), &[&states[n as usize]]))
        .collect();
    for batch in &batches {
        fixture.assign(batch).await;
        sqlx::query("UPDATE read.offsets SET next_offset = $1 WHERE partition = $2")
            .bind(batch.expected_offset)
            .bind(batch.partition)
            .execute(&fixture.pool)
            .await
            .unwrap();
    }
    gathered(&fixture, &projector, &batches).await;
    for (n, state) in (0..).zip(&states) {
        let place: (String, i32, i64) =
            sqlx::query_as(r#"SELECT topic, partition, "offset" FROM read.item_history WHERE item_id = $1"#)
                .bind(state.id)
                .fetch_one(&fixture.pool)
                .await
                .unwrap();
        assert_eq!(place, (batches[0].topic.to_string(), n, 10 * i64::from(n)));
    }
}

#[tokio::test]
async fn a_late_batch_is_left_out_and_the_others_are_stored() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts_with(ONE_LANE).projector;
    let (first, second, third) = (item("alice", &["x"]), item("bob", &["x"]), item("carol", &["x"]));
    // Somebody else has come further in partition 1.
    fixture.apply(&projector, of_partition(1, 0, &[&second])).await;
    let late = of_partition(1, 0, &[&next(&second, |item| item.files.push(file(7)))]);
    let batches = [of_partition(0, 0, &[&first]), late, of_partition(2, 0, &[&third])];

    let outcomes = gathered(&fixture, &projector, &batches).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let expected = [BatchOutcome::Stored, BatchOutcome::Reload, BatchOutcome::Stored];
    assert_eq!(outcomes, expected);
    assert_eq!(fixture.cached_version(second.id).await, Some(1));
    assert_eq!(fixture.cached_version(third.id).await, Some(1));
    assert_eq!(fixture.assign(&batches[1]).await, 1);
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
}

#[tokio::test]
async fn poison_is_told_to_the_batch_that_holds_it_alone() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts_with(ONE_LANE).projector;
    let (first, mut second, third) = (item("alice", &["x"]), item("bob", &["x"]), item("carol", &["x"]));
    second.name = "nul \0".to_owned();
    let batches = [
        of_partition(0, 0, &[&first]),
        of_partition(1, 0, &[&second]),
        of_partition(2, 0, &[&third]),
    ];
    let outcomes = gathered(&fixture, &projector, &batches).await;
    assert!(
        matches!(
            outcomes[..],
            [
                Ok(BatchOutcome::Stored),
                Err(Failure::Poison(_)),
                Ok(BatchOutcome::Stored)
            ]
        ),
        "{outcomes:?}"
    );
    assert_eq!(fixture.count("items").await, 2);
    let offsets = [
        fixture.assign(&batches[1]).await,
        fixture.assign(&batches[2]).await,
    ];
    assert_eq!(offsets, [0, 1]);
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_transaction_takes_no_batch_beyond_its_events() {
    let fixture = Fixture::new().await;
    let sharing = SharingSettings {
        lanes: 1,
        max_events: 2,
        longest_rest: Duration::ZERO,
    };
    let projector = fixture.parts_with(sharing).projector;
    let states: Vec<_> = (0..5).map(|_| item("alice", &[])).collect();
    let batches: Vec<_> = (0..5)
        .map(|n| of_partition(n, 0, &[&states[n as usize]]))
        .collect();
    gathered(&fixture, &projector, &batches).await;
    assert_eq!(fixture.count("items").await, 5);
    assert_eq!(transactions(&fixture, 1..5).await, 2);
}

#[tokio::test]
async fn a_full_transaction_goes_beside_one_in_flight_and_a_small_one_waits_for_it() {
    let fixture = Fixture::new().await;
    let sharing = SharingSettings {
        lanes: 2,
        max_events: 2,
        longest_rest: Duration::ZERO,
    };
    let projector = fixture.parts_with(sharing).projector;
    let states: Vec<_> = (0..6).map(|_| item("alice", &[])).collect();
    let held = of_partition(0, 0, &[&states[0]]);
    let full = of_partition(1, 0, &[&states[1], &states[2]]);
    let small = of_partition(2, 0, &[&states[3]]);
    let company = of_partition(3, 0, &[&states[4], &states[5]]);
    for batch in [&held, &full, &small, &company] {
        fixture.assign(batch).await;
    }
    let holder = hold_first(&fixture).await;
    let others = async {
        until_one_waits(&fixture).await;
        let beside = handle(&projector, &full).await;
        let joining = async {
            until_all_have_begun().await;
            handle(&projector, &company).await
        };
        let (small, company) = futures::join!(handle(&projector, &small), joining);
        holder.rollback().await.unwrap();
        [beside, small, company]
    };
    let (first, others) = futures::join!(handle(&projector, &held), others);
    for outcome in std::iter::once(first).chain(others) {
        assert_eq!(outcome.unwrap(), BatchOutcome::Stored);
    }
    assert_eq!(transactions(&fixture, 1..2).await, 1);
    // By itself it would have waited for the one that was held, and not gone beside it.
    assert_eq!(transactions(&fixture, 2..4).await, 1, "the small one went alone");
    assert_eq!(fixture.count("items").await, 6);
    assert_eq!(fixture.count("pending_cache").await, 0);
}

#[tokio::test]
async fn what_comes_while_a_lane_rests_shares_a_transaction() {
    let fixture = Fixture::new().await;
    let sharing = SharingSettings {
        longest_rest: Duration::from_secs(60),
        ..ONE_LANE
    };
    let projector = fixture.parts_with(sharing).projector;
    let states: Vec<_> = (0..3).map(|_| item("alice", &[])).collect();
    let batches: Vec<_> = (0..3)
        .map(|n| of_partition(n, 0, &[&states[n as usize]]))
        .collect();
    for batch in &batches {
        fixture.assign(batch).await;
    }
    let holder = hold_first(&fixture).await;
    let holding = async {
        until_one_waits(&fixture).await;
        // It rests as long as this takes.
        tokio::time::sleep(Duration::from_secs(2)).await;
        holder.rollback().await.unwrap();
    };
    let (first, ()) = futures::join!(handle(&projector, &batches[0]), holding);
    assert_eq!(first.unwrap(), BatchOutcome::Stored, "told before the rest");
    let later = async {
        until_all_have_begun().await;
        handle(&projector, &batches[2]).await
    };
    let (second, third) = futures::join!(handle(&projector, &batches[1]), later);
    assert_eq!(second.unwrap(), BatchOutcome::Stored);
    assert_eq!(third.unwrap(), BatchOutcome::Stored);
    assert_eq!(transactions(&fixture, 1..3).await, 1);
}

#[tokio::test]
async fn projectors_that_race_for_several_partitions_never_lock_each_other_up() {
    let fixture = Fixture::new().await;
    let projectors: Vec<_> = (0..3).map(|_| fixture.parts().projector).collect();
    let mut states: Vec<_> = (0..4).map(|_| item("alice", &["x", "y"])).collect();
    for n in 0..4 {
        fixture.assign(&of_partition(n, 0, &[])).await;
    }
    for offset in 0..25 {
        let batches: Vec<_> = (0..4)
            .map(|n| of_partition(n, offset, &[&states[n as usize]]))
            .collect();
        let racing = projectors.iter().enumerate().flat_map(|(first, projector)| {
            // Each begins with another partition.
            let order = batches.iter().cycle().skip(first).take(batches.len());
            order.map(move |batch| handle(projector, batch))
        });
        let outcomes = join_all(racing).await;
        let stored = outcomes
            .into_iter()
            .filter(|outcome| *outcome.as_ref().unwrap() == BatchOutcome::Stored);
        assert_eq!(stored.count(), 4);
        states = states
            .iter()
            .map(|state| next(state, |item| item.files.push(file(offset))))
            .collect();
    }
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
    assert_eq!(fixture.count("item_history").await, 100);
}

#[tokio::test]
async fn a_database_that_stands_still_after_the_commit_keeps_no_partition() {
    let fixture = Fixture::new().await;
    let parts = fixture.parts();
    parts.recover().await;
    let batch = of_partition(0, 0, &[&item("alice", &[])]);
    fixture.assign(&batch).await;
    let written = parts.store.write(&[batch]).await.unwrap();
    let mut still = fixture.database.owner_pool().await.begin().await.unwrap();
    sqlx::query("LOCK TABLE read.pending_cache IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *still)
        .await
        .unwrap();
    let told = timeout(Duration::from_secs(15), parts.store.tell(written)).await;
    assert!(matches!(
        told.expect("it is not waited for").outcomes[..],
        [BatchOutcome::Stored]
    ));
    still.rollback().await.unwrap();
    // What is left is written by the upkeep.
    parts.upkeep.drain().await.unwrap();
    assert_eq!(fixture.count("pending_cache").await, 0);
}
