//! Where a stream stands in the log, and its token.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::queries::InvalidResumeToken;

/// A token is twelve partitions of a few digits each; longer is not ours.
const MAX_TOKEN_BYTES: usize = 4_096;

/// The topics that changes of items come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemTopics {
    /// The events of items.
    pub events: String,
    /// Where those come from that the projector had given up.
    pub redriven: String,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Events,
    Redriven,
}

impl ItemTopics {
    pub(super) fn source(&self, topic: &str) -> Source {
        if topic == self.redriven {
            Source::Redriven
        } else {
            Source::Events
        }
    }

    pub(super) fn name(&self, source: Source) -> &str {
        match source {
            Source::Events => &self.events,
            Source::Redriven => &self.redriven,
        }
    }

    pub(super) fn all(&self) -> [String; 2] {
        [self.events.clone(), self.redriven.clone()]
    }
}

/// Positions by partition: the offset of the first change not sent yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Positions(pub(super) BTreeMap<(Source, i32), i64>);

/// A position in writing; the topic is named, since its offsets mean nothing in another.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPositions {
    topic: String,
    offsets: Vec<(i32, i64)>,
    /// Of what came back from the dead letters. Left out where nothing has, which is as good as 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    redriven: Vec<(i32, i64)>,
}

impl Positions {
    pub(super) fn of(offsets: impl IntoIterator<Item = ((Source, i32), i64)>) -> Self {
        Self(offsets.into_iter().collect())
    }

    fn of_source(&self, wanted: Source) -> impl Iterator<Item = (i32, i64)> {
        self.0
            .iter()
            .filter(move |((source, _), _)| *source == wanted)
            .map(|((_, partition), offset)| (*partition, *offset))
    }

    pub(super) fn token(&self, topics: &ItemTopics) -> String {
        let written = WrittenPositions {
            topic: topics.events.clone(),
            offsets: self.of_source(Source::Events).collect(),
            redriven: self
                .of_source(Source::Redriven)
                .filter(|(_, offset)| *offset > 0)
                .collect(),
        };
        // Text and numbers always serialize.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&written).unwrap_or_default())
    }

    pub(super) fn parse(token: &str, topics: &ItemTopics) -> Result<Self, InvalidResumeToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(InvalidResumeToken::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| InvalidResumeToken::Malformed)?;
        let written: WrittenPositions =
            serde_json::from_slice(&bytes).map_err(|_| InvalidResumeToken::Malformed)?;
        if written.topic != topics.events {
            return Err(InvalidResumeToken::OutOfRange);
        }
        let count = written.offsets.len() + written.redriven.len();
        let of = |source| move |(partition, offset)| ((source, partition), offset);
        let events = written.offsets.into_iter().map(of(Source::Events));
        let redriven = written.redriven.into_iter().map(of(Source::Redriven));
        let positions: BTreeMap<_, _> = events.chain(redriven).collect();
        if positions.len() != count
            || positions
                .iter()
                .any(|((_, partition), offset)| *partition < 0 || *offset < 0)
        {
            return Err(InvalidResumeToken::Malformed);
        }
        Ok(Self(positions))
    }

    /// Between the first changes that are kept and how far the views are. A token is never ahead of the views that gave it
    /// out, and views are only replaced by ones that are further.
    pub(super) fn within(self, first: &Self, views: &Self) -> Result<Self, InvalidResumeToken> {
        if self.0.iter().any(|(place, offset)| *offset > views.offset(place)) {
            return Err(InvalidResumeToken::OutOfRange);
        }
        // A partition that the token does not name is read from its start.
        if first.0.iter().any(|(place, offset)| self.offset(place) < *offset) {
            return Err(InvalidResumeToken::TooOld);
        }
        Ok(self)
    }

    /// Of a partition that is not named it is 0.
    pub(super) fn offset(&self, place: &(Source, i32)) -> i64 {
        self.0.get(place).copied().unwrap_or(0)
    }
}
