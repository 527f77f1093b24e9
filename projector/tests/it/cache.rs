//! The cache: told after the commit, caught up when that was not possible, never older than what was promised.

use depot_consumer::BatchOutcome;
use depot_domain::VersionToken;
use depot_read_model::{ChangeNotice, EntityKind, changes_channel};
use depot_schemas::Entity;
use futures::StreamExt as _;
use projector::{StoredChanges, Upkeep};

use crate::{
    events::{batch, item, item_event, items, next},
    fixture::{Fixture, Parts, handle},
    own_redis::OwnRedis,
};

/// A transaction of a projector that dies before it has told Redis.
async fn commit_only(
    fixture: &Fixture,
    parts: &Parts,
    batch: depot_consumer::Batch<depot_schemas::Event>,
) -> StoredChanges {
    fixture.assign(&batch).await;
    let written = parts.writer.write(&[batch]).await.unwrap();
    assert_eq!(written.stored, [true]);
    written.changes
}

#[tokio::test]
async fn a_change_is_announced_once_a_batch_after_the_cache_has_it() {
    let fixture = Fixture::new().await;
    let projector = fixture.parts().projector;
    let client = redis::Client::open(fixture.redis.url()).unwrap();
    let mut listener = client.get_async_pubsub().await.unwrap();
    listener
        .subscribe(changes_channel(&fixture.redis.key_prefix))
        .await
        .unwrap();
    let (one, two) = (item("alice", &[]), item("bob", &[]));
    let one_again = next(&one, |_| ());
    fixture
        .apply(&projector, items(0, &[&one, &two, &one_again]))
        .await;
    // A repeat changes nothing, so nothing is said about it.
    fixture.apply(&projector, items(3, &[&one])).await;
    let three = item("carol", &[]);
    fixture.apply(&projector, items(4, &[&three])).await;

    let mut messages = listener.on_message();
    let notice = ChangeNotice::from_json(messages.next().await.unwrap().get_payload_bytes()).unwrap();
    assert_eq!(
        (notice.topic.as_str(), notice.partition, notice.next_offset),
        ("depot.items.v1", 0, 3)
    );
    let said: Vec<_> = notice
        .changes
        .iter()
        .map(|change| (change.id, change.version, change.offset))
        .collect();
    assert_eq!(
        said,
        [
            (two.id, VersionToken::new(0, 1), 1),
            (one.id, VersionToken::new(0, 2), 2)
        ]
    );
    assert_eq!(fixture.cached_version(one.id).await, Some(2));
    let notice = ChangeNotice::from_json(messages.next().await.unwrap().get_payload_bytes()).unwrap();
    assert_eq!(
        notice.changes.iter().map(|change| change.id).collect::<Vec<_>>(),
        [three.id]
    );
    assert_eq!(fixture.count("pending_cache").await, 0);
}

#[tokio::test]
async fn what_a_dead_projector_left_pending_is_drained_at_start() {
    let fixture = Fixture::new().await;
    let parts = fixture.parts();
    let first = item("alice", &["x"]);
    fixture.apply(&parts.projector, items(0, &[&first])).await;
    commit_only(&fixture, &parts, items(1, &[&next(&first, |_| ())])).await;
    assert_eq!(
        fixture.cached_version(first.id).await,
        Some(1),
        "the crash left the old entry"
    );
    assert_eq!(fixture.count("pending_cache").await, 1);

    let successor = fixture.parts();
    successor.upkeep.drain().await.unwrap();
    assert_eq!(fixture.cached_version(first.id).await, Some(2));
    assert_eq!(fixture.count("pending_cache").await, 0);
}

#[tokio::test]
async fn a_late_confirmation_does_not_remove_what_a_newer_change_noted() {
    let fixture = Fixture::new().await;
    let parts = fixture.parts();
    let first = item("alice", &["x"]);
    let early = commit_only(&fixture, &parts, items(0, &[&first])).await;
    let late = commit_only(&fixture, &parts, items(1, &[&next(&first, |_| ())])).await;
    parts.store.tell_redis(&early).await;
    assert_eq!(fixture.count("pending_cache").await, 1);
    parts.store.tell_redis(&late).await;
    assert_eq!(fixture.count("pending_cache").await, 0);
    // Told again by one that was stopped in between: refused by its version.
    parts.store.tell_redis(&early).await;
    assert_eq!(fixture.cached_version(first.id).await, Some(2));
}

#[tokio::test]
async fn an_entry_written_for_a_generation_that_was_raised_is_written_again() {
    let fixture = Fixture::new().await;
    let parts = fixture.parts();
    let first = item("alice", &["x"]);
    let told = commit_only(&fixture, &parts, items(0, &[&first])).await;
    sqlx::query("UPDATE read.cache_generation SET generation = generation + 1")
        .execute(&fixture.pool)
        .await
        .unwrap();
    parts.store.tell_redis(&told).await;
    assert_eq!(
        fixture.count("pending_cache").await,
        1,
        "nobody reads the entry: the row is still pending"
    );
    parts.upkeep.drain().await.unwrap();
    assert_eq!(fixture.cached_version(first.id).await, Some(1));
}

