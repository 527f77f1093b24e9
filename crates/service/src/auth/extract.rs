//! The principal as an axum extractor.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use super::{Principal, TokenVerifier};
use crate::problem::Problem;

impl<S> FromRequestParts<S> for Principal
where
    Arc<TokenVerifier>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let verifier = Arc::<TokenVerifier>::from_ref(state);
        Ok(verifier.authenticate_headers(&parts.headers)?)
    }
}
