//! A message that did not arrive is sent again by itself.

use std::time::Duration;

use depot_outbox::{Relay, RelayError};
use uuid::Uuid;

use crate::{
    ground::Ground,
    log::Log,
    relaying::{commit_text, drain, options, relay},
    story::{Story, listed},
};

/// How long the naive relay lets its client try.
const EXPIRES: Duration = Duration::from_secs(1);
const PATIENT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_message_that_is_sent_again_by_itself_comes_after_a_newer_one() {
    let mut story = Story::of("single_retry");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

/// The naive way: each row is sent, and a row that was not sent is left for the next round.
struct Row {
    event: &'static str,
    sent: bool,
}

impl Row {
    async fn send(&mut self, log: &Log, limit: Duration) {
        self.sent = log.send_within(limit, self.event).await;
    }
}

async fn naive(story: &mut Story) {
    // A topic without a leader would do as well, or a network that loses its way.
    let log = Log::named();
    story.naive("a row whose send fails is left for the next round, the others go on");
    let mut rows = ["v1", "v2"].map(|event| Row { event, sent: false });
    rows[0].send(&log, EXPIRES).await;
    assert!(!rows[0].sent);
    story.line(
        "relay",
        "sends v1; Kafka cannot take it now; it expires in the client",
    );
    log.make_topics().await;
    story.line("Kafka", "can again");
    rows[1].send(&log, PATIENT).await;
    assert!(rows[1].sent);
    story.line("relay", "sends v2 of the same item, which arrives");
    for row in rows.iter_mut().filter(|row| !row.sent) {
        row.send(&log, PATIENT).await;
        assert!(row.sent);
        story.line("relay", format!("next round: sends {}, which arrives", row.event));
    }
    assert_eq!(log.texts().await, ["v2", "v1"]);
    story.line("topic", listed(&log.texts().await));
    story.result("reordered by its own retry; idempotence of the producer does not see it");
}

async fn depot(story: &mut Story) {
    let (ground, log) = (Ground::with("").await, Log::named());
    let mut relay = relay(&ground, options()).await;
    let item = Uuid::now_v7();
    story.depot("nothing goes past what was not acknowledged, and no message expires");
    commit_text(&ground, &log, item, 1, "v1").await;
    assert!(cannot_send(&mut relay).await);
    story.line(
        "relay",
        "reads v1; Kafka cannot take it now; hands nothing to its client",
    );
    commit_text(&ground, &log, item, 2, "v2").await;
    assert!(cannot_send(&mut relay).await);
    story.line("relay", "begins again at v1, the first that was not let go");
    log.make_topics().await;
    story.line("Kafka", "can again");
    // The broker may answer from before for a moment.
    while cannot_send(&mut relay).await {
        relay.woken(Duration::from_millis(50)).await;
    }
    drain(&mut relay).await;
    assert_eq!(log.texts().await, ["v1", "v2"]);
    story.line("topic", listed(&log.texts().await));
    story.result("in order");
}

async fn cannot_send(relay: &mut Relay) -> bool {
    match relay.step().await {
        Ok(_) => false,
        Err(RelayError::Topic { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}
