use depot_read_model::{OwnerStatistics, TagStatistics};
use depot_service::auth::Principal;

use serde::Serialize;
use utoipa::ToSchema;

use super::{PageLimit, Queries, QueryError, require_reader};
use crate::read::Views;

/// Those with the most items, first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statistics {
    pub tags: Vec<TagStatistics>,
    pub owners: Vec<OwnerStatistics>,
}

/// Tags and owners. Statistics follow the newest state and promise no version.
///
/// # Errors
/// What any read fails with.
pub async fn statistics(
    queries: &Queries,
    principal: &Principal,
    limit: PageLimit,
) -> Result<Statistics, QueryError> {
    let tags = tag_statistics(queries, principal, limit).await?;
    let owners = owner_statistics(queries, principal, limit).await?;
    Ok(Statistics { tags, owners })
}

/// How many items carry each tag.
///
/// # Errors
/// What any read fails with.
pub async fn tag_statistics(
    queries: &Queries,
    principal: &Principal,
    limit: PageLimit,
) -> Result<Vec<TagStatistics>, QueryError> {
    require_reader(principal)?;
    let ask = |views: Views| async move { views.tag_statistics(limit.get()).await };
    Ok(queries.reader.sources().anywhere(ask).await?)
}

/// What each owner has.
///
/// # Errors
/// What any read fails with.
pub async fn owner_statistics(
    queries: &Queries,
    principal: &Principal,
    limit: PageLimit,
) -> Result<Vec<OwnerStatistics>, QueryError> {
    require_reader(principal)?;
    let ask = |views: Views| async move { views.owner_statistics(limit.get()).await };
    Ok(queries.reader.sources().anywhere(ask).await?)
}
