//! Events that a version of the views cannot apply.

use std::time::Duration;

use depot_consumer::{Failure, GivenUp, Poison, Record};
use depot_schemas::{Entity, topics::Topics};
use projector::{SwitchRequest, register, switch};

use crate::{
    events::{TOPIC_PREFIX, items},
    fixture::{Fixture, PROJECTION},
};

const NEW: i32 = 2;

fn record(offset: i64) -> Record {
    Record {
        topic: Topics::new(TOPIC_PREFIX).events(Entity::Items).into(),
        offset,
        ..Record::default()
    }
}

fn poison() -> Poison {
    // What is wrong with an event may be what Postgres does not take.
    Poison::new("not_json", "a NUL: \0")
}

/// Goes past an offset, without anything in the range.
async fn pass(fixture: &Fixture, projection: i32, from: i64, to: i64) {
    let mut empty = items(from, &[]);
    empty.next_offset = to;
    let projector = fixture.parts_of(projection).projector;
    fixture.apply_of(projection, &projector, empty).await;
}

fn stands(outcome: Result<GivenUp, Failure>) -> bool {
    matches!(outcome, Err(Failure::Transient { .. }))
}

async fn stands_before(fixture: &Fixture, projection: i32) -> Vec<i64> {
    sqlx::query_scalar(
        "SELECT \"offset\" FROM read.given_up WHERE projection = $1 AND NOT passed ORDER BY \"offset\"",
    )
    .bind(projection)
    .fetch_all(&fixture.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_version_that_does_not_serve_passes_what_the_other_has_given_up_and_nothing_else() {
    let fixture = Fixture::new().await;
    register(&fixture.pool, "root", false).await.unwrap();
    let (old, new) = (fixture.parts().store, fixture.parts_of(NEW).store);
    for projection in [PROJECTION, NEW] {
        fixture.assign_of(projection, &items(0, &[])).await;
    }
    assert!(stands(new.give_up(&record(0), &poison()).await));
    assert_eq!(stands_before(&fixture, NEW).await, [0]);
    let given_up = old.give_up(&record(0), &poison()).await.unwrap();
    assert_eq!(given_up, GivenUp::DeadLetter, "the one that serves tells of it");
    // Its dead letter may not be written yet.
    assert!(stands(new.give_up(&record(0), &poison()).await));
    pass(&fixture, PROJECTION, 0, 1).await;
    let given_up = new.give_up(&record(0), &poison()).await.unwrap();
    assert_eq!(given_up, GivenUp::Passed);
    assert_eq!(stands_before(&fixture, NEW).await, Vec::<i64>::new());
    pass(&fixture, NEW, 0, 1).await;
    // The one that serves has applied the next one.
    pass(&fixture, PROJECTION, 1, 2).await;
    assert!(stands(new.give_up(&record(1), &poison()).await));
    assert_eq!(stands_before(&fixture, NEW).await, [1]);
}

#[tokio::test]
async fn an_operator_may_have_all_of_it_passed_and_who_serves_then_writes_the_letters() {
    let fixture = Fixture::new().await;
    register(&fixture.pool, "root", false).await.unwrap();
    let (old, new) = (fixture.parts().store, fixture.parts_of(NEW).store);
    for projection in [PROJECTION, NEW] {
        pass(&fixture, projection, 0, 5).await;
    }
    assert!(stands(new.give_up(&record(5), &poison()).await));
    let registered = register(&fixture.pool, "root", true).await.unwrap();
    assert_eq!(
        (registered.projection, registered.is_new, registered.skips_poison),
        (NEW, false, true)
    );
    let given_up = new.give_up(&record(5), &poison()).await.unwrap();
    assert_eq!(given_up, GivenUp::Passed);

    let request = SwitchRequest {
        to: NEW,
        actor: "root",
        accept_differences: true,
        stand_still: Duration::ZERO,
    };
    switch(&fixture.pool, request).await.unwrap();
    let given_up = new.give_up(&record(6), &poison()).await.unwrap();
    assert_eq!(given_up, GivenUp::DeadLetter);
    assert!(
        stands(old.give_up(&record(6), &poison()).await),
        "one that stands by is as strict"
    );
}
