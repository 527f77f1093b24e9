use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no UUID where an identifier is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no UUID: expected 36 characters such as 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f")]
pub struct InvalidId(pub String);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new, time-ordered identifier (UUIDv7).
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // Only the hyphenated form: one resource has one address.
                if text.len() != 36 {
                    return Err(InvalidId(text.chars().take(80).collect()));
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId(text.to_owned()))
            }
        }
    };
}

uuid_id!(
    /// Identifies an item, for life.
    ItemId
);
uuid_id!(
    /// Identifies an upload; it is also the idempotency key of storing the file.
    UploadId
);
uuid_id!(
    /// Identifies one of a declared aggregate, for life.
    InstanceId
);
uuid_id!(
    /// Identifies one event; a repeat of the event has the same.
    EventId
);
uuid_id!(
    /// Identifies the command (or the event taken as one) that caused an event.
    CommandId
);

/// Who owns an item, an upload, a storage account: the `sub` of a token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(String);

impl Owner {
    /// At most 200 characters, none of them a control character, not empty.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidOwner> {
        let text = text.into();
        let length = text.chars().count();
        if length == 0 || length > 200 || text.chars().any(char::is_control) {
            return Err(InvalidOwner);
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A subject that cannot own anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an owner has 1 to 200 characters and no control character")]
pub struct InvalidOwner;
