//! The uploader's side of an upload: its receipt, and the object that this refers to.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    database::Database,
    hop::{Hop, HopState, Seen, Wait},
};

const NAME: &str = "receipt (uploader)";

/// What the uploader has on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// `stored`, `rejected`, `removing`, `removed` or `cancelled`.
    pub outcome: String,
    pub reason: Option<String>,
    /// Of the newest fact that was told.
    pub version: i64,
    /// The version of the upload that this fact answers.
    pub asked_version: i64,
    pub object_state: Option<String>,
    pub updated_at: OffsetDateTime,
}

/// An object that is on its way into the bucket of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copying {
    pub key: String,
    pub updated_at: OffsetDateTime,
}

/// The receipt, and, where there is none, what is being copied for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub receipt: Option<Receipt>,
    pub copying: Option<Copying>,
}

pub async fn look(db: &mut Database, upload: Uuid) -> Seen<Kept> {
    db.ask("read the upload's receipt", async |conn| {
        let receipt = sqlx::query_as!(
            Receipt,
            r#"SELECT r.outcome, r.reason, r.version, r.asked_version, o.state AS "object_state?", r.updated_at
               FROM uploader.receipts r LEFT JOIN uploader.objects o ON o.key = r.object_key
               WHERE r.upload_id = $1"#,
            upload
        )
        .fetch_optional(&mut *conn)
        .await?;
        // Its key ends with the upload that claimed it, and a number where that began anew.
        let copying = sqlx::query_as!(
            Copying,
            "SELECT key, updated_at FROM uploader.objects
             WHERE state = 'copying' AND key LIKE '%/' || $1::text || '%' ORDER BY updated_at DESC LIMIT 1",
            upload.to_string()
        )
        .fetch_optional(conn)
        .await?;
        Ok(Kept { receipt, copying })
    })
    .await
}

pub fn hop(kept: &Seen<Kept>) -> Hop {
    let kept = match kept {
        Err(why) => return Hop::unseen(NAME, why),
        Ok(kept) => kept,
    };
    let Some(receipt) = &kept.receipt else {
        return match &kept.copying {
            Some(copying) => Hop::new(
                NAME,
                HopState::Here,
                format!("none yet: its bytes are being copied to {}", copying.key),
            )
            .since(copying.updated_at),
            None => Hop::new(NAME, HopState::NotReached, "none"),
        };
    };
    let reason = receipt.reason.as_ref().map(|reason| format!(" ({reason})"));
    let object = receipt.object_state.as_ref();
    let object = object.map(|state| format!(", its object is {state}"));
    let detail = format!(
        "{}{}, fact of version {}{}",
        receipt.outcome,
        reason.unwrap_or_default(),
        receipt.version,
        object.unwrap_or_default()
    );
    let is_removing = receipt.outcome == "removing";
    let state = if is_removing {
        HopState::Waiting
    } else {
        HopState::Done
    };
    let hop = Hop::new(NAME, state, detail)
        .since(receipt.updated_at)
        .figure("outcome", &*receipt.outcome)
        .figure("fact_version", receipt.version)
        .figure("object_state", receipt.object_state.clone());
    if !is_removing {
        return hop;
    }
    hop.waits(Wait {
        is_stuck: false,
        place: "at the uploader".to_owned(),
        reason: "the uploader lets go of the file".to_owned(),
        advice: "see that the uploader runs, and that the object store answers it".to_owned(),
    })
}
