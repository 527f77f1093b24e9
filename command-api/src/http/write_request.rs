use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRef, FromRequest, FromRequestParts, MatchedPath, Request, rejection::BytesRejection},
};
use depot_service::{
    auth::{Door, Principal, Role},
    problem::Problem,
};
use http::{header::IF_MATCH, request::Parts};

use super::{idempotency, preconditions, problems};
use crate::{
    commands::{Actor, Precondition},
    execution::{self, Identity},
    store::idempotency::Key,
};

/// What every write brings besides its body: who asks, under which key, and which version is meant. Needs the role
/// `writer`.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    pub actor: Actor,
    pub precondition: Precondition,
    method: String,
    path: String,
    route: String,
    key: Option<String>,
    if_match: Vec<u8>,
}

impl<S> FromRequestParts<S> for WriteRequest
where
    Arc<Door>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let principal = Principal::from_request_parts(parts, state).await?;
        principal.require(Role::Writer)?;
        let actor = execution::actor(principal)?;
        let route = parts
            .extensions
            .get::<MatchedPath>()
            .map_or("", MatchedPath::as_str);
        let lines: Vec<&[u8]> = parts
            .headers
            .get_all(IF_MATCH)
            .iter()
            .map(|value| value.as_bytes())
            .collect();
        Ok(Self {
            actor,
            precondition: preconditions::if_match(&parts.headers)?,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            route: format!("{} {route}", parts.method),
            key: idempotency::key(&parts.headers)?,
            if_match: lines.join(&b'\n'),
        })
    }
}

impl WriteRequest {
    /// # Errors
    /// The problem `idempotency-key-missing`.
    pub fn require_key(&self) -> Result<(), Problem> {
        match self.key {
            Some(_) => Ok(()),
            None => Err(Problem::of(&problems::IDEMPOTENCY_KEY_MISSING)
                .with_detail("Send the header Idempotency-Key with a text that is new for each intent.")),
        }
    }

    /// # Errors
    /// The problem `precondition-required`.
    pub fn require_precondition(&self) -> Result<Precondition, Problem> {
        preconditions::required(self.precondition.clone())
    }

    /// The path, for problems.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What names a line of this request, which brings many: the key that the line names, or one of its number, and its text.
    pub fn of_line(&self, line: u64, key: Option<String>, text: &[u8]) -> Identity {
        let key = key.or_else(|| self.key.as_deref().map(|key| idempotency::of_line(key, line)));
        Self { key, ..self.clone() }.identity(text)
    }

    pub fn identity(self, body: &[u8]) -> Identity {
        let fingerprint = idempotency::fingerprint(&self.method, &self.path, &self.if_match, body);
        let principal = self.actor.subject.as_str().to_owned();
        let key = self.key.map(|key| Key {
            principal,
            route: self.route,
            key,
        });
        Identity {
            key,
            fingerprint,
            path: self.path,
        }
    }
}

/// A write that only admins may send.
#[derive(Debug, Clone)]
pub struct AdminWrite(pub WriteRequest);

impl<S> FromRequestParts<S> for AdminWrite
where
    Arc<Door>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Principal::from_request_parts(parts, state)
            .await?
            .require(Role::Admin)?;
        WriteRequest::from_request_parts(parts, state).await.map(Self)
    }
}

/// A body that is taken as it comes, since only its bytes count.
#[derive(Debug, Clone)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = BytesRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, BytesRejection> {
        Bytes::from_request(request, state).await.map(Self)
    }
}
