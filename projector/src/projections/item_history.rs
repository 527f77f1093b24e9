//! The history of items: `read.item_history`, one row for each version of each item.

use depot_schemas::{ItemData, ItemState};
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Occurrence;

/// The columns of `read.item_history` for UNNEST.
#[derive(Default)]
struct Columns<'a> {
    items: Vec<Uuid>,
    epochs: Vec<i32>,
    versions: Vec<i64>,
    events: Vec<Uuid>,
    types: Vec<String>,
    causes: Vec<Uuid>,
    actors: Vec<String>,
    changed: Vec<Json<&'a [String]>>,
    states: Vec<Json<&'a ItemState>>,
    times: Vec<OffsetDateTime>,
    topics: Vec<&'a str>,
    partitions: Vec<i32>,
    offsets: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, occurrence: &Occurrence<'a, ItemData>) {
        let envelope = &occurrence.event.envelope;
        self.items.push(envelope.subject);
        self.epochs.push(envelope.version.epoch);
        self.versions.push(envelope.version.version);
        self.events.push(envelope.id.0);
        self.types.push(envelope.event_type.name().to_owned());
        self.causes.push(envelope.causation_id.0);
        self.actors.push(occurrence.data.actor.clone());
        self.changed.push(Json(&occurrence.data.changed));
        self.states.push(Json(&occurrence.data.item));
        self.times.push(envelope.time);
        self.topics.push(&occurrence.record.topic);
        self.partitions.push(occurrence.record.partition);
        self.offsets.push(occurrence.record.offset);
    }
}

/// Adds the versions that are not there yet, also those that the view of items refuses as older: a history without
/// holes does not depend on the order in which it was told. Of a repeat the first stays: it lies in the same partition of
/// the table, since each repeat of an event has the same time.
///
/// What is dated before the history begins by now is left out, and its place noted as one from which streams cannot go on
/// any more: otherwise a repeat would bring back pieces of what was dropped.
///
/// Returns how many were added.
pub(crate) async fn insert(
    transaction: &mut PgConnection,
    projection: i32,
    occurrences: &[Occurrence<'_, ItemData>],
) -> Result<u64, sqlx::Error> {
    let mut sorted: Vec<_> = occurrences.iter().collect();
    // Stable: of a version that occurs twice in a batch the one that was first in the log comes first.
    sorted.sort_by_key(|occurrence| (occurrence.event.envelope.subject, occurrence.version()));
    let mut columns = Columns::default();
    sorted.into_iter().for_each(|occurrence| columns.push(occurrence));
    let inserted = sqlx::query!(
        r#"WITH past AS (
               INSERT INTO read.item_history_floors AS f (projection, topic, partition, first_offset)
               SELECT $1, h.topic, h.partition, max(h."offset") + 1
               FROM unnest($11::timestamptz[], $12::text[], $13::integer[], $14::bigint[])
                        AS h (occurred_at, topic, partition, "offset"), read.item_history_kept k
               WHERE h.occurred_at < k.kept_from
               GROUP BY h.topic, h.partition
               ORDER BY h.topic, h.partition
               ON CONFLICT (projection, topic, partition)
               DO UPDATE SET first_offset = greatest(f.first_offset, EXCLUDED.first_offset)
           )
           INSERT INTO read.item_history (projection, item_id, epoch, version, event_id, event_type, causation_id,
                                          actor, changed, item, occurred_at, topic, partition, "offset")
           SELECT $1, h.item_id, h.epoch, h.version, h.event_id, h.event_type, h.causation_id, h.actor,
                  ARRAY(SELECT e.field FROM jsonb_array_elements_text(h.changed) WITH ORDINALITY AS e (field, place)
                        ORDER BY e.place),
                  h.item, h.occurred_at, h.topic, h.partition, h."offset"
           FROM unnest(
               $2::uuid[], $3::integer[], $4::bigint[], $5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::jsonb[],
               $10::jsonb[], $11::timestamptz[], $12::text[], $13::integer[], $14::bigint[]
           ) AS h (item_id, epoch, version, event_id, event_type, causation_id, actor, changed, item, occurred_at,
                   topic, partition, "offset")
           WHERE h.occurred_at >= (SELECT kept_from FROM read.item_history_kept)
           ON CONFLICT DO NOTHING"#,
        projection,
        &columns.items,
        &columns.epochs,
        &columns.versions,
        &columns.events,
        &columns.types,
        &columns.causes,
        &columns.actors,
        columns.changed as _,
        columns.states as _,
        &columns.times,
        &columns.topics as &[&str],
        &columns.partitions,
        &columns.offsets
    )
    .execute(transaction)
    .await?;
    Ok(inserted.rows_affected())
}