#[tokio::test]
async fn without_redis_the_view_goes_on_and_what_redis_held_is_never_read_again() {
    let mut redis = OwnRedis::start().await;
    let fixture = Fixture::on(redis.config()).await;
    let parts = fixture.parts();
    parts.upkeep.drain().await.unwrap();
    let first = item("alice", &["x"]);
    fixture.apply(&parts.projector, items(0, &[&first])).await;
    assert_eq!(fixture.cached_version(first.id).await, Some(1));
    let before = fixture.generation().await;
    redis.snapshot().await;
    redis.kill();

    let second = next(&first, |item| item.name = "second".to_owned());
    fixture.apply(&parts.projector, items(1, &[&second])).await;
    let version: i64 = sqlx::query_scalar("SELECT version FROM read.items")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(version, 2);
    assert_eq!(parts.upkeep.step().await.unwrap(), Upkeep::Abandoned(1));
    assert!(fixture.generation().await > before);
    assert_eq!(fixture.count("pending_cache").await, 0);

    redis.start_again().await;
    assert_eq!(
        fixture.cached_version(first.id).await,
        None,
        "a stale entry can be read"
    );
    parts.recover().await;
    assert_eq!(
        fixture.cached_version(first.id).await,
        None,
        "a stale entry can be read"
    );
    let third = next(&second, |_| ());
    fixture.apply(&parts.projector, items(2, &[&third])).await;
    assert_eq!(fixture.cached_version(first.id).await, Some(3));
}

#[tokio::test]
async fn a_frozen_redis_delays_a_batch_by_its_time_limit_at_most_and_what_lands_late_is_not_read() {
    let redis = OwnRedis::start().await;
    let fixture = Fixture::on(redis.config()).await;
    let parts = fixture.parts();
    parts.upkeep.drain().await.unwrap();
    let first = item("alice", &["x"]);
    fixture.apply(&parts.projector, items(0, &[&first])).await;
    redis.freeze();
    let second = next(&first, |_| ());
    fixture.apply(&parts.projector, items(1, &[&second])).await;
    // Redis is known to be away: the next batch does not wait for it at all.
    fixture
        .apply(&parts.projector, items(2, &[&next(&second, |_| ())]))
        .await;
    assert!(matches!(parts.upkeep.step().await.unwrap(), Upkeep::Abandoned(_)));
    redis.thaw().await;
    // The write that was given up has landed by now, in a generation that nobody reads.
    assert_eq!(fixture.cached_version(first.id).await, None);
    parts.recover().await;
    fixture.apply(&parts.projector, items(3, &[&first])).await;
    assert_eq!(
        fixture.cached_version(first.id).await,
        None,
        "a repeat changes nothing, not even the cache"
    );
}

#[tokio::test]
async fn a_redis_that_restarts_from_an_older_snapshot_serves_nothing_of_it() {
    let mut redis = OwnRedis::start().await;
    let fixture = Fixture::on(redis.config()).await;
    let parts = fixture.parts();
    parts.upkeep.drain().await.unwrap();
    let first = item("alice", &["x"]);
    fixture.apply(&parts.projector, items(0, &[&first])).await;
    redis.snapshot().await;
    fixture
        .apply(&parts.projector, items(1, &[&next(&first, |_| ())]))
        .await;
    assert_eq!(
        fixture.count("pending_cache").await,
        0,
        "Redis took the second version"
    );
    redis.kill();
    redis.start_again().await;
    assert_eq!(
        fixture.cached_version(first.id).await,
        Some(1),
        "the snapshot holds the first version"
    );

    // No batch was under way; the upkeep alone notices.
    parts.recover().await;
    assert_eq!(fixture.cached_version(first.id).await, None);
    let raised = fixture.generation().await;
    parts.upkeep.step().await.unwrap();
    fixture.parts().upkeep.drain().await.unwrap();
    assert_eq!(
        fixture.generation().await,
        raised,
        "the same server raises it once"
    );
}

#[tokio::test]
async fn a_key_of_another_type_costs_the_entry_and_no_batch() {
    let fixture = Fixture::new().await;
    let parts = fixture.parts();
    parts.upkeep.drain().await.unwrap();
    let first = item("alice", &["x"]);
    let generation = fixture.generation().await;
    let key = format!("{}item:1:{generation}:{}", fixture.redis.key_prefix, first.id);
    let client = redis::Client::open(fixture.redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("RPUSH")
        .arg(&key)
        .arg("x")
        .exec_async(&mut connection)
        .await
        .unwrap();
    let batch = batch(Entity::Items, 0, 0, vec![item_event(&first)]);
    fixture.assign(&batch).await;
    assert_eq!(
        handle(&parts.projector, &batch).await.unwrap(),
        BatchOutcome::Stored
    );
    parts.upkeep.drain().await.unwrap();
    assert_eq!(fixture.cached(EntityKind::Item, first.id).await, None);
    assert!(fixture.generation().await > generation);
}
