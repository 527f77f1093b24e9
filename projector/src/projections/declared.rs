//! The view of declared aggregates, of all kinds: `read.declared_aggregates`.

use std::collections::BTreeMap;

use depot_consumer::Batch;
use depot_schemas::{DeclaredData, Entity, Event, EventData};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Occurrence, newest, records};

/// The columns of `read.declared_aggregates` for UNNEST.
#[derive(Default)]
struct Columns {
    kinds: Vec<&'static str>,
    ids: Vec<Uuid>,
    owners: Vec<String>,
    states: Vec<Value>,
    epochs: Vec<i32>,
    versions: Vec<i64>,
    created: Vec<OffsetDateTime>,
    updated: Vec<OffsetDateTime>,
}

impl Columns {
    fn push(&mut self, kind: &'static str, occurrence: &Occurrence<'_, DeclaredData>) {
        let aggregate = &occurrence.data.aggregate;
        let version = occurrence.version();
        self.kinds.push(kind);
        self.ids.push(aggregate.id);
        self.owners.push(aggregate.owner.clone());
        self.states.push(aggregate.state.clone());
        self.epochs.push(version.epoch);
        self.versions.push(version.version);
        self.created.push(aggregate.created_at);
        self.updated.push(aggregate.updated_at);
    }
}

/// Events by kind and id.
type ByKind<'a> = BTreeMap<&'static str, BTreeMap<Uuid, Occurrence<'a, DeclaredData>>>;

/// The newest of each aggregate in batches, and how many events there are.
fn newest_of<'a>(batches: &[&'a Batch<Event>]) -> (ByKind<'a>, usize) {
    let mut kinds: BTreeMap<&'static str, Vec<Occurrence<'a, DeclaredData>>> = BTreeMap::new();
    let mut count = 0;
    for (record, event) in records(batches) {
        if let (EventData::Declared(data), Entity::Declared(of)) =
            (&event.data, event.envelope.event_type.entity())
        {
            let of_kind = kinds.entry(of.name).or_default();
            of_kind.push(Occurrence { record, event, data });
            count += 1;
        }
    }
    let newest = kinds.into_iter().map(|(kind, all)| (kind, newest(&all)));
    (newest.collect(), count)
}

/// What became of the events of declared aggregates.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Rows that are newer than what was there.
    pub(crate) rows: usize,
    pub(crate) events: usize,
    /// When what is visible now had happened.
    pub(crate) times: Vec<OffsetDateTime>,
}

/// Stores those that are newer than what is there.
pub(crate) async fn store(
    transaction: &mut PgConnection,
    projection: i32,
    batches: &[&Batch<Event>],
) -> Result<Stored, sqlx::Error> {
    let (newest, events) = newest_of(batches);
    if events == 0 {
        return Ok(Stored::default());
    }
    let mut columns = Columns::default();
    for (kind, occurrences) in &newest {
        for occurrence in occurrences.values() {
            columns.push(kind, occurrence);
        }
    }
    let times = sqlx::query_scalar!(
        "INSERT INTO read.declared_aggregates AS t (projection, kind, id, owner, state, epoch, version, created_at,
                                                    updated_at)
         SELECT $1, u.*
         FROM unnest($2::text[], $3::uuid[], $4::text[], $5::jsonb[], $6::integer[], $7::bigint[], $8::timestamptz[],
                     $9::timestamptz[])
              AS u (kind, id, owner, state, epoch, version, created_at, updated_at)
         ORDER BY u.kind, u.id
         ON CONFLICT (projection, kind, id) DO UPDATE SET
             owner = EXCLUDED.owner, state = EXCLUDED.state, epoch = EXCLUDED.epoch, version = EXCLUDED.version,
             created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at
         WHERE (t.epoch, t.version) < (EXCLUDED.epoch, EXCLUDED.version)
         RETURNING t.updated_at",
        projection,
        &columns.kinds as _,
        &columns.ids,
        &columns.owners,
        &columns.states,
        &columns.epochs,
        &columns.versions,
        &columns.created,
        &columns.updated,
    )
    .fetch_all(transaction)
    .await?;
    Ok(Stored {
        rows: times.len(),
        events,
        times,
    })
}
