//! The side of a stream that reads the history.

use std::{collections::BTreeMap, sync::Arc};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    ItemTopics, WatchEnd, WatchFilter, WatchLimits, WatchMessage,
    open_stream::OpenStream,
    positions::{Positions, Source},
};
use crate::{
    queries::InvalidResumeToken,
    read::{
        TAIL_PAGE, Views,
        rows::{HistoryRow, ViewPosition},
    },
};

/// The side that reads the history.
pub(super) struct Follower {
    pub(super) views: Views,
    pub(super) topics: Arc<ItemTopics>,
    pub(super) limits: WatchLimits,
    pub(super) filter: WatchFilter,
    pub(super) at: Positions,
    /// Where the last message said that it is.
    pub(super) told: Positions,
    pub(super) send: mpsc::Sender<WatchMessage>,
    /// Given back when the stream ends.
    pub(super) place: OpenStream,
}

pub(super) enum Ended {
    ReaderGone,
    Because(WatchEnd),
}

impl Follower {
    /// Sends until the reader is gone, or there is a cause to end.
    pub(super) async fn follow(&mut self, mut wake: watch::Receiver<u64>) -> Ended {
        if let Err(ended) = self.send(None).await {
            return ended;
        }
        let mut last_sent = Instant::now();
        loop {
            let (sent, more) = match self.advance().await {
                Ok(advanced) => advanced,
                Err(ended) => return ended,
            };
            // What the filter left out since the last message moves the token too.
            let is_due = !sent && last_sent.elapsed() >= self.limits.bookmark && self.at != self.told;
            if is_due && let Err(ended) = self.send(None).await {
                return ended;
            }
            if sent || is_due {
                last_sent = Instant::now();
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
            .map(|((source, partition), offset)| ViewPosition {
                topic: self.topics.name(*source).to_owned(),
                partition: *partition,
                next_offset: *offset,
            })
            .collect();
        let rows = self.views.tail(&self.topics.all(), from).await;
        let rows = rows.map_err(|error| Ended::Because(WatchEnd::Failed(error.into())))?;
        let mut read: BTreeMap<(Source, i32), (i64, i64)> = BTreeMap::new();
        let mut sent = false;
        for row in rows {
            let place = (self.topics.source(&row.at.topic), row.at.partition);
            if !read.contains_key(&place) && self.at.offset(&place) < row.at.first_offset {
                return Err(Ended::Because(WatchEnd::Failed(
                    InvalidResumeToken::TooOld.into(),
                )));
            }
            let (next_offset, count) = read.entry(place).or_insert((row.at.next_offset, 0));
            *next_offset = row.at.next_offset;
            let Some((offset, change)) = row.change else {
                continue;
            };
            *count += 1;
            self.at.0.insert(place, offset + 1);
            if self.filter.admits(&change) {
                self.send(Some(change)).await?;
                sent = true;
            }
        }
        let mut more = false;
        for (place, (next_offset, count)) in read {
            if count < TAIL_PAGE {
                // All there is was read: what lies between the last change and here is no change.
                self.at.0.insert(place, next_offset);
            } else {
                more = true;
            }
        }
        Ok((sent, more))
    }

    async fn send(&mut self, change: Option<HistoryRow>) -> Result<(), Ended> {
        self.told.clone_from(&self.at);
        let message = WatchMessage {
            resume_token: self.at.token(&self.topics),
            change,
        };
        match timeout(self.limits.slow_after, self.send.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::ReaderGone),
            Err(_) => Err(Ended::Because(WatchEnd::SlowReader)),
        }
    }
}
