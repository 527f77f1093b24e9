//! Members that come, leave and die.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use depot_consumer::{ConsumerError, ConsumerSettings, GroupProtocol};
use depot_test_stack::free_port;
use tokio::sync::Semaphore;

use crate::{
    log::{Log, brokers},
    running::{Running, until, until_of},
    texts::{Handled, Texts},
};

const PARTITIONS: i32 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoke_cancels_work_in_flight_and_its_late_result_is_not_committed() {
    let log = Log::create(2).await.unwrap();
    log.put(0, Some("a"), b"first").await;
    log.put(1, Some("b"), b"first").await;
    let (gate, told, dropped) = (
        Arc::new(Semaphore::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let by_first = Handled::default();
    let (first_gate, first_told, first_dropped) =
        (Arc::clone(&gate), Arc::clone(&told), Arc::clone(&dropped));
    let stubborn = Texts::new(&by_first, move |_, cx| {
        let (gate, told) = (Arc::clone(&first_gate), Arc::clone(&first_told));
        let on_drop = CountDrop(Arc::clone(&first_dropped));
        async move {
            let _on_drop = on_drop;
            cx.cancelled().cancelled().await;
            told.fetch_add(1, Ordering::SeqCst);
            // Told to stop, and doesn't: this result would come late.
            let _open = gate.acquire().await.unwrap();
            Ok(())
        }
    });
    let mut settings = log.settings();
    settings.revoke_grace = Duration::from_millis(300);
    let first = Running::keyed(settings.clone(), stubborn);
    until("the first member has both", async || first.partitions() == [0, 1]).await;
    until("both records run", async || first_unfinished(&first) == 2).await;

    let by_second = Handled::default();
    let second_gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&second_gate);
    let holding = Texts::new(&by_second, move |_, _| {
        let gate = Arc::clone(&held);
        async move {
            let _open = gate.acquire().await.unwrap();
            Ok(())
        }
    });
    let second = Running::keyed(settings, holding);
    // Not the first partition that is seen there: while the two settle, the group may give it another.
    let mut moved = None;
    until_of(&[&first, &second], "a record runs with the second", async || {
        let [partition] = second.partitions()[..] else {
            return false;
        };
        moved = Some(partition);
        second.partition(partition).is_some_and(|p| p.unfinished == 1)
    })
    .await;
    let moved = moved.unwrap();
    assert_eq!(
        (told.load(Ordering::SeqCst), dropped.load(Ordering::SeqCst)),
        (1, 1)
    );
    gate.add_permits(10);
    // That nothing is committed can only be seen by letting commit intervals pass.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log.committed(moved).await, None);
    assert!(by_first.values(moved, None).is_empty());

    second_gate.add_permits(10);
    until("the new owner's result is committed", async || {
        log.committed(moved).await == Some(1)
    })
    .await;
    second.stop().await;
    first.stop().await;
    assert_eq!(by_second.values(moved, None), ["first"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_ends_within_the_grace_of_a_revoke_is_committed_and_not_repeated() {
    let log = Log::create(2).await.unwrap();
    for partition in [0, 1] {
        log.put(partition, Some("k"), b"first").await;
    }
    let by_first = Handled::default();
    let heeding = Texts::new(&by_first, |_, cx| async move {
        cx.cancelled().cancelled().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(())
    });
    let mut settings = log.settings();
    (settings.revoke_grace, settings.drain_deadline) = (Duration::from_secs(60), Duration::ZERO);
    let first = Running::keyed(settings.clone(), heeding);
    until("both records run", async || first_unfinished(&first) == 2).await;
    let by_second = Handled::default();
    let second = Running::keyed(settings, Texts::noting(&by_second));
    until("the second member has a partition", async || {
        second.partitions().len() == 1
    })
    .await;
    first.stop().await;
    assert_eq!(by_first.count(), 2);
    for partition in [0, 1] {
        assert_eq!(log.committed(partition).await, Some(1));
    }
    second.stop().await;
    assert_eq!(by_second.count(), 0, "what was committed came again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_was_given_up_and_comes_back_is_worked_on_again() {
    let log = Log::create(2).await.unwrap();
    let (by_first, by_second) = (Handled::default(), Handled::default());
    let first = Running::keyed(log.settings(), Texts::noting(&by_first));
    until("the first member has both", async || first.partitions() == [0, 1]).await;
    let second = Running::keyed(log.settings(), Texts::noting(&by_second));
    until("each has one", async || {
        first.partitions().len() == 1 && second.partitions().len() == 1
    })
    .await;
    second.stop().await;
    until("the first member has both again", async || {
        first.partitions() == [0, 1]
    })
    .await;
    for partition in [0, 1] {
        log.put(partition, Some("k"), b"after").await;
    }
    until_of(&[&first], "both are handled", async || by_first.count() == 2).await;
    first.stop().await;
    assert_eq!(
        (log.committed(0).await, log.committed(1).await),
        (Some(1), Some(1))
    );
}

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn first_unfinished(running: &Running) -> usize {
    (0..2)
        .filter_map(|partition| running.partition(partition))
        .map(|p| p.unfinished)
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_a_partition_is_ready_and_takes_over() {
    let log = Log::create(1).await.unwrap();
    let handled = Handled::default();
    let first = Running::keyed(log.settings(), Texts::noting(&handled));
    until("the first member has it", async || first.partitions() == [0]).await;
    let second = Running::keyed(log.settings(), Texts::noting(&handled));
    until("the second member is ready", async || {
        second.consumer.handle().status().waiting_for().is_empty()
    })
    .await;
    let idle = if first.partitions().is_empty() {
        &first
    } else {
        &second
    };
    assert!(idle.consumer.handle().status().joined && idle.partitions().is_empty());
    first.stop().await;
    log.put(0, Some("k"), b"after").await;
    until("the second member works", async || handled.count() == 1).await;
    second.stop().await;
    assert_eq!(log.committed(0).await, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_another_of_its_identity_displaces_ends_and_says_so() {
    let log = Log::create(1).await.unwrap();
    let mut settings = log.settings();
    settings.protocol = GroupProtocol::CooperativeSticky;
    settings.client_settings = vec![("group.instance.id".into(), "the-one".into())];
    let handled = Handled::default();
    let first = Running::keyed(settings.clone(), Texts::noting(&handled));
    until("the first member has it", async || first.partitions() == [0]).await;
    let second = Running::keyed(settings, Texts::noting(&handled));
    let error = first.consumer.join().await.unwrap_err();
    assert!(matches!(error, ConsumerError::ClientFailed { .. }), "{error:?}");
    log.put(0, Some("k"), b"after").await;
    until("the second member works", async || handled.count() == 1).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_a_consumer_says_so_and_still_stops() {
    let port = free_port().unwrap();
    let settings = ConsumerSettings::new(format!("127.0.0.1:{port}"), "nobody", ["nothing.v1"]);
    let running = Running::keyed(settings, Texts::noting(&Handled::default()));
    until("it says so", async || {
        running
            .consumer
            .handle()
            .status()
            .waiting_for()
            .join("\n")
            .contains("Kafka is unreachable since")
    })
    .await;
    assert!(!running.consumer.handle().status().joined);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_come_and_leave_lose_nothing_and_commit_what_they_give_up() {
    let log = Log::create(PARTITIONS).await.unwrap();
    let handled = Handled::default();
    let mut settings = log.settings();
    // Only the commits that a member waits for when it gives something up.
    settings.commit_interval = Duration::from_secs(3_600);
    let first = Running::keyed(settings.clone(), Texts::noting(&handled));
    put_all(&log, 0).await;
    until("the first member works", async || handled.count() > 0).await;
    let second = Running::keyed(settings, Texts::noting(&handled));
    put_all(&log, 1_000).await;
    until("both have their share", async || {
        first.partitions().len() == 2 && second.partitions().len() == 2
    })
    .await;
    put_all(&log, 2_000).await;
    first.stop().await;
    put_all(&log, 3_000).await;
    until("the second member has all", async || {
        second.partitions().len() == 4
    })
    .await;
    until("all are handled", async || distinct(&handled) == 4 * 4 * 200).await;
    second.stop().await;
    // Without the commits at handing over, the successor would begin at the start of each partition. A few repeats are
    // a commit or a handler that a starved machine cut short.
    let repeats = handled.count() - distinct(&handled);
    assert!(
        repeats < 200,
        "{repeats} records were handled twice though every member left in order"
    );
    for partition in 0..PARTITIONS {
        assert_eq!(log.committed(partition).await, Some(800));
        for key in 0..10 {
            let mut numbers: Vec<usize> = handled
                .values(partition, Some(&format!("k{key}")))
                .iter()
                .map(|value| value.parse().unwrap())
                .collect();
            // The order of first occurrences.
            let mut seen = BTreeSet::new();
            numbers.retain(|number| seen.insert(*number));
            assert!(numbers.is_sorted(), "{partition} k{key}: {numbers:?}");
        }
    }
}

async fn put_all(log: &Log, first: usize) {
    for partition in 0..PARTITIONS {
        log.put_numbered(
            partition,
            first + usize::try_from(partition).unwrap() * 200,
            200,
            10,
        )
        .await;
    }
}

fn distinct(handled: &Handled) -> usize {
    handled.all_values().into_iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_killed_in_the_middle_of_work_loses_nothing() {
    let log = Log::create(PARTITIONS).await.unwrap();
    let seen = std::env::temp_dir().join(format!("{}.seen", log.group()));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "members::member_in_a_process_of_its_own",
            "--nocapture",
        ])
        .envs([("MEMBER_GROUP", log.group()), ("MEMBER_TOPIC", log.topic())])
        .env("MEMBER_SEEN", &seen)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    put_all(&log, 0).await;
    let seen_by_child = || std::fs::read_to_string(&seen).unwrap_or_default();
    until("the child is in the middle of it", async || {
        seen_by_child().lines().count() > 100
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let before = seen_by_child();
    assert!(
        before.lines().count() < 800,
        "the child was done before it was killed"
    );

    let handled = Handled::default();
    let survivor = Running::keyed(log.settings(), Texts::noting(&handled));
    let ends = async || {
        let mut ends = Vec::new();
        for partition in 0..PARTITIONS {
            ends.push(log.committed(partition).await);
        }
        ends
    };
    until("all is committed", async || ends().await == [Some(200); 4]).await;
    survivor.stop().await;
    let mut all: BTreeSet<String> = handled.all_values().into_iter().collect();
    // A last line that was cut off is of a record that wasn't done.
    all.extend(
        before
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(str::to_owned),
    );
    assert_eq!(all.len(), 800);
    std::fs::remove_file(seen).unwrap();
}

/// Not a test by itself: the member that the test above starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_in_a_process_of_its_own() {
    let (Ok(group), Ok(topic), Ok(seen)) = (
        std::env::var("MEMBER_GROUP"),
        std::env::var("MEMBER_TOPIC"),
        std::env::var("MEMBER_SEEN"),
    ) else {
        return;
    };
    let file = Arc::new(std::sync::Mutex::new(std::fs::File::create(seen).unwrap()));
    let handler = Texts::new(&Handled::default(), move |record, _| {
        let file = Arc::clone(&file);
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let mut line = record.payload.clone().unwrap();
            line.push(b'\n');
            file.lock().unwrap().write_all(&line).unwrap();
            Ok(())
        }
    });
    let mut settings = ConsumerSettings::new(brokers(), group, [topic]);
    (settings.commit_interval, settings.max_concurrency) = (Duration::from_millis(20), 2);
    let running = Running::keyed(settings, handler);
    running.consumer.join().await.unwrap();
}
