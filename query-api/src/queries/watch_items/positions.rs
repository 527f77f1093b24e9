//! Where a stream stands in the log, and its token.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::queries::InvalidResumeToken;

/// A token is six partitions of a few digits each; longer is not ours.
const MAX_TOKEN_BYTES: usize = 4_096;

/// Positions by partition: the offset of the first change not sent yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Positions(pub(super) BTreeMap<i32, i64>);

/// A position in writing; the topic is named, since its offsets mean nothing in another.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPositions {
    topic: String,
    offsets: Vec<(i32, i64)>,
}

impl Positions {
    pub(super) fn of(offsets: impl IntoIterator<Item = (i32, i64)>) -> Self {
        Self(offsets.into_iter().collect())
    }

    pub(super) fn token(&self, topic: &str) -> String {
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

    pub(super) fn parse(token: &str, topic: &str) -> Result<Self, InvalidResumeToken> {
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
    pub(super) fn within(self, views: &Self) -> Result<Self, InvalidResumeToken> {
        let known =
            |(partition, offset): (&i32, &i64)| *offset <= views.0.get(partition).copied().unwrap_or(0);
        if self.0.iter().all(known) {
            Ok(self)
        } else {
            Err(InvalidResumeToken::OutOfRange)
        }
    }
}
