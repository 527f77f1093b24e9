//! Tokens that are signed by an issuer's keys: which are accepted, how keys change, and what time does.

mod algorithms;
mod changing;
mod clock;
mod doors;

use std::sync::Arc;

use depot_service::auth::{AuthError, Principal, TokenVerifier};
use depot_service::config::JwtConfig;
use depot_test_stack::wait_until;
use http::HeaderMap;
use tokio_util::sync::{CancellationToken, DropGuard};

const SECRET: &str = "a-secret-of-the-tests-with-enough-bytes";

/// A verifier that keeps its keys until the guard is dropped; ready.
async fn verifier(config: &JwtConfig) -> (Arc<TokenVerifier>, DropGuard) {
    let (verifier, guard) = unready_verifier(config);
    wait_until("keys were read", || {
        std::future::ready(verifier.check_keys().is_ok())
    })
    .await;
    (verifier, guard)
}

fn unready_verifier(config: &JwtConfig) -> (Arc<TokenVerifier>, DropGuard) {
    let verifier = Arc::new(TokenVerifier::with_keys(config).unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(verifier.keep_keys(stop.clone()));
    (verifier, stop.drop_guard())
}

async fn enter(verifier: &TokenVerifier, token: &str) -> Result<Principal, AuthError> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    verifier.authenticate_headers(&headers).await
}

/// Waits until a token that is refused for want of its key has brought the key.
async fn is_accepted_soon(verifier: &TokenVerifier, token: &str) {
    wait_until("the new key is known", || async {
        enter(verifier, token).await.is_ok()
    })
    .await;
}
