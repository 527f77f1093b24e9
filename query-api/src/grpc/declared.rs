//! Declared aggregates over gRPC: each has a service of its own, that asks this for the answer.

use depot_domain::{Aggregate, DECLARED};
use depot_grpc::{Call, Fields};
use depot_proto::v1;
use time::OffsetDateTime;
use tonic::{Request, Status};

use super::{fields::QuestionFields as _, service::QueryRpc, status};
use crate::{queries::get_declared, visibility::Versioned as _};

/// One of a declared aggregate, with its type.
#[derive(Debug)]
pub struct Seen<A> {
    pub id: String,
    pub owner: String,
    pub state: A,
    /// Version token.
    pub version: String,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl QueryRpc {
    /// The one that the request names by id, in the version that it names or a later one; for its owner and for admins.
    ///
    /// # Errors
    /// As of every other question; `INTERNAL` for an aggregate that is not declared.
    pub async fn declared<A: Aggregate, R: Sync>(
        &self,
        request: Request<R>,
        names: impl FnOnce(R) -> (String, Option<v1::AtLeast>),
    ) -> Result<Seen<A>, Status> {
        let call = Call::of(&self.door, &request).await?;
        let (id, at_least) = names(request.into_inner());
        let mut fields = Fields::default();
        let id = fields.id("id", &id);
        let at_least = fields.at_least(at_least, &call);
        let id = fields.finish(id)?;
        let declaration = DECLARED.iter().find(|declaration| declaration.name == A::NAME);
        let of = declaration.ok_or_else(|| Status::internal("this aggregate is not declared"))?;
        let row = get_declared(&self.queries, &call.principal, of, id, at_least)
            .await
            .map_err(status::of)?;
        let state = serde_json::from_value(row.state.clone()).map_err(|error| status::internal(&error))?;
        Ok(Seen {
            id: row.id.to_string(),
            owner: row.owner.clone(),
            state,
            version: row.token().to_string(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
