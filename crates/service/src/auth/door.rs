//! The one way in: a token that is good, of somebody who does not ask too often.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{AuthError, Principal, RateLimiter, TokenVerifier};
use crate::config::RateLimitConfig;
use crate::problem::Problem;

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not known who asks.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// It is, and asks too often.
    #[error("The caller sends more than {per_second} requests a second; wait for {} s.", retry_after.as_secs())]
    TooMany {
        /// What is granted in the long run.
        per_second: u32,
        /// Whole seconds after which one request is granted again; at least one.
        retry_after: Duration,
    },
}

/// Checks tokens, and counts requests of each principal. Takes no lock.
#[derive(Debug)]
pub struct Door {
    verifier: TokenVerifier,
    limiter: Option<RateLimiter>,
}

impl Door {
    /// A door with a limit, unless it is switched off.
    #[must_use]
    pub fn new(verifier: TokenVerifier, limit: &RateLimitConfig) -> Arc<Self> {
        Arc::new(Self {
            verifier,
            limiter: RateLimiter::new(limit),
        })
    }

    /// A door that asks for a token and counts nothing: for what only services and operators reach.
    #[must_use]
    pub fn without_limit(verifier: TokenVerifier) -> Arc<Self> {
        Arc::new(Self {
            verifier,
            limiter: None,
        })
    }

    /// What checks the tokens.
    #[must_use]
    pub fn verifier(&self) -> &TokenVerifier {
        &self.verifier
    }

    /// How many principals are told apart at the moment; none where nobody counts.
    #[must_use]
    pub fn principals(&self) -> Option<u64> {
        self.limiter.as_ref().map(RateLimiter::principals)
    }

    /// Lets a request in by its headers, HTTP or gRPC, and counts it.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn enter(&self, headers: &http::HeaderMap) -> Result<Principal, Refused> {
        let principal = self.verifier.authenticate_headers(headers).await?;
        if let Some(limiter) = &self.limiter {
            limiter.take(&principal.subject)?;
        }
        Ok(principal)
    }

    /// Counts one more request of a principal who was let in, for a request that brings many: waits until it is granted,
    /// so long at most.
    ///
    /// # Errors
    /// [`Refused::TooMany`]: it would have to wait longer.
    pub async fn grant(&self, principal: &str, patience: Duration) -> Result<(), Refused> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        let until = Instant::now() + patience;
        loop {
            let Err(wait) = limiter.ask(principal) else {
                return Ok(());
            };
            if Instant::now() + wait > until {
                return Err(limiter.refuse(wait));
            }
            tokio::time::sleep(wait).await;
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Token(error) => error.into(),
            Refused::TooMany {
                per_second,
                retry_after,
            } => Self::too_many_requests(&refused.to_string(), per_second, retry_after.as_secs()),
        }
    }
}
