//! The subscription to the projector's notifications. It is kept up as long as the process runs; while it is down,
//! those who wait go by their polls.

use std::time::Duration;

use depot_read_model::{ChangeNotice, EntityKind, changes_channel};
use depot_retry::Delays;
use depot_service::{config::RedisConfig, metrics::count_error};
use futures::StreamExt as _;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::change_feed::{ChangeFeed, Subject};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection whose other side is silently gone is found out by this.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
enum SubscriptionError {
    #[error("Redis refused the subscription")]
    Redis(#[from] redis::RedisError),
    #[error("Redis does not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("Redis closed the connection")]
    Closed,
}

/// Passes notifications on to `feed` until cancelled.
pub async fn follow(client: redis::Client, config: RedisConfig, feed: ChangeFeed, stop: CancellationToken) {
    let channel = changes_channel(&config.key_prefix);
    let mut delays = Delays::never_ending(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let subscription = listen(&client, &channel, &feed, || delays.reset());
        match stop.run_until_cancelled(subscription).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => {
                count_error("query", "notifications");
                tracing::warn!(
                    error = depot_service::problem::chain(&error),
                    "the subscription to changes is down; waiting reads poll"
                );
            }
        }
        let delay = delays.next_delay().unwrap_or(Duration::from_secs(5));
        if stop.run_until_cancelled(sleep(delay)).await.is_none() {
            return;
        }
    }
}

async fn listen(
    client: &redis::Client,
    channel: &str,
    feed: &ChangeFeed,
    subscribed: impl FnOnce(),
) -> Result<(), SubscriptionError> {
    let (mut sink, mut messages) = timeout(CONNECT_TIMEOUT, client.get_async_pubsub())
        .await??
        .split();
    timeout(CONNECT_TIMEOUT, sink.subscribe(channel)).await??;
    subscribed();
    tracing::info!(channel, "subscribed to changes");
    // What was announced while there was no subscription was missed.
    feed.announce_all();
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.next() => {
                let message = message.ok_or(SubscriptionError::Closed)?;
                announce(message.get_payload_bytes(), feed);
            }
            _ = ping.tick() => {
                timeout(CONNECT_TIMEOUT, sink.ping::<redis::Value>()).await??;
            }
        }
    }
}

fn announce(payload: &[u8], feed: &ChangeFeed) {
    match ChangeNotice::from_json(payload) {
        Ok(notice) => {
            for change in notice.changes {
                feed.announce(match change.kind {
                    EntityKind::Item => Subject::Item(change.id),
                    EntityKind::Upload => Subject::Upload(change.id),
                });
            }
        }
        Err(error) => tracing::warn!(%error, "a notification of another form is ignored"),
    }
}
