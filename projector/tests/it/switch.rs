//! Which version of the views serves, and what the others keep to themselves.

use std::time::Duration;

use depot_consumer::BatchOutcome;
use depot_read_model::{ChangeNotice, EntityKind, changes_channel};
use depot_schemas::{Entity, projections::Switched};
use futures::StreamExt as _;
use projector::{ProjectionError, SwitchRequest, register, roll_back, switch};

use crate::{
    events::{batch, item, item_event, items, next, upload, upload_event},
    fixture::{Fixture, handle},
};

const NEW: i32 = 2;

async fn registered(fixture: &Fixture) {
    let registered = register(&fixture.pool, "root", false).await.unwrap();
    assert_eq!((registered.projection, registered.is_new), (NEW, true));
}

async fn switch_to(fixture: &Fixture, to: i32, stand_still: Duration) -> Result<Switched, ProjectionError> {
    let request = SwitchRequest {
        to,
        actor: "root",
        accept_differences: true,
        stand_still,
    };
    switch(&fixture.pool, request).await
}

async fn serving(fixture: &Fixture) -> i32 {
    sqlx::query_scalar("SELECT projection FROM read.active_projection")
        .fetch_one(&fixture.pool)
        .await
        .unwrap()
}

async fn states(fixture: &Fixture) -> Vec<(i32, String)> {
    sqlx::query_as("SELECT projection, state FROM read.projections ORDER BY projection")
        .fetch_all(&fixture.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_version_that_is_being_built_shows_the_same_and_tells_nobody() {
    let fixture = Fixture::new().await;
    registered(&fixture).await;
    let (old, new) = (fixture.parts().projector, fixture.parts_of(NEW).projector);
    let client = redis::Client::open(fixture.redis.url()).unwrap();
    let mut listener = client.get_async_pubsub().await.unwrap();
    listener
        .subscribe(changes_channel(&fixture.redis.key_prefix))
        .await
        .unwrap();
    let (one, requested) = (item("alice", &["x"]), upload("alice"));
    let uploads = || batch(Entity::Uploads, 0, 0, vec![upload_event(&requested)]);
    fixture.apply_of(NEW, &new, items(0, &[&one])).await;
    fixture.apply_of(NEW, &new, uploads()).await;
    assert_eq!(fixture.count("pending_cache").await, 0);
    assert_eq!(fixture.cached_of(NEW, EntityKind::Item, one.id).await, None);
    assert_eq!(
        fixture.cached_of(NEW, EntityKind::Upload, requested.id).await,
        None
    );
    fixture.apply(&old, items(0, &[&one])).await;
    fixture.apply(&old, uploads()).await;
    // The first that is heard of is what the one that serves has done.
    let mut messages = listener.on_message();
    let notice = ChangeNotice::from_json(messages.next().await.unwrap().get_payload_bytes()).unwrap();
    assert_eq!(notice.changes[0].id, one.id);
    let notice = ChangeNotice::from_json(messages.next().await.unwrap().get_payload_bytes()).unwrap();
    assert_eq!(notice.changes[0].id, requested.id);
    assert_eq!(fixture.cached_version(one.id).await, Some(1));
    let of = |projection: i32| format!("\"projection\": {projection}");
    let views = fixture.views().await;
    let of_old: Vec<_> = views.iter().filter(|row| row.contains(&of(1))).cloned().collect();
    let of_new = views.iter().filter(|row| row.contains(&of(NEW)));
    let of_new: Vec<_> = of_new.map(|row| row.replace(&of(NEW), &of(1))).collect();
    assert!(of_old.len() >= 5);
    assert_eq!(of_new, of_old);
}

#[tokio::test]
async fn nothing_is_switched_to_that_is_behind_in_one_partition() {
    let fixture = Fixture::new().await;
    registered(&fixture).await;
    let (old, new) = (fixture.parts().projector, fixture.parts_of(NEW).projector);
    let (one, two) = (item("alice", &[]), item("bob", &[]));
    let second = || batch(Entity::Items, 1, 0, vec![item_event(&two)]);
    fixture.apply(&old, items(0, &[&one])).await;
    fixture.apply(&old, second()).await;
    fixture.apply_of(NEW, &new, items(0, &[&one])).await;
    let behind = |refused: Result<Switched, ProjectionError>| match refused {
        Err(ProjectionError::Behind { places, .. }) => places
            .into_iter()
            .map(|place| (place.partition, place.serving, place.next_offset))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let refused = switch_to(&fixture, NEW, Duration::ZERO).await;
    assert_eq!(behind(refused), [(1, 1, None)], "it was not begun there");
    fixture.assign_of(NEW, &second()).await;
    let refused = switch_to(&fixture, NEW, Duration::ZERO).await;
    assert_eq!(behind(refused), [(1, 1, Some(0))]);
    assert_eq!(serving(&fixture).await, 1);
    assert_eq!(
        states(&fixture).await,
        [(1, "serving".to_owned()), (NEW, "building".to_owned())]
    );
    let generation = fixture.generation().await;

    fixture.apply_of(NEW, &new, second()).await;
    // Further is as good.
    fixture
        .apply_of(NEW, &new, items(1, &[&next(&one, |_| ())]))
        .await;
    let switched = switch_to(&fixture, NEW, Duration::ZERO).await.unwrap();
    assert_eq!((switched.from, switched.to), (1, NEW));
    assert_eq!(serving(&fixture).await, NEW);
    assert_eq!(
        states(&fixture).await,
        [(1, "standby".to_owned()), (NEW, "serving".to_owned())]
    );
    assert!(
        fixture.generation().await > generation,
        "the cache is left behind"
    );
}

#[tokio::test]
async fn what_is_behind_by_a_moment_is_waited_for_while_the_other_stands_still() {
    let fixture = Fixture::new().await;
    registered(&fixture).await;
    let (old, new) = (fixture.parts().projector, fixture.parts_of(NEW).projector);
    let one = item("alice", &[]);
    fixture.apply(&old, items(0, &[&one])).await;
    fixture.assign_of(NEW, &items(0, &[])).await;
    let (first, second) = (items(0, &[&one]), items(1, &[&next(&one, |_| ())]));
    // Whenever in it that is: it has the offsets of the old one until it is done.
    let switching = switch_to(&fixture, NEW, Duration::from_secs(60));
    let catching_up = async {
        depot_test_stack::wait_until("the old one stands still", || async {
            let free: Vec<i64> = sqlx::query_scalar(
                "SELECT next_offset FROM read.offsets WHERE projection = 1 FOR UPDATE SKIP LOCKED",
            )
            .fetch_all(&fixture.pool)
            .await
            .unwrap();
            free.is_empty()
        })
        .await;
        let of_the_old = handle(&old, &second);
        let of_the_new = handle(&new, &first);
        futures::join!(of_the_old, of_the_new)
    };
    let (switched, (of_the_old, of_the_new)) = futures::join!(switching, catching_up);
    assert_eq!(switched.unwrap().to, NEW);
    assert_eq!(of_the_new.unwrap(), BatchOutcome::Stored);
    // It was stored after the switch, and told nobody.
    assert_eq!(of_the_old.unwrap(), BatchOutcome::Stored);
    assert_eq!(fixture.count("pending_cache").await, 0);
    assert_eq!(fixture.cached(EntityKind::Item, one.id).await, None);
}

#[tokio::test]
async fn after_a_switch_the_new_one_keeps_the_cache_and_the_old_one_can_have_it_back() {
    let fixture = Fixture::new().await;
    registered(&fixture).await;
    let (old, new) = (fixture.parts(), fixture.parts_of(NEW));
    let first = item("alice", &[]);
    let second = next(&first, |_| ());
    let third = next(&second, |_| ());
    fixture.apply(&old.projector, items(0, &[&first])).await;
    fixture.apply_of(NEW, &new.projector, items(0, &[&first])).await;
    assert_eq!(fixture.cached_version(first.id).await, Some(1));
    switch_to(&fixture, NEW, Duration::ZERO).await.unwrap();
    assert_eq!(
        fixture.cached_version(first.id).await,
        None,
        "the old one's entries are left behind"
    );

    fixture.apply_of(NEW, &new.projector, items(1, &[&second])).await;
    fixture.apply(&old.projector, items(1, &[&second])).await;
    let cached = fixture.cached_of(NEW, EntityKind::Item, first.id).await.unwrap();
    assert_eq!(cached.version.version, 2);
    assert_eq!(fixture.cached(EntityKind::Item, first.id).await, None);

    // What was noted, and not told before the switch, is nobody's any more.
    let noted = batch(Entity::Items, 0, 2, vec![item_event(&third)]);
    let written = new.writer.write(std::slice::from_ref(&noted)).await.unwrap();
    assert_eq!((written.stored, written.changes.entries.len()), (vec![true], 1));
    assert_eq!(fixture.count("pending_cache").await, 1);
    fixture.apply(&old.projector, items(2, &[&third])).await;
    let back = roll_back(&fixture.pool, "root", Duration::ZERO).await.unwrap();
    assert_eq!((back.from, back.to), (NEW, 1));
    assert_eq!(fixture.count("pending_cache").await, 0);
    assert_eq!(
        fixture.cached_version(first.id).await,
        None,
        "not what it told when it served first"
    );
    let fourth = next(&third, |_| ());
    fixture.apply(&old.projector, items(3, &[&fourth])).await;
    assert_eq!(fixture.cached_version(first.id).await, Some(4));
}

#[tokio::test]
async fn who_serves_or_does_not_exist_or_was_not_compared_is_not_switched_to() {
    let fixture = Fixture::new().await;
    let refusal = |refused: Result<Switched, ProjectionError>| refused.unwrap_err().to_string();
    let asked = |to| SwitchRequest {
        to,
        actor: "root",
        accept_differences: false,
        stand_still: Duration::ZERO,
    };
    let none = roll_back(&fixture.pool, "root", Duration::ZERO).await;
    assert!(refusal(none).contains("no version of the views stands by"));
    let unknown = switch(&fixture.pool, asked(NEW)).await;
    assert!(matches!(unknown, Err(ProjectionError::Unknown(NEW))));
    registered(&fixture).await;
    assert!(refusal(switch(&fixture.pool, asked(1)).await).contains("serves already"));
    assert!(refusal(switch(&fixture.pool, asked(NEW)).await).contains("not compared"));
    let again = register(&fixture.pool, "root", false).await.unwrap();
    assert_eq!(
        (again.projection, again.is_new),
        (NEW, false),
        "one is built at a time"
    );
    let noted: Vec<(String, String, i32)> =
        sqlx::query_as("SELECT actor, action, projection FROM read.projection_changes ORDER BY id")
            .fetch_all(&fixture.pool)
            .await
            .unwrap();
    let rebuild = || ("root".to_owned(), "rebuild".to_owned(), NEW);
    assert_eq!(noted, [rebuild(), rebuild()]);
    for forbidden in [
        "UPDATE read.projection_changes SET actor = 'nobody'",
        "DELETE FROM read.projection_changes",
        "DELETE FROM read.projections",
    ] {
        let refused = sqlx::query(forbidden).execute(&fixture.pool).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}");
    }
}
