//! Statuses with the details that clients branch on: a reason of the domain `depot`, and when to come again.

use std::{collections::HashMap, time::Duration};

use depot_service::auth::{AuthError, Refused};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "depot";

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A status whose reason is `reason`, with figures and names in `metadata`.
#[must_use]
pub fn with_reason(code: Code, reason: &str, message: String, metadata: &[(&str, String)]) -> Status {
    Status::with_error_details(code, message, error_info(reason, metadata))
}

/// As [`with_reason`], of what passes: the call is worth another attempt after a second.
#[must_use]
pub fn with_retry(code: Code, reason: &str, message: String, metadata: &[(&str, String)]) -> Status {
    let mut details = error_info(reason, metadata);
    details.set_retry_info(Some(RETRY_AFTER));
    Status::with_error_details(code, message, details)
}

/// Details that others can be added to.
#[must_use]
pub fn error_info(reason: &str, metadata: &[(&str, String)]) -> ErrorDetails {
    let metadata: HashMap<_, _> = metadata
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    ErrorDetails::with_error_info(reason, DOMAIN, metadata)
}

/// What the door says; its texts are for the client.
#[must_use]
pub fn refused(refused: Refused) -> Status {
    let message = refused.to_string();
    match refused {
        Refused::Token(AuthError::KeysAway) => {
            with_retry(Code::Unavailable, "TOKEN_KEYS_UNAVAILABLE", message, &[])
        }
        Refused::Token(_) => with_reason(Code::Unauthenticated, "INVALID_TOKEN", message, &[]),
        Refused::TooMany { retry_after, .. } => {
            let mut details = error_info("RATE_LIMITED", &[]);
            details.set_retry_info(Some(retry_after));
            Status::with_error_details(Code::ResourceExhausted, message, details)
        }
    }
}
