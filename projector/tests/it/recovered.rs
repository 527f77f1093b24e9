//! Events that tell a state once more, and a log that begins again.

use depot_consumer::{BatchOutcome, OffsetSource as _};
use depot_read_model::EntityKind;
use depot_schemas::{Entity, Event, EventType, ItemState};
use depot_test_stack::recovery;
use projector::OffsetsTable;

use crate::{
    events::{batch, delete, item, item_event, item_event_in, items, next, upload, upload_event},
    fixture::{Fixture, PROJECTION, handle},
};

fn snapshot_in(epoch: i32, item: &ItemState) -> Event {
    let mut event = item_event_in(epoch, item);
    event.envelope.event_type = EventType::ItemSnapshot;
    event.envelope.time = item.updated_at;
    event
}

/// `epoch.version` of the history of all items, in their order.
async fn history(fixture: &Fixture) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT epoch || '.' || version || ' ' || event_type FROM read.item_history ORDER BY item_id, epoch, version",
    )
    .fetch_all(&fixture.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_snapshot_is_a_start_and_changes_nothing_that_is_right() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let (first, other) = (item("alice", &["x"]), item("bob", &["y"]));
    let second = next(&first, |item| item.name = "second".to_owned());
    fixture.apply(&projector, items(0, &[&first, &second])).await;
    let before = fixture.views().await;
    let told = batch(Entity::Items, 0, 2, vec![snapshot_in(0, &second)]);
    fixture.apply(&projector, told).await;
    assert_eq!(fixture.views().await, before);

    // Of an item that the views have nothing of, in whatever version.
    let later = next(&next(&other, |_| ()), |item| item.name = "later".to_owned());
    let told = batch(Entity::Items, 0, 3, vec![snapshot_in(0, &later)]);
    fixture.apply(&projector, told).await;
    let goes_on = next(&later, |item| item.name = "goes on".to_owned());
    fixture.apply(&projector, items(4, &[&goes_on])).await;
    let row: (i64, String) = sqlx::query_as("SELECT version, name FROM read.items WHERE owner = 'bob'")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(row, (4, "goes on".to_owned()));
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
    assert_eq!(history(&fixture).await.len(), 4);

    let mut requested = upload_event(&upload("alice"));
    requested.envelope.event_type = EventType::UploadSnapshot;
    fixture
        .apply(&projector, batch(Entity::Uploads, 0, 0, vec![requested]))
        .await;
}

#[tokio::test]
async fn a_snapshot_of_a_later_epoch_ends_the_history_that_is_over() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let first = item("alice", &["x"]);
    let second = next(&first, |item| item.name = "second".to_owned());
    let lost = next(&second, |item| item.tags = vec!["lost".to_owned()]);
    let lost_too = delete(&lost);
    fixture
        .apply(&projector, items(0, &[&first, &second, &lost, &lost_too]))
        .await;
    // The database was set back to the second version.
    let told = batch(Entity::Items, 0, 4, vec![snapshot_in(7, &second)]);
    fixture.apply(&projector, told).await;
    let expected = [
        "0.1 depot.item.created.v1",
        "0.2 depot.item.updated.v1",
        "7.2 depot.item.snapshot.v1",
    ];
    assert_eq!(history(&fixture).await, expected);
    let row: (i32, i64, String, bool) =
        sqlx::query_as("SELECT epoch, version, name, deleted FROM read.items")
            .fetch_one(&fixture.pool)
            .await
            .unwrap();
    assert_eq!(row, (7, 2, "second".to_owned(), false));
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
    let cached = fixture.cached(EntityKind::Item, first.id).await.unwrap();
    assert_eq!(cached.version.to_string(), "7.2");
    // Redelivered, as by a relay that begins again.
    fixture.apply(&projector, items(5, &[&lost])).await;
    let row: i64 = sqlx::query_scalar("SELECT version FROM read.items")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(row, 2);
}

#[tokio::test]
async fn a_change_that_came_before_the_snapshot_ends_the_version_that_it_gives_out_again() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let first = item("alice", &["x"]);
    let lost = next(&first, |item| item.name = "lost".to_owned());
    let changed = next(&first, |item| item.name = "again".to_owned());
    let told = vec![
        item_event(&first),
        item_event(&lost),
        item_event_in(7, &changed),
        snapshot_in(7, &changed),
    ];
    fixture.apply(&projector, batch(Entity::Items, 0, 0, told)).await;
    let expected = ["0.1 depot.item.created.v1", "7.2 depot.item.updated.v1"];
    assert_eq!(history(&fixture).await, expected);
}

#[tokio::test]
async fn of_an_item_that_the_state_does_not_know_nothing_is_left_but_that_it_is_gone() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let first = item("alice", &["x"]);
    let second = next(&first, |item| item.name = "second".to_owned());
    let gone = ItemState {
        deleted: true,
        ..first.clone()
    };
    fixture.apply(&projector, items(0, &[&first, &second])).await;
    fixture
        .apply(
            &projector,
            batch(Entity::Items, 0, 2, vec![snapshot_in(7, &gone)]),
        )
        .await;
    assert_eq!(history(&fixture).await, ["7.1 depot.item.snapshot.v1"]);
    let deleted: bool = sqlx::query_scalar("SELECT deleted FROM read.items")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert!(deleted);
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
}

#[tokio::test]
async fn in_a_log_that_begins_again_no_place_comes_twice() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let first = item("alice", &["x"]);
    let second = next(&first, |_| ());
    fixture.apply(&projector, items(0, &[&first, &second])).await;
    projector::register(&fixture.pool, "root", false).await.unwrap();
    let other = OffsetsTable::new(fixture.pool.clone(), PROJECTION + 1);
    let told = items(2, &[&next(&second, |_| ())]);
    let (topic, partition) = (told.topic.clone(), told.partition);

    // The new log begins at 0, and the views had come to 2.
    let owner = fixture.database.owner_url().parse().unwrap();
    let log = recovery::NewLog {
        place: recovery::LogPlace {
            topic: topic.to_string(),
            partition,
        },
        first_offset: 0,
    };
    // By force, since the test is connected as the projector.
    recovery::begin_log_anew(&owner, &[log], true).await.unwrap();
    assert_eq!(
        handle(&projector, &told).await.unwrap(),
        BatchOutcome::Reload,
        "of the old log"
    );
    let third = next(&second, |item| item.name = "third".to_owned());
    let again = batch(
        Entity::Items,
        0,
        0,
        vec![snapshot_in(0, &second), item_event(&third)],
    );
    fixture.apply(&projector, again).await;
    let places: Vec<i64> = sqlx::query_scalar(r#"SELECT "offset" FROM read.item_history ORDER BY version"#)
        .fetch_all(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(places, [0, 1, 3], "counted on");
    let next_offset: i64 = sqlx::query_scalar("SELECT next_offset FROM read.offsets WHERE topic = $1")
        .bind(&*topic)
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(next_offset, 4);
    // Another version of the views begins at the beginning of the new log, and counts as the first does.
    assert_eq!(other.load(&topic, partition).await.unwrap(), 0);
    let counted: i64 = sqlx::query_scalar("SELECT next_offset FROM read.offsets WHERE projection = $1")
        .bind(PROJECTION + 1)
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(counted, 2);
}
