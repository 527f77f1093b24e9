//! Bearer tokens: HS256, signed with one secret, with issuer, audience, expiry and roles.
//!
//! [`TokenVerifier`] checks them, [`TokenMinter`] makes them (for the command line and tests), and [`Principal`] is
//! what a handler gets: as an axum extractor where the state gives an `Arc<TokenVerifier>`, or by
//! [`TokenVerifier::authenticate`] for gRPC.

mod claims;
mod error;
mod extract;
mod minter;
mod principal;
mod verifier;

pub use claims::Claims;
pub use error::AuthError;
pub use minter::{MintError, TokenMinter};
pub use principal::{Principal, Role};
pub use verifier::TokenVerifier;
