use depot_consumer::{BatchHandler as _, BatchOutcome, Failure, Record};
use depot_read_model::EntityKind;
use depot_schemas::{Entity, Event, ThumbnailState, topics::Topics};
use depot_test_stack::TestDatabase;
use sqlx::Row as _;

use crate::{
    events::{
        TOPIC_PREFIX, batch, delete, file, item, item_event, item_event_in, items, next, upload, upload_event,
    },
    fixture::{Fixture, handle},
};

#[tokio::test]
async fn an_event_becomes_rows_in_every_view() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let created = item("alice", &["b", "a"]);
    let attached = next(&created, |item| item.files.push(file(7)));
    fixture.apply(&projector, items(0, &[&created, &attached])).await;

    let row = sqlx::query("SELECT tags, version, files, search @@ 'words' AS found FROM read.items")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(row.get::<Vec<String>, _>("tags"), ["b", "a"]);
    assert_eq!(row.get::<i64, _>("version"), 2);
    assert!(row.get::<bool, _>("found"));
    assert_eq!(fixture.count("item_history").await, 2);
    let totals: (i64, i64, i64) =
        sqlx::query_as("SELECT items, files, file_bytes FROM read.owner_statistics")
            .fetch_one(&fixture.pool)
            .await
            .unwrap();
    assert_eq!(totals, (1, 1, 7));
    let history: (i64, String, Vec<String>) =
        sqlx::query_as(r#"SELECT "offset", event_type, changed FROM read.item_history WHERE version = 2"#)
            .fetch_one(&fixture.pool)
            .await
            .unwrap();
    assert_eq!(
        history,
        (1, "depot.item.updated.v1".to_owned(), vec!["name".to_owned()])
    );
}

#[tokio::test]
async fn a_repeated_event_changes_nothing() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let created = item("alice", &["x"]);
    let updated = next(&created, |item| item.tags = vec!["y".to_owned()]);
    let events: Vec<Event> = [&created, &updated].into_iter().map(item_event).collect();
    let requested = upload("alice");
    let upload_events = vec![upload_event(&requested)];
    fixture
        .apply(&projector, batch(Entity::Items, 0, 0, events.clone()))
        .await;
    fixture
        .apply(&projector, batch(Entity::Uploads, 0, 0, upload_events.clone()))
        .await;
    let before = fixture.views().await;
    assert_eq!(before.len(), 6, "{before:?}");

    fixture
        .apply(&projector, batch(Entity::Items, 0, 2, events.clone()))
        .await;
    fixture
        .apply(
            &projector,
            batch(Entity::Items, 0, 4, [events.clone(), events].concat()),
        )
        .await;
    fixture
        .apply(&projector, batch(Entity::Uploads, 0, 1, upload_events))
        .await;
    assert_eq!(fixture.views().await, before);
}

#[tokio::test]
async fn an_older_event_after_a_newer_is_refused_and_history_is_complete() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let first = item("alice", &["x"]);
    let second = next(&first, |item| item.name = "second".to_owned());
    let third = next(&second, |item| item.name = "third".to_owned());
    fixture.apply(&projector, items(0, &[&third])).await;
    fixture.apply(&projector, items(1, &[&first])).await;
    fixture.apply(&projector, items(2, &[&second])).await;

    let row: (i64, String) = sqlx::query_as("SELECT version, name FROM read.items")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(row, (3, "third".to_owned()));
    assert_eq!(fixture.count("item_history").await, 3);
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
    assert_eq!(fixture.cached_version(first.id).await, Some(3));
}

#[tokio::test]
async fn of_one_item_in_a_batch_the_newest_counts_wherever_it_stands() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let first = item("alice", &["x"]);
    let second = next(&first, |item| item.tags = vec!["y".to_owned()]);
    let third = next(&second, |item| item.tags = vec!["z".to_owned()]);
    fixture
        .apply(&projector, items(0, &[&first, &third, &second]))
        .await;
    let tags: Vec<String> = sqlx::query_scalar("SELECT tag FROM read.tag_statistics WHERE items > 0")
        .fetch_all(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(tags, ["z"]);
    assert_eq!(fixture.count("item_history").await, 3);
}

