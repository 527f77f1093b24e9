//! Why a token is not accepted.

use crate::problem::{Problem, types};

/// Why a request has no principal. The texts are for the client: they tell what to mend, and nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No `authorization`.
    #[error("No bearer token was sent.")]
    Missing,
    /// `authorization` is there more than once, or is not `Bearer <token>`.
    #[error("The authorization header is not of the form Bearer <token>.")]
    NotBearer,
    /// No token of the expected shape.
    #[error("The token is malformed.")]
    Malformed,
    /// An algorithm that is not accepted or has no key here, or none.
    #[error("The token's algorithm is not accepted.")]
    Algorithm,
    /// Its key is not among those of the issuer.
    #[error("The token's key is not known.")]
    UnknownKey,
    /// No key of the issuer has been read yet.
    #[error("Tokens cannot be checked at the moment: the issuer's keys were not read yet.")]
    KeysAway,
    /// Not signed with the key.
    #[error("The token's signature is not valid.")]
    Signature,
    /// `exp` has passed.
    #[error("The token has expired.")]
    Expired,
    /// `nbf` has not come.
    #[error("The token is not valid yet.")]
    NotYetValid,
    /// Another `aud`.
    #[error("The token is meant for another audience.")]
    Audience,
    /// Another `iss`.
    #[error("The token comes from another issuer.")]
    Issuer,
    /// A required claim is missing or cannot be used.
    #[error("The token lacks a required claim: sub, iss, aud and exp are needed.")]
    Claims,
}

impl AuthError {
    /// The error code of RFC 6750; none when no token was sent.
    #[must_use]
    pub fn code(self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::KeysAway => None,
            Self::NotBearer => Some("invalid_request"),
            Self::Malformed
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Signature
            | Self::Expired
            | Self::NotYetValid
            | Self::Audience
            | Self::Issuer
            | Self::Claims => Some("invalid_token"),
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            // No fault of the token's.
            AuthError::KeysAway => Self::of(&types::UNAVAILABLE)
                .with_detail(error.to_string())
                .with_retry_after(1),
            _ => Self::unauthorized(&error.to_string(), error.code()),
        }
    }
}

impl From<jsonwebtoken::errors::Error> for AuthError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        use jsonwebtoken::errors::ErrorKind;
        match error.kind() {
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::NotYetValid,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::InvalidIssuer => Self::Issuer,
            ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => Self::Claims,
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAlgorithm
            | ErrorKind::InvalidAlgorithmName
            | ErrorKind::UnsupportedAlgorithm
            | ErrorKind::MissingAlgorithm => Self::Algorithm,
            _ => Self::Malformed,
        }
    }
}
