//! What every piece of work on a partition has: its settings, its two tokens, its delays, its way to the dead letters.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use depot_retry::Delays;
use futures::FutureExt as _;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::dead_letter::DeadLetters;
use crate::error::{ConsumerError, chain};
use crate::handler::{BoxError, Context, Failure, Poison};
use crate::offset_source::OffsetSource;
use crate::partition::PartitionReader;
use crate::progress::{Progress, TroubleGuard};
use crate::record::Record;
use crate::settings::ConsumerSettings;

/// One assignment of a partition, as its work sees it.
#[derive(Clone)]
pub(crate) struct Assignment {
    pub(crate) settings: Arc<ConsumerSettings>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) dead_letters: DeadLetters,
    /// Take nothing new and stop waiting, but finish what runs.
    pub(crate) drain: CancellationToken,
    /// End what runs: the partition goes, or the drain took too long.
    pub(crate) cancel: CancellationToken,
}

/// The work was left undone because the consumer or the partition is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interrupted;

impl Assignment {
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        let delays = Delays::never_ending(self.settings.backoff_initial, self.settings.backoff_max);
        Attempts {
            assignment: self,
            delays,
            trouble: None,
            count: 0,
        }
    }

    /// Loads the offset and goes there, for as long as that takes. Returns the offset.
    pub(crate) async fn position<S: OffsetSource>(
        &self,
        reader: &mut PartitionReader,
        source: &S,
    ) -> Result<i64, Interrupted> {
        let mut attempts = self.attempts();
        loop {
            let Some(loaded) = self
                .drain
                .run_until_cancelled(source.load(&self.progress.topic, self.progress.partition))
                .await
            else {
                return Err(Interrupted);
            };
            let failed = match loaded {
                Ok(offset) => match reader.go_to(offset).await {
                    Ok(()) => {
                        self.progress.start_at(offset);
                        return Ok(offset);
                    }
                    Err(error) => format!("go to offset {offset}: {}", chain(&error)),
                },
                Err(error) => chain(&error),
            };
            attempts.pause(failed).await?;
        }
    }

    /// Writes a dead letter, for as long as that takes. The record may be passed only after this.
    pub(crate) async fn dead_letter(&self, record: &Record, poison: &Poison) -> Result<(), Interrupted> {
        let mut attempts = self.attempts();
        loop {
            let now = OffsetDateTime::now_utc();
            match self
                .dead_letters
                .publish(
                    record,
                    self.settings.source_of(record),
                    self.settings.letters_of(),
                    poison,
                    now,
                )
                .await
            {
                Ok(()) => break,
                Err(error) => attempts.pause(chain(&error)).await?,
            }
        }
        self.progress.metrics.dead_lettered.increment(1);
        tracing::warn!(
            messaging.destination.name = %record.topic,
            messaging.destination.partition.id = record.partition,
            messaging.kafka.offset = record.offset,
            error.r#type = %poison.reason_class,
            error.message = %poison.message,
            "record sent to the dead letters"
        );
        Ok(())
    }

    pub(crate) fn fatal(&self, offset: i64, message: String, source: Option<BoxError>) -> ConsumerError {
        ConsumerError::Handler {
            group: self.settings.group.clone(),
            topic: self.progress.topic.to_string(),
            partition: self.progress.partition,
            offset,
            message,
            source,
        }
    }
}

/// The attempts at one piece of work.
pub(crate) struct Attempts<'a> {
    assignment: &'a Assignment,
    delays: Delays,
    trouble: Option<TroubleGuard>,
    count: u32,
}

impl Attempts<'_> {
    /// Begins the next attempt.
    pub(crate) fn next_context(&mut self) -> Context {
        self.count = self.count.saturating_add(1);
        let assignment = self.assignment;
        Context::new(
            assignment.cancel.clone(),
            assignment.progress.generation,
            self.count,
        )
    }

    /// Reports a failure and waits before the next attempt.
    pub(crate) async fn pause(&mut self, message: String) -> Result<(), Interrupted> {
        if self.assignment.drain.is_cancelled() {
            return Err(Interrupted);
        }
        match &self.trouble {
            Some(trouble) => trouble.update(message),
            None => self.trouble = Some(self.assignment.progress.trouble(message)),
        }
        let delay = self
            .delays
            .next_delay()
            .unwrap_or(self.assignment.settings.backoff_max);
        self.wait(delay).await
    }

    async fn wait(&self, delay: Duration) -> Result<(), Interrupted> {
        self.assignment
            .drain
            .run_until_cancelled(tokio::time::sleep(delay))
            .await
            .ok_or(Interrupted)
    }
}

