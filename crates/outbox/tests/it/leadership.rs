use std::time::Duration;

use depot_outbox::{Doorbell, Relay, RelayState, StepOutcome};
use depot_test_stack::{eventually, wait_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{World, aggregate_in, drain, first_occurrences, step_until, versions_of};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_leader_stopped_with_messages_queued_loses_its_shards_and_its_writes_are_fenced_off() {
    let world = World::new().await;
    let id = aggregate_in(5);
    let mut slow = world.options();
    // The first relay asks for nothing of its own accord after its first step, and its client sits on what it has.
    (slow.lease, slow.heartbeat, slow.claim_interval, slow.linger) =
        (HOUR, HOUR, HOUR, Duration::from_secs(15));
    let (mut stopped, stopped_handle) = world.relay(slow);
    let _ = stopped.step().await.unwrap();
    world.commit(id, [1]).await;
    world.commit(id, [2, 3]).await;
    assert_eq!(stopped.step().await.unwrap(), StepOutcome::InFlight { rows: 3 });

    // By the database's clock its lease runs out.
    world.end_leases().await;
    let (mut successor, handle) = world.relay(world.options());
    step_until("the shards are taken", &mut successor, || {
        handle.status().shards_held == 64
    })
    .await;
    drain(&mut successor).await;
    world.commit(id, [4]).await;
    drain(&mut successor).await;
    assert_eq!(first_occurrences(&world.published().await, id), [1, 2, 3, 4]);
    let written = world.shard_row(5).await;

    // The stopped one's client sends what it had queued; then its relay wakes up.
    eventually("the queued messages", async || {
        (world.published().await.len() == 7).then_some(())
    })
    .await;
    // It takes its reports, tries to write how far it is, and so learns that this shard is not its own.
    step_until("it finds the shard gone", &mut stopped, || {
        stopped_handle.status().shards_held == 63
    })
    .await;
    assert_eq!(world.shard_row(5).await, written);
    assert_eq!(first_occurrences(&world.published().await, id), [1, 2, 3, 4]);
    drain(&mut successor).await;
    assert_eq!(world.published().await.len(), 7);
}

#[tokio::test]
async fn a_relay_whose_lease_ran_out_queues_nothing() {
    let world = World::new().await;
    let mut options = world.options();
    options.lease = Duration::from_millis(300);
    (options.heartbeat, options.claim_interval) = (HOUR, HOUR);
    let (mut relay, handle) = world.relay(options);
    let _ = relay.step().await.unwrap();
    assert_eq!(handle.status().shards_held, 64);
    // By the database's clock the lease is over as well, which another relay would see.
    wait_until("the lease runs out", async || {
        sqlx::query_scalar("SELECT bool_and(expires_at < clock_timestamp()) FROM outbox_shards")
            .fetch_one(&world.pool)
            .await
            .unwrap()
    })
    .await;
    let id = Uuid::now_v7();
    world.commit(id, [1]).await;
    assert_eq!(relay.step().await.unwrap(), StepOutcome::NotLeader);
    assert!(world.published().await.is_empty());
}

#[tokio::test]
async fn two_relays_share_the_shards_and_the_one_that_leaves_hands_over() {
    let world = World::new().await;
    let start = || {
        let doorbell = Doorbell::default();
        let (relay, handle) = Relay::new(world.options(), &world.pool, doorbell);
        let cancel = CancellationToken::new();
        (tokio::spawn(relay.run(cancel.clone())), handle, cancel)
    };
    let (first, first_handle, first_cancel) = start();
    wait_until("the first has all", async || {
        first_handle.status().shards_held == 64
    })
    .await;
    let (second, second_handle, second_cancel) = start();
    let ids: Vec<Uuid> = (0..40).map(|_| Uuid::now_v7()).collect();
    for version in 1..=5 {
        for id in &ids {
            world.commit(*id, [version]).await;
        }
    }
    wait_until("they share", async || {
        (
            first_handle.status().shards_held,
            second_handle.status().shards_held,
        ) == (32, 32)
    })
    .await;
    for id in &ids {
        world.commit(*id, [6]).await;
    }
    first_cancel.cancel();
    first.await.unwrap();
    wait_until("the second has all", async || {
        second_handle.status().shards_held == 64
    })
    .await;
    for id in &ids {
        world.commit(*id, [7]).await;
    }
    wait_until("all is published", async || {
        first_handle.status().rows_published + second_handle.status().rows_published >= 40 * 7
    })
    .await;
    second_cancel.cancel();
    second.await.unwrap();
    let published = world.published().await;
    for id in ids {
        assert_eq!(first_occurrences(&published, id), (1..=7).collect::<Vec<_>>());
    }
    assert_eq!(published.len(), 40 * 7, "handing over repeats nothing");
}

#[tokio::test]
async fn a_crash_between_report_and_position_repeats_the_same_bytes() {
    let world = World::new().await;
    let id = Uuid::now_v7();
    let mut options = world.options();
    options.save_interval = HOUR;
    let (mut crashed, handle) = world.relay(options);
    world.commit(id, [1, 2, 3]).await;
    drain(&mut crashed).await;
    assert_eq!(handle.status().rows_published, 3);
    world.kill(crashed).await;
    let (mut successor, _) = world.relay(world.options());
    world.commit(id, [4]).await;
    drain(&mut successor).await;
    let published = world.published().await;
    assert_eq!(versions_of(&published, id), [1, 2, 3, 1, 2, 3, 4]);
    // Compares key, headers, value, timestamp and partition.
    assert_eq!(first_occurrences(&published, id), [1, 2, 3, 4]);
}

#[tokio::test]
async fn an_outbox_from_another_cluster_is_refused_until_it_is_rebased() {
    let world = World::new().await;
    let id = Uuid::now_v7();
    world.commit(id, [1]).await;
    sqlx::query("UPDATE outbox_origin SET system_identifier = 1")
        .execute(&world.owner)
        .await
        .unwrap();
    let (mut relay, handle) = world.relay(world.options());
    let refused = relay.step().await.unwrap_err();
    assert!(
        matches!(refused, depot_outbox::RelayError::OtherCluster { stored: 1, .. }),
        "{refused}"
    );
    assert!(matches!(handle.status().state, RelayState::Refusing(_)));
    assert!(handle.readiness().is_err());
    sqlx::query("SELECT outbox_rebase()")
        .execute(&world.owner)
        .await
        .unwrap();
    drain(&mut relay).await;
    assert_eq!(handle.readiness(), Ok(()));
    assert_eq!(versions_of(&world.published().await, id), [1]);
}
