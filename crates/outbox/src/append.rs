use sqlx::PgConnection;

use crate::{
    doorbell::ShardSet,
    event::{InvalidEvent, NewEvent, NewRow},
};

/// Why events were not appended. The caller's transaction is to be rolled back.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing was written; a fault of the event, it fails each time.
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
    #[error("{events} events could not be inserted into the outbox")]
    Insert {
        events: usize,
        #[source]
        source: sqlx::Error,
    },
}

/// Appends events in the caller's transaction, in one statement. They are published after its commit, and never if
/// it rolls back. Answers the shards that they are in: ring the [`crate::Doorbell`] for these after the commit, so that the
/// relay does not wait for its next poll.
///
/// The caller holds the lock of each aggregate's row, and each event's version is the one that it assigned under
/// that lock. Insert last: the shorter a transaction stays open after it, the less the relay has to remember.
///
/// # Errors
/// `Invalid` if an event is too large or cannot be stored, before anything is written; `Insert` if Postgres refuses.
pub async fn append(transaction: &mut PgConnection, events: Vec<NewEvent>) -> Result<ShardSet, AppendError> {
    let shards = ShardSet::of(events.iter().map(|event| event.aggregate_id));
    let rows = events
        .into_iter()
        .map(NewEvent::into_row)
        .collect::<Result<Vec<_>, _>>()?;
    insert(transaction, rows).await?;
    Ok(shards)
}

async fn insert(transaction: &mut PgConnection, rows: Vec<NewRow>) -> Result<(), AppendError> {
    if rows.is_empty() {
        return Ok(());
    }
    let events = rows.len();
    let mut columns = Columns::default();
    for row in rows {
        columns.push(row);
    }
    // The ids are drawn in the order of the array, which is the order of the call.
    sqlx::query!(
        "INSERT INTO outbox (shard, topic, aggregate_id, aggregate_version, event_id, event_type, occurred_at, headers,
                             payload)
         SELECT * FROM unnest($1::smallint[], $2::text[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[],
                              $7::timestamptz[], $8::text[], $9::bytea[])",
        &columns.shard,
        &columns.topic,
        &columns.aggregate_id,
        &columns.aggregate_version,
        &columns.event_id,
        &columns.event_type,
        &columns.occurred_at,
        &columns.headers,
        &columns.payload,
    )
    .execute(transaction)
    .await
    .map_err(|source| AppendError::Insert { events, source })?;
    Ok(())
}

#[derive(Default)]
struct Columns {
    shard: Vec<i16>,
    topic: Vec<String>,
    aggregate_id: Vec<uuid::Uuid>,
    aggregate_version: Vec<i64>,
    event_id: Vec<uuid::Uuid>,
    event_type: Vec<String>,
    occurred_at: Vec<time::OffsetDateTime>,
    headers: Vec<String>,
    payload: Vec<Vec<u8>>,
}

impl Columns {
    fn push(&mut self, row: NewRow) {
        self.shard.push(row.shard);
        self.topic.push(row.topic);
        self.aggregate_id.push(row.aggregate_id);
        self.aggregate_version.push(row.aggregate_version);
        self.event_id.push(row.event_id);
        self.event_type.push(row.event_type);
        self.occurred_at.push(row.occurred_at);
        self.headers.push(row.headers);
        self.payload.push(row.payload);
    }
}
