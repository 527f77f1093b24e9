//! Where a page of dead letters ended. Only admins see cursors, who may read all that a made-up one could point at, so
//! they are not authenticated; the filter's hash keeps one from being used with another question.

use aws_lc_rs::digest;
use depot_service::problem::Problem;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::dlq::{decoded, encoded};
use crate::store::dead_letters::{DeadLetter, DeadLetterId, Filter};

#[derive(Serialize, Deserialize)]
struct Cursor {
    filter: String,
    /// Microseconds since 1970, which is what Postgres keeps.
    failed_at: i128,
    group: String,
    topic: String,
    partition: i32,
    offset: i64,
}

pub fn of(last: &DeadLetter, filter: &Filter) -> String {
    let cursor = Cursor {
        filter: hash(filter),
        failed_at: last.failed_at.unix_timestamp_nanos() / 1_000,
        group: last.consumer_group.clone(),
        topic: last.topic.clone(),
        partition: last.partition,
        offset: last.offset,
    };
    encoded(&serde_json::to_vec(&cursor).unwrap_or_default())
}

pub fn parse(text: &str, filter: &Filter) -> Result<(OffsetDateTime, DeadLetterId), Problem> {
    let invalid = |detail: &str| Problem::invalid_parameter("cursor", detail);
    let cursor = decoded(text).and_then(|bytes| serde_json::from_slice::<Cursor>(&bytes).ok());
    let cursor = cursor.ok_or_else(|| invalid("is none that this API gave"))?;
    if cursor.filter != hash(filter) {
        return Err(invalid("belongs to another filter; begin again without it"));
    }
    let nanos = cursor.failed_at.checked_mul(1_000);
    let failed_at = nanos.and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok());
    let failed_at = failed_at.ok_or_else(|| invalid("is none that this API gave"))?;
    let id = DeadLetterId {
        group: cursor.group,
        topic: cursor.topic,
        partition: cursor.partition,
        offset: cursor.offset,
    };
    Ok((failed_at, id))
}

fn hash(filter: &Filter) -> String {
    let text = format!("{filter:?}");
    encoded(&digest::digest(&digest::SHA256, text.as_bytes()).as_ref()[..12])
}
