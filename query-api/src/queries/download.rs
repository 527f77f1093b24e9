use depot_domain::UploadId;
use depot_object_store::Disposition;
use depot_service::auth::Principal;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Queries, QueryError, get_upload};
use crate::{change_feed::Subject, read::rows::UploadRow, visibility::AtLeast};

/// Where a file can be fetched from, for a few minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Download {
    /// Needs no token: whoever has it can fetch the file until it expires.
    pub url: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
}

/// A presigned URL of a stored upload's file, shown by browsers where that is wanted and safe, else saved; for the
/// upload's owner and for admins.
///
/// # Errors
/// [`QueryError::NotStored`], [`QueryError::Download`] and those of [`get_upload`].
pub async fn download(
    queries: &Queries,
    principal: &Principal,
    id: UploadId,
    at_least: Option<AtLeast>,
    wanted: Disposition,
) -> Result<Download, QueryError> {
    let (upload, key) = stored(queries, principal, id, at_least).await?;
    let downloads = &queries.downloads;
    downloads
        .sign(&key, &upload.file_name, &upload.content_type, wanted)
        .await
}

/// A presigned URL of a stored picture's thumbnail, as [`download`].
///
/// # Errors
/// [`QueryError::NoThumbnail`] and those of [`download`].
pub async fn download_thumbnail(
    queries: &Queries,
    principal: &Principal,
    id: UploadId,
    at_least: Option<AtLeast>,
    wanted: Disposition,
) -> Result<Download, QueryError> {
    let (upload, _) = stored(queries, principal, id, at_least).await?;
    let thumbnail = upload.thumbnail.ok_or(QueryError::NoThumbnail { id: id.0 })?;
    let extension = match thumbnail.content_type.as_str() {
        "image/webp" => "webp",
        _ => "jpg",
    };
    let name = format!("{}.thumbnail.{extension}", upload.file_name);
    let downloads = &queries.downloads;
    downloads
        .sign(&thumbnail.object_key, &name, &thumbnail.content_type, wanted)
        .await
}

/// A stored upload's row and the key of its file.
async fn stored(
    queries: &Queries,
    principal: &Principal,
    id: UploadId,
    at_least: Option<AtLeast>,
) -> Result<(UploadRow, String), QueryError> {
    get_upload(queries, principal, id, at_least).await?;
    // Where the file lies is in the row alone: no cache knows it, and a removed file must not be signed for.
    let row = queries.reader.sources().primary().upload(id).await?;
    let upload = row.ok_or(QueryError::NotFound(Subject::Upload(id.0)))?;
    match upload.object_key.clone() {
        Some(key) if upload.status == "stored" => Ok((upload, key)),
        _ => Err(QueryError::NotStored {
            id: id.0,
            status: upload.status,
        }),
    }
}
