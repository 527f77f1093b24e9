//! What the bell brings about where nothing is polled: the relay reads all shards when it is given them, and then for hours
//! only what it is rung for.

use std::time::Duration;

use depot_outbox::{Doorbell, Relay, RelayHandle, RelayOptions, RelayState, ShardSet};
use depot_test_stack::wait_until;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{World, aggregate_in};

struct Running {
    doorbell: Doorbell,
    handle: RelayHandle,
    cancel: CancellationToken,
    relay: JoinHandle<()>,
}

impl Running {
    async fn start(world: &World, change: impl FnOnce(&mut RelayOptions)) -> Self {
        let mut options = world.options();
        options.poll_busy = Duration::from_secs(3_600);
        options.poll_idle = Duration::from_secs(3_600);
        change(&mut options);
        let doorbell = Doorbell::default();
        let (relay, handle) = Relay::new(options, &world.pool, doorbell.clone());
        let cancel = CancellationToken::new();
        let relay = tokio::spawn(relay.run(cancel.clone()));
        wait_until("the relay runs", async || handle.status().shards_held == 64).await;
        Self {
            doorbell,
            handle,
            cancel,
            relay,
        }
    }

    fn ring(&self, aggregate: Uuid) {
        self.doorbell.ring(ShardSet::of([aggregate]));
    }

    async fn until_published(&self, rows: u64) {
        wait_until("the events are published", async || {
            self.handle.status().rows_published >= rows
        })
        .await;
        assert_eq!(self.handle.status().rows_published, rows);
    }

    async fn stop(self) {
        assert_eq!(self.handle.readiness(), Ok(()));
        self.cancel.cancel();
        self.relay.await.unwrap();
        assert_eq!(self.handle.status().state, RelayState::Ended);
    }
}

#[tokio::test]
async fn what_was_there_before_the_relay_came_wants_no_ring() {
    let world = World::new().await;
    world.commit(aggregate_in(3), [1, 2]).await;
    let running = Running::start(&world, |_| {}).await;
    running.until_published(2).await;
    running.stop().await;
}

#[tokio::test]
async fn a_ring_publishes_what_it_is_for_without_waiting_for_the_poll_and_reads_nothing_else() {
    let world = World::new().await;
    let running = Running::start(&world, |_| {}).await;
    let (rung, other) = (aggregate_in(3), aggregate_in(40));
    world.commit(other, [1]).await;
    world.commit(rung, [1]).await;
    running.ring(rung);
    running.until_published(1).await;
    world.commit(rung, [2]).await;
    running.ring(rung);
    running.until_published(2).await;
    running.ring(other);
    running.until_published(3).await;
    running.stop().await;
}

#[tokio::test]
async fn rings_that_come_while_nothing_more_is_taken_are_heeded_afterwards() {
    let world = World::new().await;
    let running = Running::start(&world, |options| options.max_rows_in_flight = 1).await;
    for shard in 0..20 {
        let aggregate = aggregate_in(shard);
        world.commit(aggregate, [1, 2]).await;
        running.ring(aggregate);
    }
    running.until_published(40).await;
    running.stop().await;
}

#[tokio::test]
async fn a_ring_that_comes_during_a_backlog_is_heeded_at_its_end() {
    let world = World::new().await;
    let running = Running::start(&world, |options| {
        (options.page_rows, options.backlog_page_rows) = (5, 5);
    })
    .await;
    let (large, late) = (aggregate_in(7), aggregate_in(7));
    world.commit(large, 1..=200).await;
    running.ring(large);
    wait_until("the backlog is begun", async || {
        running.handle.status().rows_published > 0
    })
    .await;
    world.commit(late, [1]).await;
    running.ring(late);
    running.until_published(201).await;
    running.stop().await;
}
