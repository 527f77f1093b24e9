//! The statements that read declared aggregates.

use depot_domain::{Declaration, InstanceId, VersionToken};
use depot_schemas::DeclaredState;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ReadError, Views};
use crate::visibility::Versioned;

/// The table, as traces name what a statement asks.
const TABLE: &str = "read.declared_aggregates";

/// A row of `read.declared_aggregates`.
#[derive(Debug, Clone)]
pub struct DeclaredRow {
    /// The version of the views that it was read from.
    pub projection: i32,
    pub id: Uuid,
    pub owner: String,
    pub state: Value,
    pub epoch: i32,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl Versioned for DeclaredRow {
    fn token(&self) -> VersionToken {
        VersionToken::new(self.epoch, self.version)
    }
}

impl DeclaredRow {
    /// What is shown of it: as the command answered it.
    pub fn shown(&self) -> DeclaredState {
        DeclaredState {
            id: self.id,
            owner: self.owner.clone(),
            state: self.state.clone(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// Where a page of them begins: behind one that was created then and has that id.
pub type Behind = (OffsetDateTime, Uuid);

impl Views {
    /// One, in the version that the views have.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn declared(&self, of: &Declaration, id: InstanceId) -> Result<Option<DeclaredRow>, ReadError> {
        let query = sqlx::query_as!(
            DeclaredRow,
            "SELECT projection, id, owner, state, epoch, version, created_at, updated_at
             FROM read.declared_aggregates
             WHERE projection = (SELECT projection FROM read.active_projection) AND kind = $1 AND id = $2",
            of.name,
            id.0
        );
        self.answer(
            ("a declared aggregate", TABLE),
            query.fetch_optional(&self.pools.point),
        )
        .await
    }

    /// Those of an owner, the newest first, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn declared_page(
        &self,
        of: &Declaration,
        owner: &str,
        behind: Option<Behind>,
        limit: i64,
    ) -> Result<Vec<DeclaredRow>, ReadError> {
        let (created_at, id) = behind.unzip();
        let query = sqlx::query_as!(
            DeclaredRow,
            "SELECT projection, id, owner, state, epoch, version, created_at, updated_at
             FROM read.declared_aggregates
             WHERE projection = (SELECT projection FROM read.active_projection) AND kind = $1 AND owner = $2
               AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
             ORDER BY created_at DESC, id DESC
             LIMIT $5",
            of.name,
            owner,
            created_at,
            id,
            limit
        );
        self.search(
            ("a page of declared aggregates", TABLE),
            query.fetch_all(&self.pools.search),
        )
        .await
    }
}
