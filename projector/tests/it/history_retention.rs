//! What happens when a part of the history is no longer kept.

use depot_schemas::{Entity, Event, ItemState};
use depot_test_stack::{backdate_history, wait_until};
use futures::future::join_all;
use projector::{HistoryPartitions, HistoryUpkeep};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::{
    events::{batch, item, item_event_at, next},
    fixture::Fixture,
    history_partitions::{keeping, to_the_end},
};

/// Versions of an item, one each ten days, the newest of today.
fn told(item: &ItemState, versions: i64) -> Vec<Event> {
    let now = OffsetDateTime::now_utc();
    let mut state = item.clone();
    (1..=versions)
        .map(|version| {
            let event = item_event_at(now - Duration::days((versions - version) * 10), &state);
            state = next(&state, |_| ());
            event
        })
        .collect()
}

async fn versions(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar("SELECT version FROM read.item_history ORDER BY version")
        .fetch_all(pool)
        .await
        .unwrap()
}

/// Of each partition of the log the offset from which on all is there.
async fn floors(pool: &PgPool) -> Vec<(i32, i64)> {
    sqlx::query_as("SELECT partition, first_offset FROM read.item_history_floors ORDER BY partition")
        .fetch_all(pool)
        .await
        .unwrap()
}

/// A history of 100 days in partitions of 10.
async fn of_hundred_days() -> (Fixture, PgPool) {
    let fixture = Fixture::new().await;
    let owner = fixture.database.owner_pool().await;
    backdate_history(&owner, 100).await;
    to_the_end(&keeping(&fixture, 10, None)).await;
    (fixture, owner)
}

#[tokio::test]
async fn without_a_retention_nothing_is_dropped() {
    let (fixture, _) = of_hundred_days().await;
    let events = told(&item("alice", &["x"]), 12);
    fixture
        .apply(&fixture.parts().projector, batch(Entity::Items, 0, 0, events))
        .await;
    assert_eq!(
        keeping(&fixture, 10, None).step().await.unwrap(),
        HistoryUpkeep::default()
    );
    assert_eq!(versions(&fixture.pool).await.len(), 12);
}

#[tokio::test]
async fn what_is_older_than_is_kept_goes_by_whole_partitions_and_is_not_brought_back_by_repeats() {
    let (fixture, _) = of_hundred_days().await;
    let projector = fixture.parts().projector;
    let alice = item("alice", &["x"]);
    let events = told(&alice, 12);
    fixture
        .apply(&projector, batch(Entity::Items, 0, 0, events.clone()))
        .await;
    // The items of another partition of the log are all new.
    let other = told(&item("bob", &["y"]), 1);
    fixture.apply(&projector, batch(Entity::Items, 4, 0, other)).await;
    let items = fixture.count("items").await;

    let partitions = keeping(&fixture, 10, Some(45));
    let done = to_the_end(&partitions).await;
    // That of all that is older than 100 days, and those that ended 90, 80, 70, 60 and 50 days ago.
    assert_eq!((done.made, done.dropped), (0, 6));
    // Version 7 is of 50 days ago, on this side of the midnight at which its partition begins.
    let kept: Vec<i64> = (7..=12).collect();
    let mut left = versions(&fixture.pool).await;
    left.retain(|version| *version > 1);
    assert_eq!(left, kept);
    assert_eq!(floors(&fixture.pool).await, [(0, 6)]);
    assert_eq!(
        fixture.count("items").await,
        items,
        "items stay, whatever becomes of their history"
    );

    // Once more, all of it: what is gone stays gone, and streams know from where on nothing is missing.
    fixture
        .apply(&projector, batch(Entity::Items, 0, 12, events.clone()))
        .await;
    fixture
        .apply(&projector, batch(Entity::Items, 2, 0, events))
        .await;
    let mut left = versions(&fixture.pool).await;
    left.retain(|version| *version > 1);
    assert_eq!(left, kept);
    assert_eq!(floors(&fixture.pool).await, [(0, 18), (2, 6)]);
    assert_eq!(to_the_end(&partitions).await, HistoryUpkeep::default());
}

