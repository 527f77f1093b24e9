//! Makes tokens.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use secrecy::ExposeSecret as _;

use super::{Claims, Role};
use crate::config::JwtConfig;

/// Makes tokens that a [`TokenVerifier`](super::TokenVerifier) with the same configuration accepts.
pub struct TokenMinter {
    key: EncodingKey,
    issuer: String,
    audience: String,
}

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be signed")]
pub struct MintError(#[from] jsonwebtoken::errors::Error);

impl TokenMinter {
    /// A minter that signs with the configured secret.
    #[must_use]
    pub fn new(config: &JwtConfig) -> Self {
        Self {
            key: EncodingKey::from_secret(config.secret.expose_secret().as_bytes()),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        }
    }

    /// The claims of a token that is valid from now on for `lifetime`.
    #[must_use]
    pub fn claims(&self, subject: &str, roles: &[Role], lifetime: Duration) -> Claims {
        let now = get_current_timestamp();
        Claims {
            sub: subject.to_owned(),
            roles: roles.iter().map(|role| role.as_str().to_owned()).collect(),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            exp: now.saturating_add(lifetime.as_secs()),
            nbf: Some(now),
            iat: Some(now),
            jti: Some(uuid::Uuid::now_v7().to_string()),
        }
    }

    /// Signs claims as they are.
    ///
    /// # Errors
    /// [`MintError`].
    pub fn sign(&self, claims: &Claims) -> Result<String, MintError> {
        Ok(encode(&Header::new(Algorithm::HS256), claims, &self.key)?)
    }

    /// A token for `subject` that is valid from now on for `lifetime`.
    ///
    /// # Errors
    /// [`MintError`].
    pub fn mint(&self, subject: &str, roles: &[Role], lifetime: Duration) -> Result<String, MintError> {
        self.sign(&self.claims(subject, roles, lifetime))
    }
}

/// Shows no key.
impl std::fmt::Debug for TokenMinter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenMinter").finish_non_exhaustive()
    }
}
