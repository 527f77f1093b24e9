//! The changes of items as a stream that resumes without gap or double.
//!
//! The history rows carry their place in the log, and the projector moves its offsets in the transaction that writes
//! them. So a stream reads, in one statement, how far the views have each partition and the changes between there and
//! its own position; notifications only make it look sooner.

use std::{
    collections::{BTreeMap, HashSet},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use depot_service::auth::Principal;
use futures::Stream;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{InvalidResumeToken, Queries, QueryError, require_reader};
use crate::read::{Views, rows::HistoryRow};

/// The most items that one stream names.
pub const MAX_WATCHED_IDS: usize = 100;
/// Changes of one partition that are read at a time.
const BATCH: i64 = 32;
/// Messages that wait for a reader.
const BUFFERED: usize = 32;
/// A token is six partitions of a few digits each; longer is not ours.
const MAX_TOKEN_BYTES: usize = 4_096;

/// Bounds of the streams.
#[derive(Debug, Clone, Copy)]
pub struct WatchLimits {
    /// Streams open at a time.
    pub max_streams: usize,
    /// How long a message may wait for its reader before the stream is ended.
    pub slow_after: Duration,
    /// How often to look without a notification.
    pub poll: Duration,
    /// How often to send a token when there is no change to send.
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

/// The open streams of the process, and the topic they follow. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watches {
    topic: Arc<str>,
    limits: WatchLimits,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Watches {
    /// Streams over the items topic `topic`; all end when `stop` is cancelled.
    pub fn new(topic: &str, limits: WatchLimits, stop: CancellationToken) -> Self {
        Self {
            topic: topic.into(),
            limits,
            places: Arc::new(Semaphore::new(limits.max_streams)),
            tasks: TaskTracker::new(),
            stop,
        }
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
    Failed(QueryError),
}

/// Positions by partition: the offset of the first change not sent yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Positions(BTreeMap<i32, i64>);

/// A position in writing; the topic is named, since its offsets mean nothing in another.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPositions {
    topic: String,
    offsets: Vec<(i32, i64)>,
}

impl Positions {
    fn token(&self, topic: &str) -> String {
        let written = WrittenPositions {
            topic: topic.to_owned(),
            offsets: self
                .0
                .iter()
                .map(|(partition, offset)| (*partition, *offset))
                .collect(),
        };
        // Text and numbers always serialize.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&written).unwrap_or_default())
    }

    fn parse(token: &str, topic: &str) -> Result<Self, InvalidResumeToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(InvalidResumeToken::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| InvalidResumeToken::Malformed)?;
        let written: WrittenPositions =
            serde_json::from_slice(&bytes).map_err(|_| InvalidResumeToken::Malformed)?;
        if written.topic != topic {
            return Err(InvalidResumeToken::OutOfRange);
        }
        let count = written.offsets.len();
        let positions: BTreeMap<_, _> = written.offsets.into_iter().collect();
        if positions.len() != count
            || positions
                .iter()
                .any(|(partition, offset)| *partition < 0 || *offset < 0)
        {
            return Err(InvalidResumeToken::Malformed);
        }
        Ok(Self(positions))
    }

    /// A token is never ahead of the views that gave it out, and views are only replaced by ones that are further.
    fn within(self, views: &Self) -> Result<Self, InvalidResumeToken> {
        let known =
            |(partition, offset): (&i32, &i64)| *offset <= views.0.get(partition).copied().unwrap_or(0);
        if self.0.iter().all(known) {
            Ok(self)
        } else {
            Err(InvalidResumeToken::OutOfRange)
        }
    }
}

/// Opens a stream: from now, or from where `resume_token` was given out.
///
/// # Errors
/// [`QueryError::ResumeToken`], [`QueryError::TooManyStreams`] and what any read fails with.
pub async fn watch_items(
    queries: &Queries,
    principal: &Principal,
    filter: WatchFilter,
    resume_token: Option<&str>,
) -> Result<WatchStream, QueryError> {
    require_reader(principal)?;
    let watches = &queries.watches;
    let given = resume_token
        .map(|token| Positions::parse(token, &watches.topic))
        .transpose()?;
    let place = Arc::clone(&watches.places)
        .try_acquire_owned()
        .map_err(|_| QueryError::TooManyStreams)?;
    // Subscribed before the first look, so that a change after it wakes the stream.
    let wake = queries.feed.any_item();
    let views = queries.reader.views().clone();
    let now = Positions(views.positions(&watches.topic).await?.into_iter().collect());
    let from = match given {
        Some(given) => given.within(&now)?,
        None => now,
    };
    let (send, receive) = mpsc::channel(BUFFERED);
    let end = Arc::new(OnceLock::new());
    let mut follower = Follower {
        views,
        topic: Arc::clone(&watches.topic),
        limits: watches.limits,
        filter,
        at: from,
        send,
        _place: place,
    };
    let stop = watches.stop.clone();
    let cause = Arc::clone(&end);
    watches.tasks.spawn(async move {
        let ended = tokio::select! {
            () = stop.cancelled() => WatchEnd::Stopping,
            ended = follower.follow(wake) => match ended {
                Ended::ReaderGone => return,
                Ended::Because(end) => end,
            },
        };
        let _first_cause_stands = cause.set(ended);
        // The sender goes after the cause is set: the reader finds it when the channel ends.
        drop(follower);
    });
    Ok(WatchStream {
        receive,
        end,
        ended: false,
    })
}

/// The side that reads the history.
struct Follower {
    views: Views,
    topic: Arc<str>,
    limits: WatchLimits,
    filter: WatchFilter,
    at: Positions,
    send: mpsc::Sender<WatchMessage>,
    _place: OwnedSemaphorePermit,
}

enum Ended {
    ReaderGone,
    Because(WatchEnd),
}

impl Follower {
    async fn follow(&mut self, mut wake: watch::Receiver<u64>) -> Ended {
        if let Err(ended) = self.send(None).await {
            return ended;
        }
        let mut told = Instant::now();
        loop {
            let before = self.at.clone();
            let (sent, more) = match self.advance().await {
                Ok(advanced) => advanced,
                Err(ended) => return ended,
            };
            if sent {
                told = Instant::now();
            } else if told.elapsed() >= self.limits.bookmark && self.at != before {
                if let Err(ended) = self.send(None).await {
                    return ended;
                }
                told = Instant::now();
            }
            if more {
                continue;
            }
            tokio::select! {
                // A feed that ended wakes nobody any more; the polls go on.
                Ok(()) = wake.changed() => {}
                () = sleep(self.limits.poll) => {}
                () = self.send.closed() => return Ended::ReaderGone,
            }
        }
    }

    /// Sends what came since the last look, and tells whether anything was sent and whether there is more.
    async fn advance(&mut self) -> Result<(bool, bool), Ended> {
        let from: Vec<_> = self
            .at
            .0
            .iter()
            .map(|(partition, offset)| (*partition, *offset))
            .collect();
        let rows = self.views.tail(&self.topic, &from, BATCH).await;
        let rows = rows.map_err(|error| Ended::Because(WatchEnd::Failed(error.into())))?;
        let mut read: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
        let mut sent = false;
        for row in rows {
            let (next_offset, count) = read.entry(row.partition).or_insert((row.next_offset, 0));
            *next_offset = row.next_offset;
            let Some((offset, change)) = row.change else {
                continue;
            };
            *count += 1;
            self.at.0.insert(row.partition, offset + 1);
            if self.filter.admits(&change) {
                self.send(Some(change)).await?;
                sent = true;
            }
        }
        let mut more = false;
        for (partition, (next_offset, count)) in read {
            if count < BATCH {
                // All there is was read: what lies between the last change and here is no change.
                self.at.0.insert(partition, next_offset);
            } else {
                more = true;
            }
        }
        Ok((sent, more))
    }

    async fn send(&self, change: Option<HistoryRow>) -> Result<(), Ended> {
        let message = WatchMessage {
            resume_token: self.at.token(&self.topic),
            change,
        };
        match timeout(self.limits.slow_after, self.send.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::ReaderGone),
            Err(_) => Err(Ended::Because(WatchEnd::SlowReader)),
        }
    }
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
        // What still waits for a slow reader is dropped: it resumes from the last token that it has.
        if let Some(WatchEnd::SlowReader) = self.end.get() {
            self.ended = true;
            return Poll::Ready(Some(Err(WatchEnd::SlowReader)));
        }
        if let Some(message) = ready!(self.receive.poll_recv(context)) {
            return Poll::Ready(Some(Ok(message)));
        }
        self.ended = true;
        let end = self.end.get().cloned().unwrap_or(WatchEnd::Stopping);
        Poll::Ready(Some(Err(end)))
    }
}