#[tokio::test]
async fn projectors_that_race_drop_each_partition_once() {
    let (fixture, owner) = of_hundred_days().await;
    let events = told(&item("alice", &["x"]), 12);
    fixture
        .apply(&fixture.parts().projector, batch(Entity::Items, 0, 0, events))
        .await;
    let racers: Vec<_> = (0..6).map(|_| keeping(&fixture, 10, Some(45))).collect();
    let mut dropped = 0;
    for _ in 0..10 {
        for round in join_all(racers.iter().map(HistoryPartitions::step)).await {
            dropped += round.unwrap().dropped;
        }
    }
    assert_eq!(dropped, 6);
    let oldest: OffsetDateTime = sqlx::query_scalar("SELECT min(from_at) FROM read.item_history_partitions")
        .fetch_one(&owner)
        .await
        .unwrap();
    let kept_from: OffsetDateTime = sqlx::query_scalar("SELECT kept_from FROM read.item_history_kept")
        .fetch_one(&owner)
        .await
        .unwrap();
    assert_eq!(kept_from, oldest);
}

#[tokio::test]
async fn a_reader_under_way_keeps_its_partitions_and_stops_nobody() {
    let (fixture, owner) = of_hundred_days().await;
    let events = told(&item("alice", &["x"]), 12);
    let projector = fixture.parts().projector;
    fixture
        .apply(&projector, batch(Entity::Items, 0, 0, events))
        .await;
    let mut reader = fixture.pool.begin().await.unwrap();
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM read.item_history")
        .fetch_one(&mut *reader)
        .await
        .unwrap();
    assert_eq!(seen, 12);
    let partitions = keeping(&fixture, 10, Some(45));
    let round = partitions.step().await.unwrap();
    assert_eq!((round.dropped, round.unfinished), (0, true));
    let again: i64 = sqlx::query_scalar("SELECT count(*) FROM read.item_history")
        .fetch_one(&mut *reader)
        .await
        .unwrap();
    assert_eq!(again, 12);
    // Events go on meanwhile.
    let more = told(&item("bob", &["y"]), 1);
    fixture.apply(&projector, batch(Entity::Items, 0, 12, more)).await;
    reader.rollback().await.unwrap();
    assert_eq!(to_the_end(&partitions).await.dropped, 6);
    drop(owner);
}

#[tokio::test]
async fn an_event_that_is_being_written_while_its_partition_is_dropped_is_not_half_there() {
    let (fixture, owner) = of_hundred_days().await;
    let projector = fixture.parts().projector;
    let events = told(&item("alice", &["x"]), 12);
    fixture
        .apply(&projector, batch(Entity::Items, 0, 0, events.clone()))
        .await;
    // The drop holds its locks, and has not committed; a batch of repeats waits for it.
    let mut dropping = owner.begin().await.unwrap();
    let outcome: String = sqlx::query_scalar("SELECT read.item_history_drop_partition(45)")
        .fetch_one(&mut *dropping)
        .await
        .unwrap();
    assert_eq!(outcome, "dropped");
    let told_again = batch(Entity::Items, 0, 12, events);
    let writes = fixture.apply(&projector, told_again);
    let commits = async {
        wait_until("the batch waits for the drop", async || {
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'read.item_history'::regclass)",
            )
            .fetch_one(&owner)
            .await
            .unwrap()
        })
        .await;
        dropping.commit().await.unwrap();
    };
    let ((), ()) = tokio::join!(writes, commits);
    // Version 1 was of more than 100 days ago. It is neither in the partition that is gone nor in the default one.
    assert_eq!(versions(&fixture.pool).await, (2..=12).collect::<Vec<_>>());
    assert_eq!(floors(&fixture.pool).await, [(0, 13)]);
}

#[tokio::test]
async fn what_an_earlier_release_writes_of_the_past_is_removed_and_its_place_noted() {
    let (fixture, owner) = of_hundred_days().await;
    let partitions = keeping(&fixture, 10, Some(45));
    assert_eq!(to_the_end(&partitions).await.dropped, 6);
    let plant = r#"INSERT INTO read.item_history
                   SELECT 1, gen_random_uuid(), 0, 1, gen_random_uuid(), 'depot.item.created.v1', gen_random_uuid(), 'a',
                          '{}', '{}', now() - make_interval(days => n * 70), 'depot.items.v1', n % 3, 100 + n
                   FROM generate_series(0, 5) n"#;
    sqlx::query(plant).execute(&fixture.pool).await.unwrap();
    assert_eq!(fixture.count("item_history").await, 6);
    assert_eq!(to_the_end(&partitions).await.cleared, 5);
    assert_eq!(fixture.count("item_history").await, 1);
    assert_eq!(floors(&fixture.pool).await, [(0, 104), (1, 105), (2, 106)]);
    drop(owner);
}