#[tokio::test]
async fn a_repeated_create_does_not_raise_the_dead() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let created = item("alice", &["x"]);
    let deleted = delete(&created);
    fixture.apply(&projector, items(0, &[&created])).await;
    fixture.apply(&projector, items(1, &[&deleted])).await;
    fixture.apply(&projector, items(2, &[&created])).await;

    let row: (bool, i64) = sqlx::query_as("SELECT deleted, version FROM read.items")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(row, (true, 2));
    let entry = fixture.cached(EntityKind::Item, created.id).await.unwrap();
    assert!(entry.is_deleted() && entry.version.version == 2, "{entry:?}");
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
    let left: i64 = sqlx::query_scalar("SELECT sum(items)::bigint FROM read.owner_statistics")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_later_epoch_replaces_a_history_that_no_longer_is() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let first = item("alice", &["x"]);
    let lost = next(&next(&first, |_| ()), |item| item.name = "lost".to_owned());
    let again = next(&first, |item| item.name = "again".to_owned());
    let events = vec![
        item_event(&lost),
        item_event_in(1, &again),
        item_event(&next(&lost, |_| ())),
    ];
    for (offset, event) in (0..).zip(events) {
        fixture
            .apply(&projector, batch(Entity::Items, 0, offset, vec![event]))
            .await;
    }
    let row: (i32, i64, String) = sqlx::query_as("SELECT epoch, version, name FROM read.items")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(row, (1, 2, "again".to_owned()));
    assert_eq!(
        fixture
            .cached(EntityKind::Item, first.id)
            .await
            .unwrap()
            .version
            .to_string(),
        "1.2"
    );
}

#[tokio::test]
async fn an_upload_follows_its_versions() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let pending = upload("alice");
    let mut stored = pending.clone();
    (stored.version, stored.status, stored.object_key) = (3, "stored".to_owned(), Some("key".to_owned()));
    fixture
        .apply(
            &projector,
            batch(
                Entity::Uploads,
                2,
                0,
                vec![upload_event(&stored), upload_event(&pending)],
            ),
        )
        .await;
    let row: (String, Option<String>) = sqlx::query_as("SELECT status, object_key FROM read.uploads")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(row, ("stored".to_owned(), Some("key".to_owned())));
    let entry = fixture.cached(EntityKind::Upload, pending.id).await.unwrap();
    let body = String::from_utf8(entry.body.unwrap().to_vec()).unwrap();
    assert!(
        body.contains(r#""status":"stored""#) && !body.contains("object_key"),
        "{body}"
    );
}

#[tokio::test]
async fn a_stored_upload_shows_its_thumbnail_and_a_removed_one_none() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let mut stored = upload("alice");
    (stored.status, stored.object_key) = ("stored".to_owned(), Some("key".to_owned()));
    stored.thumbnail = Some(ThumbnailState {
        object_key: "small".to_owned(),
        sha256: "c".repeat(64),
        size_bytes: 9,
        content_type: "image/jpeg".to_owned(),
        width: 320,
        height: 200,
    });
    let mut removed = stored.clone();
    (removed.status, removed.version) = ("removed".to_owned(), 2);
    let shown = async |id| {
        let entry = fixture.cached(EntityKind::Upload, id).await.unwrap();
        let mut view: serde_json::Value = serde_json::from_slice(&entry.body.unwrap()).unwrap();
        view.as_object_mut().unwrap().remove("thumbnail")
    };
    fixture
        .apply(
            &projector,
            batch(Entity::Uploads, 2, 0, vec![upload_event(&stored)]),
        )
        .await;
    let expected =
        serde_json::json!({"content_type": "image/jpeg", "width": 320, "height": 200, "size_bytes": 9});
    assert_eq!(shown(stored.id).await, Some(expected));
    let row: String = sqlx::query_scalar("SELECT thumbnail->>'object_key' FROM read.uploads")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(row, "small");
    fixture
        .apply(
            &projector,
            batch(Entity::Uploads, 2, 1, vec![upload_event(&removed)]),
        )
        .await;
    assert_eq!(shown(stored.id).await, None);
}

#[tokio::test]
async fn an_older_event_of_an_upload_is_refused() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let pending = upload("alice");
    let mut received = pending.clone();
    (received.version, received.status) = (2, "received".to_owned());
    fixture
        .apply(
            &projector,
            batch(Entity::Uploads, 0, 0, vec![upload_event(&received)]),
        )
        .await;
    fixture
        .apply(
            &projector,
            batch(Entity::Uploads, 0, 1, vec![upload_event(&pending)]),
        )
        .await;
    let status: String = sqlx::query_scalar("SELECT status FROM read.uploads")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(status, "received");
}

#[tokio::test]
async fn an_item_that_a_restore_brings_back_counts_again() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let created = item("alice", &["x"]);
    fixture
        .apply(&projector, items(0, &[&created, &delete(&created)]))
        .await;
    let alive = next(&created, |item| item.files.push(file(4)));
    fixture
        .apply(
            &projector,
            batch(Entity::Items, 0, 2, vec![item_event_in(1, &alive)]),
        )
        .await;
    assert_eq!(fixture.miscounted().await, Vec::<String>::new());
    let totals: (i64, i64) = sqlx::query_as("SELECT items, file_bytes FROM read.owner_statistics")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(totals, (1, 4));
}

