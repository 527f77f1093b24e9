//! What a service gives: a decoder and a handler, and how it says that something failed.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::record::Record;

/// The cause inside a [`Failure`].
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A record that can never be handled: it can't be decoded, or fails deterministically.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason_class}: {message}")]
pub struct Poison {
    /// A short stable name of the reason, for grouping dead letters: `not-json`, `unknown-type`, `no-key`.
    pub reason_class: String,
    /// What exactly is wrong, for the person who looks at the dead letter.
    pub message: String,
}

impl Poison {
    /// Poison with its class and message.
    pub fn new(reason_class: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason_class: reason_class.into(),
            message: message.into(),
        }
    }
}

/// Why a record or batch was not handled. The kinds are never mixed: a business refusal is none of them, it is an
/// outcome that the handler records, and `Ok`.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The record goes to the dead-letter topic with its original bytes, then the partition moves on.
    #[error(transparent)]
    Poison(#[from] Poison),
    /// A dependency is away. The same work is tried again after a growing delay, for as long as it takes; it counts
    /// against no message.
    #[error("{message}")]
    Transient {
        /// What was being done, and to what.
        message: String,
        /// The dependency's own error.
        #[source]
        source: Option<BoxError>,
    },
    /// A fault of this one message that may pass, while others pass: it goes to a retry topic, and what follows of its
    /// key goes with it; after the last retry topic it goes to the dead letters. To be answered only when the
    /// dependency is known to work for others. Without retry topics, and in batches, it is as [`Failure::Transient`].
    #[error("{message}")]
    RetryLater {
        /// What was being done, and to what.
        message: String,
        /// The cause.
        #[source]
        source: Option<BoxError>,
    },
    /// This process can't go on: a wrong configuration, a broken promise of its own. The consumer stops, nothing is
    /// committed past the record.
    #[error("{message}")]
    Fatal {
        /// What can't go on, and what to do about it.
        message: String,
        /// The cause.
        #[source]
        source: Option<BoxError>,
    },
}

impl Failure {
    /// [`Failure::Poison`] of that class.
    pub fn poison(reason_class: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Poison(Poison::new(reason_class, message))
    }

    /// [`Failure::Transient`] with its cause.
    pub fn transient(message: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Transient {
            message: message.into(),
            source: Some(source.into()),
        }
    }

    /// [`Failure::RetryLater`] with its cause.
    pub fn retry_later(message: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::RetryLater {
            message: message.into(),
            source: Some(source.into()),
        }
    }

    /// [`Failure::Fatal`] with its cause.
    pub fn fatal(message: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Fatal {
            message: message.into(),
            source: Some(source.into()),
        }
    }
}

/// What a handler is told besides the record.
#[derive(Clone, Debug)]
pub struct Context {
    cancelled: CancellationToken,
    generation: u64,
    attempt: u32,
}

impl Context {
    pub(crate) fn new(cancelled: CancellationToken, generation: u64, attempt: u32) -> Self {
        Self {
            cancelled,
            generation,
            attempt,
        }
    }

    /// A context that is never cancelled, for calling a handler without a consumer.
    #[must_use]
    pub fn detached() -> Self {
        Self::new(CancellationToken::new(), 0, 1)
    }

    /// Fires when the partition is being taken away or the drain deadline of a shutdown has passed. Work that takes
    /// longer than a moment should then end, with [`Failure::Transient`]: nothing of it is committed, and the next
    /// owner does it again. After [`crate::ConsumerSettings::revoke_grace`] the handler's future is dropped.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Counts the assignments that this consumer has seen; the same partition assigned again has another generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// 1 for the first attempt since the record was taken, then one more for each try after a transient failure.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// Handles records one by one, in order per key, with different keys of a partition side by side.
pub trait KeyHandler: Send + Sync + 'static {
    /// What a record is decoded to.
    type Event: Send + Sync + 'static;

    /// Whether a record is to be handled. One that is not is passed unread, and in no order with others of its key: no
    /// poison is found in it. Asked of each record, so it looks at no more than a header.
    fn concerns(&self, _record: &Record) -> bool {
        true
    }

    /// Decodes a record, without I/O.
    ///
    /// # Errors
    /// [`Poison`] for a record that isn't what this topic carries: no key, no JSON, an unknown type or version.
    fn decode(&self, record: &Record) -> Result<Self::Event, Poison>;

    /// Does the work of one event. It must be idempotent: after a crash or a rebalance the same record comes again.
    /// A panic is taken for poison.
    ///
    /// # Errors
    /// See [`Failure`].
    fn handle(
        &self,
        event: &Self::Event,
        record: &Record,
        cx: &Context,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Consecutive records of one partition, decoded. Poison that was found while decoding has gone to the dead letters
/// and is absent from `events`, but lies in the range that the offsets span; so `events` may be empty. Cheap to clone.
#[derive(Debug)]
pub struct Batch<E> {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The next offset that the handler stored last (or loaded): the expected side of its compare-and-set. Not always
    /// the first record's offset, since logs have gaps.
    pub expected_offset: i64,
    /// The next offset to store with this batch: one past its last record.
    pub next_offset: i64,
    /// Records and what they were decoded to, in log order.
    pub events: Events<E>,
}

impl<E> Clone for Batch<E> {
    fn clone(&self) -> Self {
        Self {
            topic: Arc::clone(&self.topic),
            events: self.events.clone(),
            ..*self
        }
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// The rows and `next_offset` are committed, in one transaction.
    Stored,
    /// The stored offset was not `expected_offset`, nothing was written: load the offset again and go there.
    Reload,
}

/// What becomes of a record that is poison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// It goes to the dead letters.
    DeadLetter,
    /// It is passed by: another reader of the same log tells of it.
    Passed,
}

/// Handles batches of one partition in order, and stores the offset itself, in the transaction of its rows.
pub trait BatchHandler: Send + Sync + 'static {
    /// What a record is decoded to.
    type Event: Send + Sync + 'static;

    /// Decodes a record, without I/O.
    ///
    /// # Errors
    /// [`Poison`] for a record that isn't what this topic carries: no key, no JSON, an unknown type or version.
    fn decode(&self, record: &Record) -> Result<Self::Event, Poison>;

    /// Applies a batch and stores `batch.next_offset` where `batch.expected_offset` was, all in one transaction.
    ///
    /// # Errors
    /// See [`Failure`]. On [`Failure::Poison`] (or a panic) of a batch of several events, which must then have left
    /// nothing behind, the batch comes again in halves until the one record is found; that one goes to the dead
    /// letters and its range comes again with `events` empty.
    fn handle_batch(
        &self,
        batch: &Batch<Self::Event>,
        cx: &Context,
    ) -> impl Future<Output = Result<BatchOutcome, Failure>> + Send;

    /// What becomes of a record that is poison: it goes to the dead letters, unless the handler says otherwise.
    ///
    /// # Errors
    /// It may not be passed now. The question is asked again, for as long as it takes; meanwhile the partition stands before
    /// the record, and its status has the error.
    fn give_up(
        &self,
        _record: &Record,
        _poison: &Poison,
    ) -> impl Future<Output = Result<GivenUp, Failure>> + Send {
        std::future::ready(Ok(GivenUp::DeadLetter))
    }
}
