//! Batches with offsets of the handler's own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use depot_consumer::{
    Batch, BatchHandler, BatchOutcome, Consumer, ConsumerError, ConsumerSettings, Context, Failure,
    OffsetSource, OffsetUnavailable, PartitionState, Poison, Record, header,
};
use tokio_util::sync::CancellationToken;

use crate::{
    log::Log,
    running::{Running, dead_letters, until},
    texts::decode_text,
};

/// Stands for the database: offsets and rows that change together.
#[derive(Clone, Default)]
struct Store {
    tables: Arc<Mutex<Tables>>,
    down: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    /// The bytes of the records of each batch.
    batches: Arc<Mutex<Vec<Vec<usize>>>>,
}

#[derive(Default)]
struct Tables {
    next: HashMap<i32, i64>,
    rows: Vec<(i32, i64, String)>,
}

impl Store {
    fn with_next(partition: i32, next: i64) -> Self {
        let store = Self::default();
        store.set_next(partition, next);
        store
    }

    fn set_next(&self, partition: i32, next: i64) {
        self.tables.lock().unwrap().next.insert(partition, next);
    }

    fn next(&self, partition: i32) -> Option<i64> {
        self.tables.lock().unwrap().next.get(&partition).copied()
    }

    fn values(&self, partition: i32) -> Vec<String> {
        let tables = self.tables.lock().unwrap();
        tables
            .rows
            .iter()
            .filter(|row| row.0 == partition)
            .map(|row| row.2.clone())
            .collect()
    }

    fn check_up(&self) -> Result<(), std::io::Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            Err(std::io::Error::other("connection refused"))
        } else {
            Ok(())
        }
    }

    fn start(&self, log: &Log, max_batch_records: usize) -> Running {
        let mut settings = log.settings();
        settings.max_batch_records = max_batch_records;
        self.start_with(settings)
    }

    fn start_with(&self, settings: ConsumerSettings) -> Running {
        let stop = CancellationToken::new();
        let consumer =
            Consumer::start_batch(settings, self.clone(), self.clone(), dead_letters(), stop.clone())
                .unwrap();
        Running { consumer, stop }
    }
}

impl OffsetSource for Store {
    async fn load(&self, _topic: &str, partition: i32) -> Result<i64, OffsetUnavailable> {
        self.check_up()
            .map_err(|error| OffsetUnavailable::new("read the stored offset", error))?;
        Ok(*self.tables.lock().unwrap().next.entry(partition).or_insert(0))
    }
}

impl BatchHandler for Store {
    type Event = String;

    fn decode(&self, record: &Record) -> Result<String, Poison> {
        decode_text(record)
    }

