//! Makes tokens.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Claims, Role};
use crate::config::JwtConfig;

/// Makes tokens that a [`TokenVerifier`](super::TokenVerifier) with the same configuration accepts.
pub struct TokenMinter {
    key: Option<EncodingKey>,
    issuer: String,
    audience: String,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// Tokens are signed by somebody else.
    #[error(
        "there is no secret to sign tokens with: set JWT_SECRET, or ask the issuer whose keys are configured"
    )]
    NoSecret,
    /// The secret cannot be used.
    #[error("the token could not be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

impl TokenMinter {
    /// A minter that signs with the configured secret, if there is one.
    #[must_use]
    pub fn new(config: &JwtConfig) -> Self {
        Self::with(config, config.secret.as_ref())
    }

    /// A minter of what services sign for each other: with a secret of their own, if one is configured.
    #[must_use]
    pub fn for_services(config: &JwtConfig) -> Self {
        Self::with(config, config.service_secret.as_ref().or(config.secret.as_ref()))
    }

    fn with(config: &JwtConfig, secret: Option<&SecretString>) -> Self {
        Self {
            key: secret.map(|secret| EncodingKey::from_secret(secret.expose_secret().as_bytes())),
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
        let key = self.key.as_ref().ok_or(MintError::NoSecret)?;
        Ok(encode(&Header::new(Algorithm::HS256), claims, key)?)
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
