//! The view of declared aggregates.

use std::time::Duration;

use depot_domain::VersionToken;
use depot_schemas::{DeclaredData, DeclaredState, Entity, Event, EventData, EventType};
use depot_test_stack::NOTE;
use projector::{compare, drop_rows, register};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    events::{batch, envelope, now},
    fixture::{Fixture, PROJECTION},
};

const NEW: i32 = 2;

fn event(id: Uuid, epoch: i32, version: i64, text: &str) -> Event {
    let event_type = EventType::Declared(&NOTE, NOTE.created);
    let aggregate = DeclaredState {
        id,
        owner: "alice".to_owned(),
        state: json!({"text": text, "closed": false}),
        version,
        created_at: now(),
        updated_at: now(),
    };
    Event {
        envelope: envelope(event_type, id, VersionToken::new(epoch, version)),
        data: EventData::Declared(DeclaredData {
            aggregate,
            changed: vec![],
            actor: "alice".to_owned(),
        }),
    }
}

async fn rows(fixture: &Fixture, projection: i32) -> Vec<(String, i32, i64, Value)> {
    sqlx::query_as(
        "SELECT kind, epoch, version, state FROM read.declared_aggregates WHERE projection = $1 ORDER BY id",
    )
    .bind(projection)
    .fetch_all(&fixture.pool)
    .await
    .unwrap()
}

fn row(epoch: i32, version: i64, text: &str) -> (String, i32, i64, Value) {
    (
        "note".to_owned(),
        epoch,
        version,
        json!({"text": text, "closed": false}),
    )
}

#[tokio::test]
async fn the_newest_of_each_counts_and_an_older_one_never_comes_over_it() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let first = vec![
        event(one, 0, 1, "a"),
        event(one, 0, 3, "c"),
        event(two, 0, 1, "x"),
        event(one, 0, 2, "b"),
    ];
    fixture
        .apply(&projector, batch(Entity::Declared(&NOTE), 0, 0, first.clone()))
        .await;
    let expected = [row(0, 3, "c"), row(0, 1, "x")];
    assert_eq!(rows(&fixture, PROJECTION).await, expected);
    fixture
        .apply(&projector, batch(Entity::Declared(&NOTE), 0, 4, first))
        .await;
    let older = vec![event(one, 0, 2, "b")];
    fixture
        .apply(&projector, batch(Entity::Declared(&NOTE), 0, 8, older))
        .await;
    assert_eq!(rows(&fixture, PROJECTION).await, expected);
    let restored = vec![event(one, 1, 1, "r")];
    fixture
        .apply(&projector, batch(Entity::Declared(&NOTE), 0, 9, restored))
        .await;
    assert_eq!(rows(&fixture, PROJECTION).await[0], row(1, 1, "r"));
}

#[tokio::test]
async fn the_view_is_compared_and_dropped_with_its_version() {
    let fixture = Fixture::new().await;
    register(&fixture.pool, "root", false).await.unwrap();
    let (old, new) = (fixture.parts().projector, fixture.parts_of(NEW).projector);
    let id = Uuid::from_u128(7);
    for (projection, projector) in [(PROJECTION, &old), (NEW, &new)] {
        let written = batch(Entity::Declared(&NOTE), 0, 0, vec![event(id, 0, 1, "a")]);
        fixture.apply_of(projection, projector, written).await;
    }
    sqlx::query("UPDATE read.declared_aggregates SET owner = 'bob' WHERE projection = $1")
        .bind(NEW)
        .execute(&fixture.pool)
        .await
        .unwrap();
    let comparison = compare(&fixture.pool, NEW, "root").await.unwrap();
    let view = comparison
        .views
        .iter()
        .find(|view| view.view == "declared_aggregates")
        .unwrap();
    assert_eq!(view.differing, [format!("note {id}")]);
    while !drop_rows(&fixture.pool, NEW, "root", Duration::ZERO)
        .await
        .unwrap()
        .is_done
    {}
    assert_eq!(
        (
            rows(&fixture, NEW).await.len(),
            rows(&fixture, PROJECTION).await.len()
        ),
        (0, 1)
    );
}
