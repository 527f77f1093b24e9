//! Depot's outbox and relay, as an exhibit uses them.

use std::time::Duration;

use depot_outbox::{Doorbell, NewEvent, Relay, RelayOptions, StepOutcome, append, shard_of};
use depot_test_stack::ServiceRole;
use sqlx::PgConnection;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    ground::Ground,
    log::{Log, brokers},
};

const DEADLINE: Duration = Duration::from_secs(120);
/// For what is to be done once, or never.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// Positions are written at once, and partitions looked after at the first step only.
pub fn options() -> RelayOptions {
    RelayOptions {
        brokers: brokers().to_owned(),
        instance: "exhibit".to_owned(),
        save_interval: Duration::ZERO,
        upkeep_interval: HOUR,
        ..RelayOptions::default()
    }
}

/// A relay with the rights of the service.
pub async fn relay(ground: &Ground, options: RelayOptions) -> Relay {
    let pool = ground.database.pool(ServiceRole::Command).await;
    Relay::new(options, &pool, Doorbell::default()).0
}

/// Two items whose events are in one shard.
pub fn two_items_of_a_shard() -> (Uuid, Uuid) {
    let first = Uuid::now_v7();
    let second = std::iter::repeat_with(Uuid::now_v7).find(|id| shard_of(*id) == shard_of(first));
    (first, second.unwrap())
}

/// Appends an event, whose text is its message's value, in a transaction that is the caller's.
pub async fn append_text(connection: &mut PgConnection, log: &Log, item: Uuid, version: i64, text: &str) {
    let event = NewEvent {
        topic: log.topic().to_owned(),
        aggregate_id: item,
        aggregate_version: version,
        event_id: Uuid::now_v7(),
        event_type: "depot.item.updated.v1".to_owned(),
        occurred_at: OffsetDateTime::now_utc(),
        headers: Vec::new(),
        payload: text.as_bytes().to_vec(),
    };
    append(connection, vec![event]).await.unwrap();
}

/// The same in a transaction of its own.
pub async fn commit_text(ground: &Ground, log: &Log, item: Uuid, version: i64, text: &str) {
    let mut transaction = ground.pool.begin().await.unwrap();
    append_text(&mut transaction, log, item, version, text).await;
    transaction.commit().await.unwrap();
}

/// Steps until a step finds nothing more, and nothing is in flight.
pub async fn drain(relay: &mut Relay) {
    let deadline = Instant::now() + DEADLINE;
    while relay.step().await.unwrap() != StepOutcome::Idle {
        relay.woken(Duration::from_millis(20)).await;
        assert!(Instant::now() < deadline, "the relay does not come to rest");
    }
}
