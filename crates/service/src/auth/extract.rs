//! The principal as an axum extractor, and the door before admins' routes.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;

use super::{Door, Principal, Role};
use crate::problem::Problem;

/// Who was let in: a request is counted once, however often its handler asks who sent it.
#[derive(Clone)]
struct Admitted(Principal);

impl<S> FromRequestParts<S> for Principal
where
    Arc<Door>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(Admitted(principal)) = parts.extensions.get() {
            return Ok(principal.clone());
        }
        let principal = Arc::<Door>::from_ref(state).enter(&parts.headers).await?;
        parts.extensions.insert(Admitted(principal.clone()));
        Ok(principal)
    }
}

/// Middleware before routes that are for admins only, whatever their handlers ask.
///
/// # Errors
/// The problems `unauthorized`, `too-many-requests` and `forbidden`.
pub async fn require_admin(
    State(door): State<Arc<Door>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let principal = door.enter(request.headers()).await?;
    principal.require(Role::Admin)?;
    request.extensions_mut().insert(Admitted(principal));
    Ok(next.run(request).await)
}
