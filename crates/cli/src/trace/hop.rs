//! One place that something passes on its way, and how it stands there.

use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::moment;

/// Why a store, or a part of it, could not be looked at; for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSeen(pub String);

/// What a store has, if it could be asked.
pub type Seen<T> = Result<T, NotSeen>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HopState {
    /// It has passed.
    Done,
    /// It lies here.
    Here,
    /// Somebody is to take it from here.
    Waiting,
    /// It has not come this far, or was never to come here.
    NotReached,
    /// It could not be looked at.
    Unknown,
}

impl HopState {
    pub fn as_text(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Here => "here",
            Self::Waiting => "waiting",
            Self::NotReached => "not reached",
            Self::Unknown => "unknown",
        }
    }
}

/// What is waited for, where something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Whether it goes on only when a person does something.
    pub is_stuck: bool,
    /// `in the outbox of command-api`
    pub place: String,
    pub reason: String,
    /// What to do.
    pub advice: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Hop {
    pub name: String,
    pub state: HopState,
    pub since: Option<OffsetDateTime>,
    pub detail: String,
    /// For programs: figures and names that the detail has in words.
    pub figures: Map<String, Value>,
    pub wait: Option<Wait>,
}

impl Hop {
    pub fn new(name: impl Into<String>, state: HopState, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state,
            since: None,
            detail: detail.into(),
            figures: Map::new(),
            wait: None,
        }
    }

    /// Of a store that could not be looked at.
    pub fn unseen(name: impl Into<String>, why: &NotSeen) -> Self {
        Self::new(name, HopState::Unknown, &*why.0)
    }

    #[must_use]
    pub fn since(mut self, since: impl Into<Option<OffsetDateTime>>) -> Self {
        self.since = since.into();
        self
    }

    #[must_use]
    pub fn figure(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.figures.insert(name.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn waits(mut self, wait: Wait) -> Self {
        self.wait = Some(wait);
        self
    }

    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "hop": self.name,
            "state": self.state,
            "since": self.since.map(moment::text),
            "detail": self.detail,
        });
        if let Some(members) = json.as_object_mut() {
            members.extend(self.figures.clone());
        }
        json
    }
}
