use depot_domain::Owner;
use depot_service::{
    auth::{Principal, Role},
    problem::Problem,
};

use crate::{commands::Actor, store::idempotency::Key};

/// What names a request, whole.
#[derive(Debug, Clone)]
pub struct Identity {
    /// None for a request without a key: it is not recognised when it is repeated.
    pub key: Option<Key>,
    pub fingerprint: Vec<u8>,
    /// The path, for problems.
    pub path: String,
}

/// Who asks.
///
/// # Errors
/// The token's subject cannot own anything.
pub fn actor(principal: Principal) -> Result<Actor, Problem> {
    let is_admin = principal.has(Role::Admin);
    let subject = Owner::parse(&*principal.subject).map_err(|error| Problem::forbidden(error.to_string()))?;
    Ok(Actor { subject, is_admin })
}
