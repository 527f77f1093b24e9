//! After a bad report: nothing more is queued, everything queued is purged, and all shards start again from the first
//! row not let go. No message is ever sent again by itself: what was queued behind it may have arrived.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use super::{Relay, StepOutcome, parking::ToPark};
use crate::{metrics, publish::FailedReport};

/// For how long a refused row is looked for, before the relay sends in batches again.
const SEARCH_LIMIT: Duration = Duration::from_secs(60);

/// The search for a refused row. Kafka refuses whole batches; so after a refusal everything is sent as batches of
/// one, until each message of the refused batch was acknowledged, or refused alone and its aggregate parked.
#[derive(Default)]
pub(super) struct Refusal {
    since: Option<Instant>,
    suspects: HashSet<Uuid>,
}

impl Refusal {
    /// Messages are sent one a batch.
    pub(super) fn is_sought(&self) -> bool {
        self.since.is_some()
    }

    /// The search is over; batches come back with the next producer, once nothing is in flight.
    pub(super) fn is_settled(&self) -> bool {
        self.since
            .is_some_and(|since| self.suspects.is_empty() || since.elapsed() > SEARCH_LIMIT)
    }

    pub(super) fn acknowledged(&mut self, event_ids: &[Uuid]) {
        for id in event_ids {
            self.suspects.remove(id);
        }
    }
}

impl Relay {
    /// Acts on bad reports.
    pub(super) fn start_again(&mut self) {
        let failures = self.publisher.take_failures();
        self.publisher.close();
        // What was acknowledged before the failure stays let go.
        self.settle();
        for shard in self.shards.values_mut() {
            shard.start_again();
        }
        self.polling.all_at_once();
        self.resuming = None;
        ::metrics::counter!(metrics::FAILED_REPORTS).increment(1);

        let refused: Vec<&FailedReport> = failures.iter().filter(|failure| failure.refused).collect();
        let reason = match refused.first().copied().or(failures.first()) {
            Some(failure) => format!(
                "Kafka did not take a message for {}: {}",
                failure.topic, failure.error
            ),
            None => "the Kafka client takes no messages".to_owned(),
        };
        let delay = if refused.is_empty() {
            self.delays.next_delay().unwrap_or(Duration::from_secs(5))
        } else {
            // Nothing to wait for: a message is at fault.
            Duration::ZERO
        };
        tracing::warn!(
            outbox.delay_ms = delay.as_millis() as u64,
            outbox.refused = refused.len(),
            "the relay starts again from the first row not let go: {reason}"
        );
        self.judge(&refused);
        self.stopped_until = Some((Instant::now() + delay, reason));
    }

    /// Of a batch, every message is suspected; alone, it is the one.
    fn judge(&mut self, refused: &[&FailedReport]) {
        let alone = self.refusal.is_sought();
        for failure in refused {
            let (Some(event_id), Some(aggregate_id)) = (failure.event_id, failure.aggregate_id) else {
                continue;
            };
            if alone {
                self.refusal.suspects.remove(&event_id);
                self.park_again(ToPark {
                    aggregate_id,
                    reason: format!(
                        "Kafka refused event {event_id} for {}: {}",
                        failure.topic, failure.error
                    ),
                });
            } else {
                self.refusal.suspects.insert(event_id);
            }
        }
        if !alone && !self.refusal.suspects.is_empty() {
            self.refusal.since = Some(Instant::now());
        }
    }

    /// What keeps the relay from sending, if anything does.
    pub(super) fn still_stopped(&mut self) -> Option<StepOutcome> {
        if self.refusal.is_settled() && self.rows_in_flight() == 0 {
            self.refusal = Refusal::default();
            self.publisher.close();
        }
        let (until, reason) = self.stopped_until.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.stopped_until = None;
            return None;
        }
        Some(StepOutcome::Stopped {
            reason: reason.clone(),
            resumes_in: left,
        })
    }
}
