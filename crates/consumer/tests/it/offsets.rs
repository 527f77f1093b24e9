//! Where a keyed consumer begins, and what it commits when.

use std::sync::Arc;
use std::time::Duration;

use depot_consumer::{ConsumerStatus, Failure, PartitionState, StartWithoutOffset};
use tokio::sync::Semaphore;

use crate::{
    log::Log,
    running::{Running, until},
    texts::{Handled, Texts},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_committed_offset_a_group_begins_where_its_settings_say() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 5, 1).await;
    let mut settings = log.settings();
    settings.start = StartWithoutOffset::Latest;
    let handled = Handled::default();
    let running = Running::keyed(settings.clone(), Texts::noting(&handled));
    until("it runs", async || {
        running
            .partition(0)
            .is_some_and(|p| p.state == PartitionState::Running)
    })
    .await;
    log.put_numbered(0, 5, 1, 1).await;
    until("the new one is handled", async || handled.count() == 1).await;
    running.stop().await;
    assert_eq!(
        (handled.values(0, None).join(","), log.committed(0).await),
        ("5".to_owned(), Some(6))
    );

    settings.group.push_str(".earliest");
    settings.start = StartWithoutOffset::Earliest;
    let all = Handled::default();
    let running = Running::keyed(settings, Texts::noting(&all));
    until("all are handled", async || all.count() == 6).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_offset_outside_the_log_stops_its_partition_instead_of_starting_over() {
    let log = Log::create(2).await.unwrap();
    log.put_numbered(0, 0, 3, 1).await;
    log.put_numbered(1, 0, 3, 1).await;
    log.commit(0, 700).await;
    let handled = Handled::default();
    let running = Running::keyed(log.settings(), Texts::noting(&handled));
    until("the sound partition is done", async || {
        log.committed(1).await == Some(3)
    })
    .await;
    until("the other one is stopped", async || {
        matches!(
            running.partition(0).map(|p| p.state),
            Some(PartitionState::Stopped { .. })
        )
    })
    .await;
    let status: ConsumerStatus = running.consumer.handle().status();
    let reasons = status.waiting_for().join("\n");
    assert!(
        reasons.contains("next offset 700") && reasons.contains("holds 0 to 3"),
        "{reasons}"
    );
    running.stop().await;
    assert!(handled.values(0, None).is_empty());
    assert_eq!(log.committed(0).await, Some(700));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_committed_as_often_as_told_and_when_the_consumer_ends() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 5, 1).await;
    let mut settings = log.settings();
    settings.commit_interval = Duration::from_secs(3_600);
    let handled = Handled::default();
    let running = Running::keyed(settings, Texts::noting(&handled));
    until("all are handled", async || handled.count() == 5).await;
    assert_eq!(
        running.partition(0).unwrap().generation,
        1,
        "it is the first assignment"
    );
    // That nothing is committed can only be seen by letting many polls pass.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(log.committed(0).await, None);
    running.stop().await;
    assert_eq!(log.committed(0).await, Some(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_waits_for_work_in_flight_and_takes_up_nothing_new() {
    let log = Log::create(1).await.unwrap();
    let handled = Handled::default();
    // Told to stop it would: a shutdown tells only when its time for that is up.
    let heeding = Texts::new(&handled, |_, cx| async move {
        let worked = cx
            .cancelled()
            .run_until_cancelled(tokio::time::sleep(Duration::from_secs(1)));
        match worked.await {
            Some(()) => Ok(()),
            None => Err(Failure::Transient {
                message: "told to stop".into(),
                source: None,
            }),
        }
    });
    let mut settings = log.settings();
    (settings.max_concurrency, settings.drain_deadline) = (1, Duration::from_secs(3_600));
    let running = Running::keyed(settings, heeding);
    log.put_numbered(0, 0, 2, 2).await;
    until("both are taken", async || {
        running.partition(0).is_some_and(|p| p.unfinished == 2)
    })
    .await;
    running.stop().await;
    assert_eq!((handled.count(), log.committed(0).await), (1, Some(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_takes_longer_than_a_shutdown_waits_is_told_and_not_committed() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 1, 1).await;
    let handled = Handled::default();
    let endless = Texts::new(&handled, |_, cx| async move {
        cx.cancelled().cancelled().await;
        Err(Failure::Transient {
            message: "told to stop".into(),
            source: None,
        })
    });
    let mut settings = log.settings();
    settings.drain_deadline = Duration::from_millis(300);
    let running = Running::keyed(settings, endless);
    until("it runs", async || {
        running.partition(0).is_some_and(|p| p.unfinished == 1)
    })
    .await;
    running.stop().await;
    assert_eq!((handled.count(), log.committed(0).await), (0, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_deleted_before_they_were_read_stop_their_partition_at_the_first_of_them() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 2, 1).await;
    let (handled, gate) = (Handled::default(), Arc::new(Semaphore::new(0)));
    let opened = Arc::clone(&gate);
    let handler = Texts::new(&handled, move |_, _| {
        let gate = Arc::clone(&opened);
        async move {
            let _open = gate.acquire().await.unwrap();
            Ok(())
        }
    });
    let mut settings = log.settings();
    (settings.max_concurrency, settings.max_window) = (1, 2);
    // It holds one more ready, or the few that come with it, and leaves the others where they are.
    settings.prefetch_records = 1;
    let running = Running::keyed(settings, handler);
    until("both are taken", async || {
        running.partition(0).is_some_and(|p| p.unfinished == 2)
    })
    .await;
    for value in 2..20 {
        log.put(0, Some("k0"), value.to_string().as_bytes()).await;
    }
    log.delete_before(0, 19).await;
    gate.add_permits(1_000);
    let mut reason = String::new();
    until("it is stopped", async || {
        match running.partition(0).map(|p| p.state) {
            Some(PartitionState::Stopped { reason: stopped }) => {
                reason = stopped;
                true
            }
            _ => false,
        }
    })
    .await;
    let read = handled.count();
    assert!(
        reason.contains(&format!("next offset {read} ")) && reason.contains("holds 19 to 20"),
        "{read} were read: {reason}"
    );
    running.stop().await;
    assert_eq!(log.committed(0).await, i64::try_from(read).ok());
}