    async fn handle_batch(&self, batch: &Batch<String>, _cx: &Context) -> Result<BatchOutcome, Failure> {
        self.check_up()
            .map_err(|error| Failure::transient("store a batch", error))?;
        let sizes = batch.events.iter().map(|(record, _)| record.size_bytes());
        self.batches.lock().unwrap().push(sizes.collect());
        let mut tables = self.tables.lock().unwrap();
        let next = tables.next.entry(batch.partition).or_insert(0);
        if *next != batch.expected_offset {
            return Ok(BatchOutcome::Reload);
        }
        if batch.events.iter().any(|(_, text)| text == "fatal") {
            return Err(Failure::Fatal {
                message: "the table is missing".into(),
                source: None,
            });
        }
        // Found in the middle of the transaction, which is then rolled back.
        if batch.events.iter().any(|(_, text)| text.starts_with("boom")) {
            return Err(Failure::poison("boom", "fails every time"));
        }
        *next = batch.next_offset;
        let rows = batch
            .events
            .iter()
            .map(|(record, text)| (batch.partition, record.offset, text.clone()));
        tables.rows.extend(rows);
        Ok(BatchOutcome::Stored)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_begin_at_the_stored_offset_and_go_over_the_gaps_of_transactions() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 10, 2).await;
    log.put_transactions(
        0,
        &["committed-1", "committed-2"],
        &["aborted-1", "aborted-2", "aborted-3"],
    )
    .await;
    let last = log.put(0, Some("k"), b"last").await;
    assert!(last > 13, "the transactions left no control records");
    let store = Store::with_next(0, 4);
    let running = store.start(&log, 3);
    until("all is stored", async || store.next(0) == Some(last + 1)).await;
    running.stop().await;
    assert_eq!(
        store.values(0).join(","),
        "4,5,6,7,8,9,committed-1,committed-2,last"
    );
    assert_eq!(log.committed(0).await, None, "offsets belong to the store alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_offset_that_was_changed_by_somebody_else_is_gone_back_to() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 6, 1).await;
    let store = Store::default();
    let running = store.start(&log, 500);
    until("the first are stored", async || store.next(0) == Some(6)).await;
    store.set_next(0, 2);
    log.put_numbered(0, 6, 2, 1).await;
    until("all is stored", async || store.next(0) == Some(8)).await;
    // Away until all is appended: an offset that isn't in the log yet would stop the partition.
    store.down.store(true, Ordering::SeqCst);
    store.set_next(0, 10);
    log.put_numbered(0, 8, 4, 1).await;
    store.down.store(false, Ordering::SeqCst);
    until("what is ahead is gone to as well", async || {
        store.next(0) == Some(12)
    })
    .await;
    running.stop().await;
    assert_eq!(store.values(0).join(","), "0,1,2,3,4,5,2,3,4,5,6,7,10,11");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_offset_outside_the_log_stops_that_partition_and_the_others_go_on() {
    let log = Log::create(3).await.unwrap();
    for partition in 0..3 {
        log.put_numbered(partition, 0, 5, 1).await;
    }
    let store = Store::with_next(1, 99);
    let running = store.start(&log, 500);
    until("it is stopped", async || {
        matches!(
            running.partition(1).map(|p| p.state),
            Some(PartitionState::Stopped { .. })
        )
    })
    .await;
    until("the others are done", async || {
        store.next(0) == Some(5) && store.next(2) == Some(5)
    })
    .await;
    log.put_numbered(0, 5, 5, 1).await;
    until("they go on", async || store.next(0) == Some(10)).await;
    let waiting_for = running.consumer.handle().status().waiting_for().join("\n");
    assert!(
        waiting_for.contains("[1] is stopped: next offset 99") && waiting_for.contains("0 to 5"),
        "{waiting_for}"
    );
    running.stop().await;
    assert_eq!((store.next(1), store.values(1).len()), (Some(99), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_in_a_batch_is_found_and_set_aside_and_everything_else_is_stored_once_in_order() {
    let log = Log::create(1).await.unwrap();
    let mut expected = Vec::new();
    for number in 0..40 {
        let value = match number {
            7 => "bad".to_owned(),
            19 | 20 | 39 => format!("boom-{number}"),
            _ => number.to_string(),
        };
        if value == number.to_string() {
            expected.push(value.clone());
        }
        log.put(0, Some("k"), value.as_bytes()).await;
    }
    let store = Store::default();
    let running = store.start(&log, 500);
    until("all is passed", async || store.next(0) == Some(40)).await;
    running.stop().await;
    assert_eq!(store.values(0), expected);
    let letters = log.letters(0).await;
    let offset = |letter: &Record| {
        i64::from_be_bytes(
            letter
                .header(header::ORIGINAL_OFFSET)
                .unwrap()
                .try_into()
                .unwrap(),
        )
    };
    let mut offsets: Vec<i64> = letters.iter().map(offset).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, [7, 19, 20, 39]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_waited_for_at_the_start_and_in_the_middle() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 4, 1).await;
    let store = Store::default();
    store.down.store(true, Ordering::SeqCst);
    let running = store.start(&log, 500);
    let backs_off = async || {
        matches!(
            running.partition(0).map(|p| p.state),
            Some(PartitionState::BackingOff(_))
        )
    };
    until("it waits for its offset", backs_off).await;
    store.down.store(false, Ordering::SeqCst);
    until("it starts", async || store.next(0) == Some(4)).await;
    store.down.store(true, Ordering::SeqCst);
    log.put_numbered(0, 4, 4, 1).await;
    until("it waits with its batch", backs_off).await;
    let calls = store.calls.load(Ordering::SeqCst);
    until("it keeps trying", async || {
        store.calls.load(Ordering::SeqCst) > calls + 5
    })
    .await;
    store.down.store(false, Ordering::SeqCst);
    until("it goes on", async || store.next(0) == Some(8)).await;
    assert_eq!(
        running.partition(0).map(|p| p.state),
        Some(PartitionState::Running)
    );
    running.stop().await;
    assert_eq!(store.values(0).join(","), "0,1,2,3,4,5,6,7");
    assert!(log.letters(0).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_what_has_gathered_within_both_bounds() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 20, 1).await;
    let store = Store::default();
    store.down.store(true, Ordering::SeqCst);
    let mut settings = log.settings();
    settings.max_batch_records = 4;
    let running = store.start_with(settings);
    until("it waits for its offset", async || {
        store.calls.load(Ordering::SeqCst) > 0
    })
    .await;
    store.down.store(false, Ordering::SeqCst);
    until("all is stored", async || store.next(0) == Some(20)).await;
    running.stop().await;
    let most = store.batches.lock().unwrap().iter().map(Vec::len).max();
    assert_eq!(most, Some(4));

    // A record has a key of 2 bytes and a value of 1 or 2: a batch ends with the one by which it has 9 or more.
    let store = Store::default();
    let mut settings = log.settings();
    settings.max_batch_bytes = 9;
    let running = store.start_with(settings);
    until("all is stored", async || store.next(0) == Some(20)).await;
    running.stop().await;
    let batches = store.batches.lock().unwrap().clone();
    assert_eq!(batches.iter().map(Vec::len).max(), Some(3), "{batches:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fatal_failure_of_a_batch_names_its_first_record_and_stores_nothing() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 3, 1).await;
    log.put(0, Some("k"), b"fatal").await;
    let store = Store::default();
    let running = store.start(&log, 500);
    let error = running.consumer.join().await.unwrap_err();
    let ConsumerError::Handler { offset, message, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(message, "the table is missing");
    let stored = store.next(0).unwrap();
    assert!(
        offset == stored && offset <= 3,
        "{offset} is the first that is not stored, {stored}"
    );
}
