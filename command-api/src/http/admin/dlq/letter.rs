use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{dead_letters::StoredLetter, store::dead_letters::DeadLetter};

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LetterState {
    Open,
    Redriving,
    Redriven,
    Discarded,
}

impl LetterState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriving => "redriving",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }
}

/// A dead letter, as far as it is indexed.
#[derive(Debug, Serialize, ToSchema)]
pub struct LetterBody {
    pub group: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// None where the message had none, or it is no text.
    pub key: Option<String>,
    pub reason: String,
    pub detail: String,
    /// How often it was given up.
    pub attempts: i32,
    #[serde(with = "time::serde::rfc3339")]
    pub first_failed_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub failed_at: OffsetDateTime,
    pub state: String,
    /// Where the letter lies.
    pub dlq_topic: String,
    pub dlq_partition: i32,
    pub dlq_offset: i64,
}

/// A header of a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeaderBody {
    pub name: String,
    /// None where it is no text.
    pub text: Option<String>,
    pub base64: Option<String>,
}

/// A dead letter with all that it carries.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeLetterBody {
    #[serde(flatten)]
    pub letter: LetterBody,
    pub headers: Vec<HeaderBody>,
    pub key_base64: Option<String>,
    pub value_base64: Option<String>,
    /// The value where it is UTF-8.
    pub value_text: Option<String>,
}

impl From<DeadLetter> for LetterBody {
    fn from(letter: DeadLetter) -> Self {
        Self {
            group: letter.consumer_group,
            topic: letter.topic,
            partition: letter.partition,
            offset: letter.offset,
            key: letter.key.and_then(|key| String::from_utf8(key).ok()),
            reason: letter.reason,
            detail: letter.detail,
            attempts: letter.attempts,
            first_failed_at: letter.first_failed_at,
            failed_at: letter.failed_at,
            state: letter.state,
            dlq_topic: letter.dlq_topic,
            dlq_partition: letter.dlq_partition,
            dlq_offset: letter.dlq_offset,
        }
    }
}

impl WholeLetterBody {
    pub fn new(letter: DeadLetter, stored: StoredLetter) -> Self {
        let header = |(name, value): (String, Option<Vec<u8>>)| HeaderBody {
            name,
            base64: value.as_ref().map(|value| STANDARD.encode(value)),
            text: value.and_then(|value| String::from_utf8(value).ok()),
        };
        Self {
            letter: letter.into(),
            headers: stored.headers.into_iter().map(header).collect(),
            key_base64: stored.key.map(|key| STANDARD.encode(key)),
            value_base64: stored.payload.as_ref().map(|value| STANDARD.encode(value)),
            value_text: stored.payload.and_then(|value| String::from_utf8(value).ok()),
        }
    }
}
