//! Poison, transient and fatal failures of a keyed consumer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use depot_consumer::{ConsumerError, Failure, PartitionState, header};

use crate::{
    log::Log,
    running::{Running, until},
    texts::{Handled, Texts},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_goes_to_the_dead_letters_whole_and_the_next_record_goes_on() {
    let log = Log::create(3).await.unwrap();
    let undecodable = log.put(2, Some("key-1"), &[b'{', 0xff, 0x00]).await;
    let refused = log.put(2, Some("key-1"), b"refuse").await;
    let panicking = log.put(2, Some("key-2"), b"panic").await;
    let keyless = log.put(2, None, b"bad").await;
    log.put(2, Some("key-1"), b"good").await;
    log.put(2, None, b"keyless-good").await;
    let handled = Handled::default();
    let handler = Texts::new(&handled, |record, _| async move {
        match record.payload.as_deref() {
            Some(b"refuse") => Err(Failure::poison("refused", "this fails every time")),
            Some(b"panic") => panic!("the handler broke"),
            _ => Ok(()),
        }
    });
    let running = Running::keyed(log.settings(), handler);
    until("all is passed", async || log.committed(2).await == Some(6)).await;
    running.stop().await;
    let mut good = handled.values(2, None);
    good.sort();
    assert_eq!(good, ["good", "keyless-good"]);

    let mut letters = log.letters(2).await;
    letters.sort_by_key(|letter| letter.header(header::ORIGINAL_OFFSET).map(<[u8]>::to_vec));
    let offsets: Vec<i64> = letters
        .iter()
        .map(|letter| {
            i64::from_be_bytes(
                letter
                    .header(header::ORIGINAL_OFFSET)
                    .unwrap()
                    .try_into()
                    .unwrap(),
            )
        })
        .collect();
    assert_eq!(offsets, [undecodable, refused, panicking, keyless]);
    let classes: Vec<_> = letters
        .iter()
        .map(|letter| letter.header_str(header::REASON_CLASS).unwrap())
        .collect();
    assert_eq!(classes, ["not-text", "refused", "panic", "bad"]);

    let letter = &letters[0];
    assert_eq!(letter.key.as_deref(), Some(&b"key-1"[..]));
    assert_eq!(letter.payload.as_deref(), Some(&[b'{', 0xff, 0x00][..]));
    assert_eq!(letter.timestamp_ms, Some(1_700_000_000_123));
    assert!(letter.header("ce_id").is_some_and(|id| id.starts_with(b"id-")));
    assert_eq!(
        letter.header_str(header::ORIGINAL_TOPIC),
        Some(log.topic().as_str())
    );
    assert_eq!(
        letter.header(header::ORIGINAL_PARTITION),
        Some(&2_i32.to_be_bytes()[..])
    );
    assert_eq!(
        letter.header(header::ORIGINAL_TIMESTAMP),
        Some(&1_700_000_000_123_i64.to_be_bytes()[..])
    );
    assert_eq!(
        letter.header_str(header::ORIGINAL_TIMESTAMP_TYPE),
        Some("CreateTime")
    );
    assert_eq!(
        letter.header_str(header::ORIGINAL_CONSUMER_GROUP),
        Some(log.group().as_str())
    );
    assert_eq!(letter.header_str(header::ATTEMPTS), Some("1"));
    assert!(letter.header_str(header::FIRST_FAILURE).unwrap().ends_with('Z'));
    assert_eq!(
        letters[1].header_str(header::REASON_MESSAGE),
        Some("this fails every time")
    );
    assert_eq!(
        letters[2].header_str(header::REASON_MESSAGE),
        Some("the handler broke")
    );
    assert_eq!(letters[3].key, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transient_failure_is_retried_until_it_passes_and_nothing_is_committed_past_it() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 2, 2).await;
    let stuck = log.put(0, Some("stuck"), b"stuck").await;
    log.put_numbered(0, 2, 5, 2).await;
    let handled = Handled::default();
    let (down, attempts) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
    let (is_down, counted) = (Arc::clone(&down), Arc::clone(&attempts));
    let handler = Texts::new(&handled, move |record, cx| {
        let (down, attempts) = (is_down.load(Ordering::SeqCst), Arc::clone(&counted));
        async move {
            if record.payload.as_deref() == Some(b"stuck") && down {
                attempts.fetch_max(cx.attempt(), Ordering::SeqCst);
                return Err(Failure::transient(
                    "call the store",
                    std::io::Error::other("connection refused"),
                ));
            }
            Ok(())
        }
    });
    let running = Running::keyed(log.settings(), handler);
    until("many attempts were made", async || {
        attempts.load(Ordering::SeqCst) >= 10
    })
    .await;
    until("what is before it is committed", async || {
        log.committed(0).await == Some(stuck)
    })
    .await;
    let status = running.partition(0).unwrap();
    let PartitionState::BackingOff(trouble) = status.state else {
        panic!("{status:?}")
    };
    assert_eq!(trouble.message, "call the store: connection refused");
    let waiting_for = running.consumer.handle().status().waiting_for().join("\n");
    assert!(waiting_for.contains("connection refused"), "{waiting_for}");
    assert_eq!(log.committed(0).await, Some(stuck));
    assert!(log.letters(0).await.is_empty());

    down.store(false, Ordering::SeqCst);
    until("it passed", async || log.committed(0).await == Some(8)).await;
    assert_eq!(running.partition(0).unwrap().state, PartitionState::Running);
    assert!(running.consumer.handle().status().waiting_for().is_empty());
    running.stop().await;
    assert_eq!(handled.count(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_during_a_transient_failure_ends_and_leaves_the_record_to_the_next_start() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 3, 1).await;
    let handled = Handled::default();
    let failing = Texts::new(&handled, |record, _| async move {
        if record.offset == 1 {
            return Err(Failure::Transient {
                message: "the store is away".into(),
                source: None,
            });
        }
        Ok(())
    });
    let running = Running::keyed(log.settings(), failing);
    until("it backs off", async || {
        matches!(
            running.partition(0).map(|p| p.state),
            Some(PartitionState::BackingOff(_))
        )
    })
    .await;
    running.stop().await;
    assert_eq!(
        (handled.values(0, None), log.committed(0).await),
        (vec!["0".to_owned()], Some(1))
    );

    let running = Running::keyed(log.settings(), Texts::noting(&handled));
    until("the rest is handled", async || handled.count() == 3).await;
    running.stop().await;
    assert_eq!(
        (handled.values(0, None).join(","), log.committed(0).await),
        ("0,1,2".to_owned(), Some(3))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fatal_failure_stops_the_consumer_and_says_where() {
    let log = Log::create(1).await.unwrap();
    log.put_numbered(0, 0, 5, 1).await;
    let handled = Handled::default();
    let handler = Texts::new(&handled, |record, _| async move {
        if record.offset == 3 {
            return Err(Failure::Fatal {
                message: "the schema is missing".into(),
                source: None,
            });
        }
        Ok(())
    });
    let running = Running::keyed(log.settings(), handler);
    let handle = running.consumer.handle();
    let error = running.consumer.join().await.unwrap_err();
    let ConsumerError::Handler {
        partition: 0,
        offset: 3,
        message,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(message, "the schema is missing");
    assert!(handle.status().failed.is_some());
    assert_eq!(log.committed(0).await, Some(3));
}
