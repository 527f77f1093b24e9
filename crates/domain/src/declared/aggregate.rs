use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::Command;
use crate::{FieldError, Invalid};

/// What an aggregate declares of itself. The type is its state, as it stands in events, in the view and in answers; id, owner,
/// version and times are kept for it.
pub trait Aggregate: Serialize + DeserializeOwned + JsonSchema + 'static {
    /// One of them, for example `order`: lower case.
    const NAME: &'static str;
    /// Several, for example `orders`: the path under `/api/v1`, and the topic.
    const PLURAL: &'static str;
    /// The event that tells of a new one.
    const CREATED: EventName;
    /// What can be done to one that is there.
    const COMMANDS: &'static [Command];

    /// The body of the request that makes one; with `deny_unknown_fields`, so that no field is passed over in silence.
    type New: DeserializeOwned;

    /// # Errors
    /// What is wrong with it, all at once.
    fn create(new: Self::New) -> Result<Self, Refused>;
}

/// Something that can be done to an aggregate: the type is the body of its request.
pub trait Change: DeserializeOwned {
    type Of: Aggregate;
    /// As it stands in the path behind the id, for example `ship`.
    const NAME: &'static str;
    /// The event that tells of it.
    const EVENT: EventName;

    /// The state after it; the same state for what is so already, which is no new version and no event.
    ///
    /// # Errors
    /// What is wrong with the request, or why the state does not allow it.
    fn apply(self, to: Self::Of) -> Result<Self::Of, Refused>;
}

/// The name of an event in the forms that are used; [`event!`](crate::event) makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventName {
    /// The `ce_type`, for example `depot.order.placed.v1`.
    pub name: &'static str,
    /// The `ce_dataschema`.
    pub schema: &'static str,
}

/// The name of an event from what it is called, for example `order.placed`.
#[macro_export]
macro_rules! event {
    ($name:literal) => {
        $crate::EventName {
            name: concat!("depot.", $name, ".v1"),
            schema: concat!("/schemas/events/", $name, ".v1.json"),
        }
    };
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Invalid(Invalid),
    /// The state does not allow it; why, for the person who asked.
    #[error("{0}")]
    NotNow(String),
    /// A state or a body cannot be read or written as JSON, though it was before.
    #[error("a declared state does not fit its type")]
    Unfit(#[from] serde_json::Error),
}

impl Refused {
    pub fn not_now(why: impl Display) -> Self {
        Self::NotNow(why.to_string())
    }
}

impl From<Vec<FieldError>> for Refused {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::Invalid(Invalid(errors))
    }
}
