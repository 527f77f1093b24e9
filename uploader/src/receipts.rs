//! The SQL of `uploader.receipts`: one row an upload, which decides what a repeated event does.

use std::collections::BTreeSet;

use depot_schemas::{ThumbnailState, UploadState, sweep::ReceiptRow};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// What is on record about an upload, as far as removing its file is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// Stored or removing: it refers to these objects, in the order in which objects are locked, each once.
    Referring { object_keys: Vec<String> },
    /// It refers to nothing.
    Concluded(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stored,
    Rejected,
    Removing,
    Removed,
    Cancelled,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Rejected => "rejected",
            Self::Removing => "removing",
            Self::Removed => "removed",
            Self::Cancelled => "cancelled",
        }
    }

    fn from_column(text: &str) -> Result<Self, sqlx::Error> {
        let all = [
            Self::Stored,
            Self::Rejected,
            Self::Removing,
            Self::Removed,
            Self::Cancelled,
        ];
        let known = all.into_iter().find(|outcome| outcome.as_str() == text);
        known.ok_or_else(|| sqlx::Error::Decode(format!("`{text}` is no outcome of a receipt").into()))
    }
}

/// The receipt of an upload that has one, locked until the transaction ends.
pub(crate) async fn lock(connection: &mut PgConnection, upload: Uuid) -> Result<Receipt, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT outcome, object_key, thumbnail_key FROM uploader.receipts WHERE upload_id = $1 FOR UPDATE",
        upload
    )
    .fetch_one(connection)
    .await?;
    Ok(match row.object_key {
        Some(object_key) => {
            let keys = BTreeSet::from_iter(row.thumbnail_key.into_iter().chain([object_key]));
            Receipt::Referring {
                object_keys: keys.into_iter().collect(),
            }
        }
        None => Receipt::Concluded(Outcome::from_column(&row.outcome)?),
    })
}

pub(crate) async fn exists(connection: &mut PgConnection, upload: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM uploader.receipts WHERE upload_id = $1) AS "exists!""#,
        upload
    )
    .fetch_one(connection)
    .await
}

/// What a receipt refers to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct References<'a> {
    pub(crate) object_key: Option<&'a str>,
    pub(crate) thumbnail: Option<&'a ThumbnailState>,
}

/// Puts the first receipt of an upload on record; false if there is one already, which then stands.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    upload: &UploadState,
    outcome: Outcome,
    references: References<'_>,
    reason: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "INSERT INTO uploader.receipts (upload_id, item_id, outcome, object_key, reason, version, asked_version,
                                        thumbnail_key, thumbnail)
         VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8) ON CONFLICT (upload_id) DO NOTHING",
        upload.id,
        upload.item_id,
        outcome.as_str(),
        references.object_key,
        reason,
        upload.version,
        references.thumbnail.map(|thumbnail| &thumbnail.object_key),
        references.thumbnail.map(Json) as _
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// What was answered before, to a question that is asked once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub outcome: Outcome,
    pub object_key: Option<String>,
    pub thumbnail: Option<ThumbnailState>,
    pub reason: Option<String>,
    /// The version of the fact that answers.
    pub version: i64,
}

/// Takes the question that `upload` is in its version as answered, and says what to answer; none if it was answered
/// before, in this version or a later one, or has no receipt.
pub(crate) async fn answer_again(
    connection: &mut PgConnection,
    upload: &UploadState,
) -> Result<Option<Answer>, sqlx::Error> {
    let row = sqlx::query!(
        r#"UPDATE uploader.receipts SET version = version + 1, asked_version = $2, updated_at = now()
         WHERE upload_id = $1 AND asked_version < $2 AND outcome <> 'removing'
         RETURNING outcome, object_key, reason, version, thumbnail AS "thumbnail: Json<ThumbnailState>""#,
        upload.id,
        upload.version
    )
    .fetch_optional(connection)
    .await?;
    let answer = row.map(|row| {
        Ok(Answer {
            outcome: Outcome::from_column(&row.outcome)?,
            object_key: row.object_key,
            thumbnail: row.thumbnail.map(|Json(thumbnail)| thumbnail),
            reason: row.reason,
            version: row.version,
        })
    });
    answer.transpose()
}

/// The stored file is being let go of; its key stays on record until it is gone.
pub(crate) async fn mark_removing(connection: &mut PgConnection, upload: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE uploader.receipts SET outcome = 'removing', updated_at = now() WHERE upload_id = $1",
        upload
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The upload has no file any more; answers the version of the fact to tell.
pub(crate) async fn mark_removed(
    connection: &mut PgConnection,
    upload: &UploadState,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE uploader.receipts SET outcome = 'removed', object_key = NULL, thumbnail_key = NULL, thumbnail = NULL,
                version = version + 1, asked_version = greatest(asked_version, $2), updated_at = now()
         WHERE upload_id = $1 RETURNING version",
        upload.id,
        upload.version
    )
    .fetch_one(connection)
    .await
}

/// Those of the ids that have a receipt.
pub(crate) async fn known(connection: &mut PgConnection, uploads: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT upload_id FROM uploader.receipts WHERE upload_id = ANY($1)",
        uploads
    )
    .fetch_all(connection)
    .await
}

/// Puts on record that nothing is to be stored for an upload of which nothing is known; false if it has a receipt.
pub(crate) async fn insert_unknown(connection: &mut PgConnection, upload: Uuid) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "INSERT INTO uploader.receipts (upload_id, item_id, outcome, version) VALUES ($1, $2, 'cancelled', 0)
         ON CONFLICT (upload_id) DO NOTHING",
        upload,
        Uuid::nil()
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The upload has no file any more, and nobody is told: the version of the newest fact stays.
pub(crate) async fn mark_forgotten(connection: &mut PgConnection, upload: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE uploader.receipts SET outcome = 'removed', object_key = NULL, thumbnail_key = NULL, thumbnail = NULL,
                updated_at = now()
         WHERE upload_id = $1",
        upload
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Up to `limit` receipts after `after` and, if there is one, up to `until`, in the order of their ids.
pub(crate) async fn page(
    connection: &mut PgConnection,
    after: Uuid,
    until: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ReceiptRow>, sqlx::Error> {
    sqlx::query_as!(
        ReceiptRow,
        r#"SELECT r.upload_id, r.outcome, r.object_key, o.size_bytes AS "size_bytes?", r.version,
                  extract(epoch FROM now() - r.updated_at)::bigint AS "unchanged_seconds!"
           FROM uploader.receipts r LEFT JOIN uploader.objects o ON o.key = r.object_key
           WHERE r.upload_id > $1 AND ($2::uuid IS NULL OR r.upload_id <= $2) ORDER BY r.upload_id LIMIT $3"#,
        after,
        until,
        limit
    )
    .fetch_all(connection)
    .await
}