/// Decodes; a panic is poison.
pub(crate) fn decode_caught<E>(decode: impl FnOnce() -> Result<E, Poison>) -> Result<E, Poison> {
    std::panic::catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| Err(poison_of(&*panic)))
}

/// Runs a handler; a panic is poison. What the handler shares across calls is its own to keep whole.
pub(crate) async fn handle_caught<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(poison_of(&*panic).into()))
}

fn poison_of(panic: &(dyn std::any::Any + Send)) -> Poison {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Poison::new("panic", text)
}

#[cfg(test)]
mod client_tests {
    use std::time::{Duration, Instant};

    use super::{Interrupted, decode_caught, handle_caught};
    use crate::handler::{Failure, Poison};
    use crate::status::PartitionState;
    use crate::unconnected::{assignment, settings};

    #[tokio::test]
    async fn attempts_are_counted_and_their_last_failure_is_shown_until_they_end() {
        let mut settings = settings();
        (settings.backoff_initial, settings.backoff_max) =
            (Duration::from_millis(1), Duration::from_millis(2));
        let assignment = assignment(settings);
        assignment.progress.start_at(0);
        let mut attempts = assignment.attempts();
        assert_eq!(attempts.next_context().attempt(), 1);
        attempts.pause("first".into()).await.unwrap();
        let context = attempts.next_context();
        assert_eq!((context.attempt(), context.generation()), (2, 3));
        attempts.pause("second".into()).await.unwrap();
        let state = || assignment.progress.status().state;
        assert!(matches!(state(), PartitionState::BackingOff(trouble) if trouble.message == "second"));
        assert!(!context.cancelled().is_cancelled());
        assignment.cancel.cancel();
        assert!(context.cancelled().is_cancelled());
        drop(attempts);
        assert_eq!(state(), PartitionState::Running);
    }

    #[tokio::test]
    async fn between_two_attempts_a_delay_passes() {
        let mut settings = settings();
        (settings.backoff_initial, settings.backoff_max) =
            (Duration::from_millis(20), Duration::from_millis(20));
        let assignment = assignment(settings);
        let mut attempts = assignment.attempts();
        let began = Instant::now();
        for _ in 0..20 {
            attempts.pause("away".into()).await.unwrap();
        }
        // Each is drawn from 0 to 20 ms.
        assert!(
            began.elapsed() > Duration::from_millis(40),
            "{:?}",
            began.elapsed()
        );
    }

    #[tokio::test]
    async fn a_drain_ends_a_delay_and_lets_no_other_begin() {
        let mut settings = settings();
        (settings.backoff_initial, settings.backoff_max) =
            (Duration::from_secs(3_600), Duration::from_secs(3_600));
        let assignment = assignment(settings);
        let mut attempts = assignment.attempts();
        let drain = assignment.drain.clone();
        let (paused, ()) = tokio::join!(attempts.pause("away".into()), async { drain.cancel() });
        assert_eq!(paused, Err(Interrupted));
        let mut later = assignment.attempts();
        assert_eq!(later.pause("away".into()).await, Err(Interrupted));
    }

    #[tokio::test]
    async fn a_panic_of_a_handler_is_poison_with_what_it_said() {
        let of_decoder = decode_caught::<()>(|| panic!("not a number"));
        assert_eq!(of_decoder, Err(Poison::new("panic", "not a number")));
        let number = 7;
        let of_handler = handle_caught::<()>(async move { panic!("no {number}") }).await;
        assert!(matches!(of_handler, Err(Failure::Poison(poison)) if poison == Poison::new("panic", "no 7")));
        let of_neither = handle_caught::<()>(async { std::panic::panic_any(7_u8) }).await;
        assert!(matches!(of_neither, Err(Failure::Poison(poison)) if poison.message == "no message"));
        assert_eq!(decode_caught(|| Ok(7)), Ok(7));
        assert_eq!(handle_caught(async { Ok(7) }).await.unwrap(), 7);
    }
}
