//! The open streams, counted: how many there are behind each door, and why those ended that did.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::OwnedSemaphorePermit;

use super::{WatchEnd, follower::Ended};

const OPEN: &str = "depot_watch_streams_open";
const ENDED_TOTAL: &str = "depot_watch_streams_ended_total";
const REASONS: [&str; 5] = ["client", "stopping", "slow_reader", "token_expired", "failed"];

/// How a stream's client came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamDoor {
    Rest,
    Grpc,
}

impl StreamDoor {
    fn label(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Grpc => "grpc",
        }
    }
}

/// Says what the metrics of streams mean.
pub fn describe_stream_metrics() {
    describe_gauge!(OPEN, Unit::Count, "Streams of changes that are open, by door");
    describe_counter!(
        ENDED_TOTAL,
        Unit::Count,
        "Streams of changes that ended, by door and reason"
    );
    for door in [StreamDoor::Rest, StreamDoor::Grpc] {
        gauge!(OPEN, "door" => door.label()).increment(0.0);
        for reason in REASONS {
            counter!(ENDED_TOTAL, "door" => door.label(), "reason" => reason).increment(0);
        }
    }
}

/// The place of one stream, given back when it ends.
pub(super) struct OpenStream {
    door: StreamDoor,
    #[expect(dead_code, reason = "held, never read")]
    place: OwnedSemaphorePermit,
}

impl OpenStream {
    pub(super) fn new(door: StreamDoor, place: OwnedSemaphorePermit) -> Self {
        gauge!(OPEN, "door" => door.label()).increment(1.0);
        Self { door, place }
    }

    pub(super) fn count(&self, ended: &Ended) {
        let reason = match ended {
            Ended::ReaderGone => "client",
            Ended::Because(WatchEnd::Stopping) => "stopping",
            Ended::Because(WatchEnd::SlowReader) => "slow_reader",
            Ended::Because(WatchEnd::TokenExpired) => "token_expired",
            Ended::Because(WatchEnd::Failed(_)) => "failed",
        };
        counter!(ENDED_TOTAL, "door" => self.door.label(), "reason" => reason).increment(1);
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        gauge!(OPEN, "door" => self.door.label()).decrement(1.0);
    }
}
