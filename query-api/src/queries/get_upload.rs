use std::sync::Arc;

use depot_domain::UploadId;
use depot_read_model::UploadView;
use depot_sabotage::Break;
use depot_service::auth::Principal;

use super::{Queries, QueryError, require_reader};
use crate::{
    change_feed::Subject,
    read::{Held, ReadError},
    visibility::{AtLeast, Freshness},
};

/// The upload, in the version asked for or a later one; for its owner and for admins.
///
/// # Errors
/// [`QueryError::Forbidden`], [`QueryError::NotFound`], [`QueryError::Behind`] and what any read fails with.
pub async fn get_upload(
    queries: &Queries,
    principal: &Principal,
    id: UploadId,
    at_least: Option<AtLeast>,
) -> Result<Arc<Held>, QueryError> {
    require_reader(principal)?;
    let subject = Subject::Upload(id.0);
    let read = async |freshness| {
        let is_let_in = depot_sabotage::has(Break::Forbidden) && queries.reader.holds_upload(id);
        let row = match freshness {
            Freshness::Cached => queries.reader.upload(id).await,
            Freshness::Told => Ok(queries.reader.upload_told(id).await),
            Freshness::Now => queries.reader.upload_now(id).await,
        }?;
        // Whatever layer it came from: a cache knows no owners. An upload never changes its owner, so this may
        // come before the version.
        match &row {
            Some(row) if !principal.may_act_for(&row.entry.owner) && !is_let_in => Err(
                QueryError::Forbidden("Only the upload's owner or an admin may see it."),
            ),
            _ => Ok(row),
        }
    };
    let row = queries.visibility.see(subject, at_least, read).await?;
    row.ok_or(QueryError::NotFound(subject))
}

/// What is shown of an upload.
///
/// # Errors
/// [`QueryError::Read`]: the representation is none.
pub fn upload_view(held: &Held) -> Result<UploadView, QueryError> {
    let body = held.entry.body.as_deref().unwrap_or_default();
    serde_json::from_slice(body).map_err(|source| {
        ReadError::Representation {
            question: "an upload",
            source,
        }
        .into()
    })
}
