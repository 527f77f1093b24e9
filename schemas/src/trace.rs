//! Where an item or an upload is, as one service sees it: command-api and query-api answer it in the same shape, each from
//! what it may read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What one service knows of an id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trace {
    pub id: Uuid,
    pub kind: TracedKind,
    /// In the order in which an event passes them.
    pub hops: Vec<TraceHop>,
}

/// What the id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TracedKind {
    Item,
    Upload,
}

/// One place on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TraceHop {
    /// Such as `outbox`; several may have one name.
    pub name: String,
    /// The stage of the pipeline that it belongs to.
    pub stage: String,
    pub state: TraceHopState,
    /// Since when it is there.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
    /// In words.
    pub detail: String,
    pub version: Option<i64>,
    /// By name: texts, numbers and truths.
    pub facts: BTreeMap<String, Value>,
}

/// How it stands at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceHopState {
    /// It has passed, or is where it should be.
    Done,
    /// Something is waited for that comes by itself.
    Waiting,
    /// A person has to do something.
    Stuck,
    /// Nothing is there.
    None,
    /// The store did not answer.
    Unknown,
}

impl TraceHop {
    /// A hop without a time, a version and facts.
    pub fn new(
        name: impl Into<String>,
        stage: impl Into<String>,
        state: TraceHopState,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            stage: stage.into(),
            state,
            at: None,
            detail: detail.into(),
            version: None,
            facts: BTreeMap::new(),
        }
    }

    /// Since when.
    #[must_use]
    pub fn at(self, at: OffsetDateTime) -> Self {
        Self { at: Some(at), ..self }
    }

    /// Of which version.
    #[must_use]
    pub fn version(self, version: i64) -> Self {
        Self {
            version: Some(version),
            ..self
        }
    }

    /// One more fact.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}
