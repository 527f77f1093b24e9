//! Bearer tokens, with issuer, audience, expiry and roles: HS256 by a secret that is shared, and RS256, ES256 and EdDSA
//! by the keys that an issuer publishes.
//!
//! [`TokenVerifier`] checks them, [`TokenMinter`] makes them (for the command line, tests, and services among each
//! other). A [`Door`] checks and counts; [`Principal`] is what a handler gets: as an axum extractor where the state
//! gives an `Arc<Door>`, or by [`Door::enter`] for gRPC.

mod algorithm;
mod claims;
mod clock;
mod door;
mod error;
mod extract;
mod key_ring;
mod key_set;
mod key_source;
mod minter;
mod principal;
mod rate_limit;
mod token_cache;
mod verifier;

pub use claims::Claims;
pub use clock::{Clock, SystemClock};
pub use door::{Door, Refused};
pub use error::AuthError;
pub use extract::require_admin;
pub use key_set::KeySetError;
pub use key_source::{KeysError, check_key_set};
pub use minter::{MintError, TokenMinter};
pub use principal::{Principal, Role, Roles};
pub use rate_limit::RateLimiter;
pub use verifier::TokenVerifier;
