//! `POST /dev/token`: a token for whoever asks, of whatever role. For development alone, and refused at start in production.

use std::time::Duration;

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use depot_service::{
    auth::{Role, TokenMinter},
    json::StrictJson,
    problem::{FieldFault, Problem},
};
use http::header::CACHE_CONTROL;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

const LIFETIME: Duration = Duration::from_secs(3_600);
/// As long as the subject of a token may be.
const LONGEST: usize = 200;

/// Who wants to be whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    sub: String,
    role: String,
}

#[derive(Debug, Serialize)]
struct Given {
    token: String,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

pub fn make(minter: &TokenMinter, StrictJson(wanted): StrictJson<Wanted>) -> Result<Response, Problem> {
    let is_name = |sub: &str| {
        let length = sub.chars().count();
        (1..=LONGEST).contains(&length) && !sub.chars().any(char::is_control)
    };
    let mut faults = Vec::new();
    if !is_name(&wanted.sub) {
        faults.push(FieldFault::new(
            "/sub",
            "has to be 1 to 200 characters, and no control characters",
        ));
    }
    let role = Role::parse(&wanted.role);
    if role.is_none() {
        faults.push(FieldFault::new("/role", "has to be reader, writer or admin"));
    }
    let (Some(role), true) = (role, faults.is_empty()) else {
        return Err(Problem::validation_failed(faults));
    };
    let claims = minter.claims(&wanted.sub, &[role], LIFETIME);
    let token = minter.sign(&claims).map_err(|error| Problem::internal(&error))?;
    let expires_at = i64::try_from(claims.exp).ok();
    let expires_at = expires_at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let given = Given {
        token,
        expires_at: expires_at.unwrap_or_else(OffsetDateTime::now_utc),
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(given)).into_response())
}
