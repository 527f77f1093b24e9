//! A consumer that acknowledges a message, and then does what it asks for.

use std::{sync::Arc, time::Duration};

use depot_consumer::{Consumer, ConsumerSettings, Context, DeadLetters, Failure, KeyHandler, Poison, Record};
use depot_test_stack::{unique_name, wait_until};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    ground::Ground,
    kill_point::KillPoint,
    log::{Log, brokers},
    story::{Story, listed},
};

const TABLES: &str = "CREATE TABLE naive.done (what text NOT NULL)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_that_is_committed_before_the_work_loses_it() {
    let mut story = Story::of("ack_before_work");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

async fn work(pool: &PgPool, what: &str) {
    sqlx::query("INSERT INTO naive.done VALUES ($1)")
        .bind(what)
        .execute(pool)
        .await
        .unwrap();
}

async fn done(ground: &Ground) -> Vec<String> {
    ground.list("SELECT what FROM naive.done").await
}

/// The naive way: each message is committed when it is there, and then its work is done. A client that commits by itself
/// every few seconds does the same to whoever hands messages on to another task.
async fn consume(ground: &Ground, log: &Log, group: &str, between: impl AsyncFn()) {
    let begin = log.committed(group).await;
    for (offset, message) in (begin..).zip(log.unread_by(group).await) {
        log.commit(group, offset + 1).await;
        between().await;
        work(&ground.pool, &message).await;
    }
}

async fn naive(story: &mut Story) {
    let (ground, log, group) = (Ground::with(TABLES).await, Log::create().await, unique_name());
    story.naive("commit the offset, then do the work");
    log.send("resize picture").await;
    story.line("topic", listed(&log.texts().await));
    let killed = KillPoint::default();
    killed
        .kill(consume(&ground, &log, &group, async || killed.here().await))
        .await;
    let committed = log.committed(&group).await;
    assert_eq!(committed, 1);
    story.line(
        "consumer",
        format!("reads it; commits offset {committed}; is killed before the work"),
    );
    let left = log.unread_by(&group).await;
    assert_eq!(left, [""; 0]);
    consume(&ground, &log, &group, async || ()).await;
    story.line(
        "consumer",
        format!("is started again at offset {committed}: {}", listed(&left)),
    );
    assert_eq!(done(&ground).await, [""; 0]);
    story.line("done", listed(&done(&ground).await));
    story.result("the work is never done, and nothing says so");
}

/// Depot's consumer is given the work, and commits when that has ended. `killed` is where it is cut off.
struct Work {
    pool: PgPool,
    killed: Option<Arc<KillPoint>>,
}

impl KeyHandler for Work {
    type Event = String;

    fn decode(&self, record: &Record) -> Result<String, Poison> {
        let bytes = record.payload.as_deref().unwrap_or_default();
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    async fn handle(&self, what: &String, _: &Record, _: &Context) -> Result<(), Failure> {
        if let Some(killed) = &self.killed {
            killed.here().await;
        }
        work(&self.pool, what).await;
        Ok(())
    }
}

fn start(work: Work, log: &Log, group: &str) -> (Consumer, CancellationToken) {
    let mut settings = ConsumerSettings::new(brokers(), group, [log.topic()]);
    // What is under way when it is asked to end is cut off at once, as by a kill.
    (settings.drain_deadline, settings.revoke_grace) = (Duration::ZERO, Duration::ZERO);
    let (stop, dead_letters) = (
        CancellationToken::new(),
        DeadLetters::new(brokers(), &[]).unwrap(),
    );
    let consumer = Consumer::start_keyed(settings, work, dead_letters, stop.clone()).unwrap();
    (consumer, stop)
}

async fn depot(story: &mut Story) {
    let (ground, log, group) = (Ground::with(TABLES).await, Log::create().await, unique_name());
    story.depot("do the work, then commit the offset");
    log.send("resize picture").await;
    story.line("topic", listed(&log.texts().await));
    let killed = Arc::new(KillPoint::default());
    let cut_off = Work {
        pool: ground.pool.clone(),
        killed: Some(Arc::clone(&killed)),
    };
    let (consumer, stop) = start(cut_off, &log, &group);
    killed.reached().await;
    stop.cancel();
    consumer.join().await.unwrap();
    let committed = log.committed(&group).await;
    assert_eq!((committed, done(&ground).await), (0, vec![]));
    story.line("consumer", "reads it; is cut off before the work");
    story.line("group", format!("stands at offset {committed}"));

    let pool = ground.pool.clone();
    let (consumer, stop) = start(Work { pool, killed: None }, &log, &group);
    wait_until("the offset is committed", async || {
        log.committed(&group).await == 1
    })
    .await;
    stop.cancel();
    consumer.join().await.unwrap();
    assert_eq!(done(&ground).await, ["resize picture"]);
    story.line(
        "consumer",
        "is started again: reads it, does the work, commits offset 1",
    );
    story.line("done", listed(&done(&ground).await));
    story.result("done; cut off between work and commit, it would be done twice");
}
