//! Order by key, the watermark, back-pressure.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use depot_consumer::{GroupProtocol, PartitionState};
use tokio::sync::Semaphore;

use crate::{
    log::Log,
    running::{Running, until},
    texts::{Handled, Texts},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_a_key_run_in_order_while_keys_run_side_by_side() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 200, 5).await;
    let handled = Handled::default();
    let running_by_key: Arc<Mutex<HashMap<Vec<u8>, usize>>> = Arc::default();
    let (now, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let most = Arc::clone(&peak);
    let handler = Texts::new(&handled, move |record, _| {
        let (by_key, now, peak) = (Arc::clone(&running_by_key), Arc::clone(&now), Arc::clone(&peak));
        async move {
            let key = record.key.clone().unwrap();
            let same = *by_key
                .lock()
                .unwrap()
                .entry(key.clone())
                .and_modify(|n| *n += 1)
                .or_insert(1);
            assert_eq!(same, 1, "two records of one key at once");
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Different times, so that keys overtake each other.
            tokio::time::sleep(Duration::from_micros(
                u64::from(record.offset.unsigned_abs() % 7 == 0) * 3_000,
            ))
            .await;
            now.fetch_sub(1, Ordering::SeqCst);
            by_key.lock().unwrap().entry(key).and_modify(|n| *n -= 1);
            Ok(())
        }
    });
    let running = Running::keyed(log.settings(), handler);
    until("all are handled", async || handled.count() == 200).await;
    running.stop().await;
    for key in 0..5 {
        let expected: Vec<String> = (0..200).filter(|n| n % 5 == key).map(|n| n.to_string()).collect();
        assert_eq!(handled.values(0, Some(&format!("k{key}"))), expected);
    }
    assert!(log.letters(0).await.is_empty(), "a panic became a dead letter");
    assert!(most.load(Ordering::SeqCst) > 1, "nothing ran side by side");
    assert_eq!(log.committed(0).await, Some(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_key_blocks_no_other_key_and_no_offset_passes_it() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 3, 3).await;
    let slow = log.put(0, Some("slow"), b"slow").await;
    log.put_numbered(0, 3, 50, 3).await;
    let handled = Handled::default();
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let handler = Texts::new(&handled, move |record, _| {
        let gate = Arc::clone(&opened);
        async move {
            if record.payload.as_deref() == Some(b"slow") {
                let _open = gate.acquire().await.unwrap();
            }
            Ok(())
        }
    });
    let running = Running::keyed(log.settings(), handler);
    until("the other keys are done", async || handled.count() == 53).await;
    until("what is before the slow record is committed", async || {
        log.committed(0).await == Some(slow)
    })
    .await;
    assert_eq!(running.partition(0).unwrap().next_offset, Some(slow));
    gate.add_permits(1);
    until("the slow one is done too", async || {
        log.committed(0).await == Some(54)
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_handler_bounds_what_is_taken_and_nothing_is_lost() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 3_000, 100).await;
    let handled = Handled::default();
    let gate = Arc::new(Semaphore::new(0));
    let (opened, started) = (Arc::clone(&gate), Arc::new(AtomicUsize::new(0)));
    let begun = Arc::clone(&started);
    let handler = Texts::new(&handled, move |_, _| {
        let (gate, begun) = (Arc::clone(&opened), Arc::clone(&begun));
        async move {
            begun.fetch_add(1, Ordering::SeqCst);
            let _open = gate.acquire().await.unwrap();
            Ok(())
        }
    });
    let mut settings = log.settings();
    (settings.max_concurrency, settings.max_window) = (4, 20);
    (settings.prefetch_records, settings.prefetch_kbytes) = (100, 16);
    let running = Running::keyed(settings, handler);
    until("the window is full", async || {
        running.partition(0).is_some_and(|p| p.unfinished == 20)
    })
    .await;
    until("as many run as may", async || started.load(Ordering::SeqCst) == 4).await;
    until("the lag is known", async || {
        running.partition(0).is_some_and(|p| p.lag == Some(3_000))
    })
    .await;
    assert_eq!(
        (
            started.load(Ordering::SeqCst),
            running.partition(0).unwrap().unfinished
        ),
        (4, 20)
    );
    gate.add_permits(Semaphore::MAX_PERMITS / 2);
    until("all are handled", async || handled.count() >= 3_000).await;
    running.stop().await;
    let expected: Vec<String> = (0..3_000)
        .filter(|n| n % 100 == 7)
        .map(|n| n.to_string())
        .collect();
    assert_eq!(handled.values(0, Some("k7")), expected);
    assert_eq!((handled.count(), log.committed(0).await), (3_000, Some(3_000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_classic_protocol_a_handler_slower_than_the_poll_interval_keeps_its_partition() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 10, 2).await;
    let handled = Handled::default();
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let handler = Texts::new(&handled, move |_, _| {
        let gate = Arc::clone(&opened);
        async move {
            let _open = gate.acquire().await.unwrap();
            Ok(())
        }
    });
    let mut settings = log.settings();
    settings.protocol = GroupProtocol::CooperativeSticky;
    settings.client_settings = vec![
        ("session.timeout.ms".into(), "6000".into()),
        ("max.poll.interval.ms".into(), "6000".into()),
    ];
    let running = Running::keyed(settings, handler);
    until("it runs", async || {
        running
            .partition(0)
            .is_some_and(|p| p.state == PartitionState::Running)
    })
    .await;
    let generation = running.partition(0).unwrap().generation;
    // That nothing happens can only be seen by letting the poll interval pass.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(running.partition(0).map(|p| p.generation), Some(generation));
    gate.add_permits(10);
    until("all are handled", async || handled.count() == 10).await;
    running.stop().await;
    assert_eq!(log.committed(0).await, Some(10));
}
