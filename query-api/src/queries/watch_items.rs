//! The changes of items as a stream that resumes without gap or double.
//!
//! The history rows carry their place in the log, and the projector moves its offsets in the transaction that writes
//! them. So a stream reads, in one statement, how far the views have each partition and the changes between there and
//! its own position; notifications only make it look sooner. A position before which the history has let go of changes is
//! refused, when the stream is opened and at each look, since nothing else would tell that some are left out. An event that the projector had given up has its place in
//! the topic by which it came back, so that streams are told of it then, late as it is.

mod follower;
mod open_stream;
mod positions;

use std::{
    collections::HashSet,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use depot_service::auth::Principal;
use futures::Stream;
use tokio::{
    sync::{Semaphore, mpsc},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use self::{
    follower::{Ended, Follower},
    open_stream::OpenStream,
    positions::Positions,
};
pub use self::{
    open_stream::{StreamDoor, describe_stream_metrics},
    positions::ItemTopics,
};
use super::{Queries, QueryError, require_reader};
use crate::read::rows::{HistoryRow, ViewExtent};

/// The most items that one stream names.
pub const MAX_WATCHED_IDS: usize = 100;
/// Messages that wait for a reader.
const BUFFERED: usize = 32;

/// Bounds of the streams.
#[derive(Debug, Clone, Copy)]
pub struct WatchLimits {
    /// Streams open at a time.
    pub max_streams: usize,
    /// How long a message may wait for its reader before the stream is ended.
    pub slow_after: Duration,
    /// How often to look without a notification.
    pub poll: Duration,
    /// How often to send a token when there is no change to send, and over REST a sign of life when there is neither.
    pub bookmark: Duration,
}

impl Default for WatchLimits {
    fn default() -> Self {
        Self {
            max_streams: 200,
            slow_after: Duration::from_secs(10),
            poll: Duration::from_secs(1),
            bookmark: Duration::from_secs(15),
        }
    }
}

/// The open streams of the process, and the topics they follow. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watches {
    topics: Arc<ItemTopics>,
    limits: WatchLimits,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Watches {
    /// Streams over the changes of items; all end when `stop` is cancelled.
    pub fn new(topics: ItemTopics, limits: WatchLimits, stop: CancellationToken) -> Self {
        Self {
            topics: Arc::new(topics),
            limits,
            places: Arc::new(Semaphore::new(limits.max_streams)),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// What the streams are held to.
    pub fn limits(&self) -> WatchLimits {
        self.limits
    }

    /// How many streams are open.
    pub fn open(&self) -> usize {
        self.limits.max_streams - self.places.available_permits()
    }

    /// Waits, after the stop, until every stream has ended.
    pub async fn ended(self) {
        self.stop.cancelled().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Which changes; what is not given does not narrow.
#[derive(Debug, Clone, Default)]
pub struct WatchFilter {
    pub ids: HashSet<Uuid>,
    pub owner: Option<String>,
    /// Carried by the item after the change.
    pub tag: Option<String>,
}

impl WatchFilter {
    fn admits(&self, change: &HistoryRow) -> bool {
        let item = &change.item;
        (self.ids.is_empty() || self.ids.contains(&change.item_id))
            && self.owner.as_ref().is_none_or(|owner| *owner == item.owner)
            && self.tag.as_ref().is_none_or(|tag| item.tags.contains(tag))
    }
}

/// Who asks for a stream, and of what.
#[derive(Debug, Clone)]
pub struct WatchRequest {
    pub door: StreamDoor,
    pub filter: WatchFilter,
    /// Where to go on; from now where there is none.
    pub resume_token: Option<String>,
    /// How long the caller's token is good. Nothing is shown after that.
    pub time_left: Duration,
}

/// One message of a stream.
#[derive(Debug, Clone)]
pub struct WatchMessage {
    /// Goes on after this message.
    pub resume_token: String,
    /// None in a message that only moves the token; the first message is one.
    pub change: Option<HistoryRow>,
}

/// Why a stream ended that its client did not end.
#[derive(Debug, Clone)]
pub enum WatchEnd {
    /// The service is stopping: resume elsewhere.
    Stopping,
    /// The reader did not keep up: resume from the last token received.
    SlowReader,
    /// The caller's bearer token is no longer good: resume with another.
    TokenExpired,
    Failed(QueryError),
}

impl WatchEnd {
    /// Whether what still waits for the reader is dropped: it did not take it in time, or may not have it any more.
    fn drops_what_waits(&self) -> bool {
        matches!(self, Self::SlowReader | Self::TokenExpired)
    }
}

/// Opens a stream: from now, or from where the resume token was given out.
///
/// # Errors
/// [`QueryError::ResumeToken`], [`QueryError::TooManyStreams`] and what any read fails with.
pub async fn watch_items(
    queries: &Queries,
    principal: &Principal,
    request: WatchRequest,
) -> Result<WatchStream, QueryError> {
    require_reader(principal)?;
    let watches = &queries.watches;
    let given = request
        .resume_token
        .map(|token| Positions::parse(&token, &watches.topics))
        .transpose()?;
    let permit = Arc::clone(&watches.places)
        .try_acquire_owned()
        .map_err(|_| QueryError::TooManyStreams)?;
    // Subscribed before the first look, so that a change after it wakes the stream.
    let wake = queries.feed.any_item();
    let views = queries.reader.sources().primary().clone();
    let extents = views.extents(&watches.topics.all()).await?;
    let place = |at: &ViewExtent| (watches.topics.source(&at.topic), at.partition);
    let now = Positions::of(extents.iter().map(|at| (place(at), at.next_offset)));
    let first = Positions::of(extents.iter().map(|at| (place(at), at.first_offset)));
    let from = match given {
        Some(given) => given.within(&first, &now)?,
        None => now,
    };
    let (send, receive) = mpsc::channel(BUFFERED);
    let end = Arc::new(OnceLock::new());
    let mut follower = Follower {
        views,
        topics: Arc::clone(&watches.topics),
        limits: watches.limits,
        filter: request.filter,
        told: from.clone(),
        at: from,
        send,
        place: OpenStream::new(request.door, permit),
    };
    let (stop, time_left) = (watches.stop.clone(), request.time_left);
    let cause = Arc::clone(&end);
    watches.tasks.spawn(async move {
        let ended = tokio::select! {
            () = stop.cancelled() => Ended::Because(WatchEnd::Stopping),
            () = sleep(time_left) => Ended::Because(WatchEnd::TokenExpired),
            ended = follower.follow(wake) => ended,
        };
        follower.place.count(&ended);
        if let Ended::Because(end) = ended {
            let _first_cause_stands = cause.set(end);
        }
        // The sender goes after the cause is set: the reader finds it when the channel ends.
        drop(follower);
    });
    Ok(WatchStream {
        receive,
        end,
        ended: false,
    })
}

/// The side of the client. Ends with why, unless the client ends it.
#[derive(Debug)]
pub struct WatchStream {
    receive: mpsc::Receiver<WatchMessage>,
    end: Arc<OnceLock<WatchEnd>>,
    ended: bool,
}

impl Stream for WatchStream {
    type Item = Result<WatchMessage, WatchEnd>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // Who resumes from the last token received misses none of what is dropped.
        if let Some(end) = self.end.get().filter(|end| end.drops_what_waits()).cloned() {
            self.ended = true;
            return Poll::Ready(Some(Err(end)));
        }
        if let Some(message) = ready!(self.receive.poll_recv(context)) {
            return Poll::Ready(Some(Ok(message)));
        }
        self.ended = true;
        let end = self.end.get().cloned().unwrap_or(WatchEnd::Stopping);
        Poll::Ready(Some(Err(end)))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    /// What a reader has of a stream that ended while two messages were waiting for it.
    async fn read_after(end: WatchEnd) -> Vec<Result<String, WatchEnd>> {
        let (send, receive) = mpsc::channel(BUFFERED);
        for token in ["a", "b"] {
            let message = WatchMessage {
                resume_token: token.to_owned(),
                change: None,
            };
            send.try_send(message).unwrap();
        }
        drop(send);
        let stream = WatchStream {
            receive,
            end: Arc::new(OnceLock::from(end)),
            ended: false,
        };
        let token = |message: WatchMessage| message.resume_token;
        stream.map(|message| message.map(token)).collect().await
    }

    #[tokio::test]
    async fn who_may_not_read_on_is_not_told_what_was_waiting() {
        let read = read_after(WatchEnd::TokenExpired).await;
        assert!(matches!(read[..], [Err(WatchEnd::TokenExpired)]), "{read:?}");
        let read = read_after(WatchEnd::SlowReader).await;
        assert!(matches!(read[..], [Err(WatchEnd::SlowReader)]), "{read:?}");
    }

    #[tokio::test]
    async fn what_was_waiting_is_told_before_a_service_stops() {
        let read = read_after(WatchEnd::Stopping).await;
        assert!(
            matches!(&read[..], [Ok(a), Ok(b), Err(WatchEnd::Stopping)] if a == "a" && b == "b"),
            "{read:?}"
        );
    }
}
