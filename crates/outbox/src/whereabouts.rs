//! One aggregate's events in the outbox, for a person who looks for them.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::shard::shard_of;

/// What the outbox has of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    pub shard: i16,
    /// The host of the relay that has the shard; none if nobody has it, or its lease has run out.
    pub holder: Option<Holder>,
    /// The aggregate's rows that are still there, published ones too, the newest version first; at most 200.
    pub rows: Vec<OutboxRow>,
    pub parked: Option<Parked>,
}

/// The relay that has a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What the relay calls itself: the process' service and host.
    pub instance: String,
    pub expires_at: OffsetDateTime,
}

/// One event of the aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub event_id: Uuid,
    pub aggregate_version: i64,
    pub event_type: String,
    pub topic: String,
    pub occurred_at: OffsetDateTime,
    /// Whether the shard's stored position sees it: it was acknowledged by Kafka, or parked. What was acknowledged since the
    /// position was stored (`RelayOptions::save_interval`) is not seen yet.
    pub is_let_go: bool,
}

/// Why nothing of the aggregate is published, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    pub parked_at: OffsetDateTime,
    pub reason: String,
    pub resume_requested: bool,
    pub rows: i64,
}

/// Whose event an id names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    pub aggregate_id: Uuid,
    pub aggregate_version: i64,
    pub event_type: String,
    pub topic: String,
    pub occurred_at: OffsetDateTime,
}

/// Looks for an aggregate in the outbox of the schema that the connection's search path names. Reads the shard's part of each
/// partition, a sixty-fourth.
///
/// # Errors
/// Of the database.
pub async fn whereabouts(conn: &mut PgConnection, aggregate_id: Uuid) -> Result<Whereabouts, sqlx::Error> {
    let shard = shard_of(aggregate_id);
    let held = sqlx::query!(
        r#"SELECT r.instance AS "instance?", s.expires_at FROM outbox_shards s LEFT JOIN outbox_relays r ON r.id = s.holder
           WHERE s.shard = $1 AND s.holder IS NOT NULL AND s.expires_at > clock_timestamp()"#,
        shard
    )
    .fetch_optional(&mut *conn)
    .await?;
    let holder = held.and_then(|row| {
        Some(Holder {
            instance: row.instance.unwrap_or_else(|| "a relay that has left".to_owned()),
            expires_at: row.expires_at?,
        })
    });
    let rows = sqlx::query_as!(
        OutboxRow,
        r#"SELECT o.event_id, o.aggregate_version, o.event_type, o.topic, o.occurred_at,
                  (pg_visible_in_snapshot(o.xid::text::xid8, s.position)
                   OR coalesce(o.id <= s.page_after_id AND pg_visible_in_snapshot(o.xid::text::xid8, s.page_target), false))
                  AS "is_let_go!"
           FROM outbox_shards s JOIN outbox o ON o.shard = s.shard
           WHERE s.shard = $1 AND o.aggregate_id = $2
           ORDER BY o.aggregate_version DESC, o.id DESC LIMIT 200"#,
        shard,
        aggregate_id,
    )
    .fetch_all(&mut *conn)
    .await?;
    let parked = sqlx::query_as!(
        Parked,
        r#"SELECT a.parked_at, a.reason, a.resume_requested,
                  (SELECT count(*) FROM outbox_parked p WHERE p.aggregate_id = a.aggregate_id) AS "rows!"
           FROM outbox_parked_aggregates a WHERE a.aggregate_id = $1"#,
        aggregate_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(Whereabouts {
        shard,
        holder,
        rows,
        parked,
    })
}

/// Whose event it is, if the outbox still has it. Reads the outbox whole, since no index is by the event's id: for a session
/// that has a limit for its statements.
///
/// # Errors
/// Of the database.
pub async fn find_event(conn: &mut PgConnection, event_id: Uuid) -> Result<Option<EventRow>, sqlx::Error> {
    sqlx::query_as!(
        EventRow,
        r#"SELECT aggregate_id AS "aggregate_id!", aggregate_version AS "aggregate_version!", event_type AS "event_type!",
                  topic AS "topic!", occurred_at AS "occurred_at!"
           FROM (SELECT aggregate_id, aggregate_version, event_type, topic, occurred_at FROM outbox WHERE event_id = $1
                 UNION ALL
                 SELECT aggregate_id, aggregate_version, event_type, topic, occurred_at FROM outbox_parked
                 WHERE event_id = $1) AS found
           LIMIT 1"#,
        event_id
    )
    .fetch_optional(conn)
    .await
}