#[tokio::test]
async fn the_cache_has_the_bytes_that_the_row_gives() {
    let fixture = Fixture::new().await;
    let parts = fixture.parts();
    let mut created = item("alice", &["x", "a b"]);
    created.attributes =
        serde_json::from_str(r#"{"z":[1.50,1e2,null],"a":{"y":true,"b":"\u00e9"},"n":-7}"#).unwrap();
    created.created_at += time::Duration::nanoseconds(999);
    created.files.push(file(3));
    fixture.apply(&parts.projector, items(0, &[&created])).await;
    let from_event = fixture.cached(EntityKind::Item, created.id).await.unwrap();

    // The same row once more, by the way that reads it from Postgres.
    sqlx::query("UPDATE read.cache_generation SET generation = generation + 1")
        .execute(&fixture.pool)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO read.pending_cache (projection, kind, id, epoch, version) VALUES (1, 'item', $1, 0, 1)",
    )
    .bind(created.id)
    .execute(&fixture.pool)
    .await
    .unwrap();
    assert_eq!(fixture.cached(EntityKind::Item, created.id).await, None);
    parts.upkeep.drain().await.unwrap();
    assert_eq!(
        fixture.cached(EntityKind::Item, created.id).await,
        Some(from_event)
    );
}

#[tokio::test]
async fn what_the_database_refuses_is_poison_and_leaves_nothing_behind() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let good = item("alice", &["x"]);
    let mut bad = item("alice", &["x"]);
    bad.name = "nul \0".to_owned();
    let batch = items(0, &[&good, &bad]);
    fixture.assign(&batch).await;
    let failure = handle(&projector, &batch).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Poison(poison) if poison.reason_class == "refused_by_database"),
        "{failure}"
    );
    assert_eq!(fixture.count("items").await, 0);
    assert_eq!(fixture.assign(&batch).await, 0);
}

#[tokio::test]
async fn a_database_that_is_away_is_transient() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let batch = items(0, &[&item("alice", &["x"])]);
    fixture.assign(&batch).await;
    let owner = fixture.database.owner_pool().await;
    sqlx::query("ALTER TABLE read.items RENAME TO items_away")
        .execute(&owner)
        .await
        .unwrap();
    assert!(matches!(
        handle(&projector, &batch).await,
        Err(Failure::Transient { .. })
    ));
    sqlx::query("ALTER TABLE read.items_away RENAME TO items")
        .execute(&owner)
        .await
        .unwrap();
    assert_eq!(handle(&projector, &batch).await.unwrap(), BatchOutcome::Stored);
}

#[tokio::test]
async fn an_event_that_no_command_can_have_caused_is_poison() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let mut no_owner = item("alice\n0 9 1 live mallory", &[]);
    let mut no_size = item("alice", &[]);
    no_size.files.push(file(-1));
    let mut too_large = item("alice", &[]);
    too_large.files.extend([file(i64::MAX), file(1)]);
    let mut no_version = item("alice", &[]);
    no_version.version = 0;
    no_owner.version = 1;
    for bad in [no_owner, no_size, too_large, no_version] {
        let poison = projector.decode(&record(&item_event(&bad))).unwrap_err();
        assert_eq!(poison.reason_class, "invalid_data");
    }
    assert!(
        projector
            .decode(&record(&item_event(&item("alice", &[]))))
            .is_ok()
    );
}

fn record(event: &Event) -> Record {
    let header = |(name, value): (&str, String)| (name.to_owned(), Some(value.into_bytes()));
    Record {
        topic: Topics::new(TOPIC_PREFIX)
            .events(event.envelope.event_type.entity())
            .into(),
        key: Some(event.envelope.subject.to_string().into_bytes()),
        payload: Some(event.payload().unwrap()),
        headers: event.envelope.headers().into_iter().map(header).collect(),
        ..Record::default()
    }
}

#[tokio::test]
async fn the_role_can_touch_no_other_schema() {
    let fixture = Fixture::new().await;
    let _: &TestDatabase = &fixture.database;
    for statement in [
        "SELECT 1 FROM command.items",
        "SELECT 1 FROM uploader.outbox",
        "CREATE TABLE read.mine ()",
    ] {
        let refused = sqlx::query(statement).execute(&fixture.pool).await.unwrap_err();
        assert_eq!(
            refused.as_database_error().unwrap().code().as_deref(),
            Some("42501"),
            "{statement}"
        );
    }
}
