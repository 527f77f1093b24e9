//! Where an item or an upload is, as the views and the cache have it.

use depot_read_model::{CacheEntry, EntityKind};
use depot_schemas::trace::{Trace, TraceHop, TraceHopState, TracedKind};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::read::{Cache, Pointer, ReadError, Traced, Views};

/// What is asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tracer {
    pub views: Views,
    pub cache: Cache,
    pub pointer: Pointer,
}

impl Tracer {
    /// What is known of an id; none if it names nothing in the views.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn trace(&self, id: Uuid) -> Result<Option<Trace>, ReadError> {
        for (kind, told) in [
            (EntityKind::Item, TracedKind::Item),
            (EntityKind::Upload, TracedKind::Upload),
        ] {
            let traced = self.views.traced(kind, id).await?;
            if traced.row.is_none() && traced.history.is_empty() {
                continue;
            }
            let entry = match self.pointer.current() {
                Some(pointer) => self.cache.get(pointer, kind, id).await,
                None => None,
            };
            return Ok(Some(Trace {
                id,
                kind: told,
                hops: hops(&traced, entry.as_ref()),
            }));
        }
        Ok(None)
    }
}

fn hops(traced: &Traced, entry: Option<&CacheEntry>) -> Vec<TraceHop> {
    let mut hops: Vec<TraceHop> = traced.history.iter().map(event).collect();
    hops.push(view(traced));
    if let Some(pending) = &traced.pending {
        let detail = format!("version {} is not confirmed by Redis", pending.version);
        hops.push(
            TraceHop::new("cache_pending", "cache", TraceHopState::Waiting, detail)
                .at(pending.noted_at)
                .version(pending.version)
                .fact("restore_epoch", pending.epoch),
        );
    }
    hops.push(cache(traced, entry));
    hops
}

fn event(event: &crate::read::TracedEvent) -> TraceHop {
    let place = format!("{} [{}]", event.topic, event.partition);
    let detail = match event.offset {
        0.. => format!("{} at offset {} of {place}", event.event_type, event.offset),
        _ => format!("{} in a log that was lost since", event.event_type),
    };
    TraceHop::new("event", "kafka", TraceHopState::Done, detail)
        .at(event.occurred_at)
        .version(event.version)
        .fact("event_id", event.event_id.to_string())
        .fact("event_type", event.event_type.clone())
        .fact("restore_epoch", event.epoch)
        .fact("topic", event.topic.clone())
        .fact("partition", event.partition)
        .fact("offset", Some(event.offset).filter(|offset| *offset >= 0))
}

fn view(traced: &Traced) -> TraceHop {
    let projection = traced.projection;
    match &traced.row {
        None => TraceHop::new(
            "view",
            "views",
            TraceHopState::None,
            format!("no row in projection {projection}"),
        ),
        Some(row) => {
            let detail = format!("{}, version {}, projection {projection}", row.status, row.version);
            TraceHop::new("view", "views", TraceHopState::Done, detail)
                .at(row.updated_at)
                .version(row.version)
                .fact("status", row.status.clone())
                .fact("projection", projection)
                .fact("restore_epoch", row.epoch)
                .fact("updated_at", text(row.updated_at))
        }
    }
    .fact("generation", traced.generation)
}

/// An entry that is not there is no fault: it is made when somebody asks.
fn cache(traced: &Traced, entry: Option<&CacheEntry>) -> TraceHop {
    let hop = match entry {
        None => TraceHop::new(
            "cache",
            "cache",
            TraceHopState::None,
            "no entry, or Redis does not answer",
        ),
        Some(entry) => {
            let version = entry.version.version;
            let row = traced.row.as_ref();
            let is_behind = row.is_some_and(|row| (entry.version.epoch, version) < (row.epoch, row.version));
            let state = match is_behind {
                true => TraceHopState::Waiting,
                false => TraceHopState::Done,
            };
            TraceHop::new("cache", "cache", state, format!("version {version}"))
                .version(version)
                .fact("is_tombstone", entry.is_deleted())
                .fact("restore_epoch", entry.version.epoch)
        }
    };
    hop.fact("generation", traced.generation)
}

fn text(at: OffsetDateTime) -> Value {
    at.format(&Rfc3339).map_or(Value::Null, Value::String)
}

#[cfg(test)]
mod tests {
    use depot_domain::VersionToken;
    use time::macros::datetime;

    use super::*;
    use crate::read::TracedRow;

    fn traced(version: i64) -> Traced {
        Traced {
            projection: 1,
            generation: 3,
            row: Some(TracedRow {
                epoch: 0,
                version,
                status: "active".to_owned(),
                updated_at: datetime!(2026-01-01 0:00 UTC),
            }),
            history: Vec::new(),
            pending: None,
        }
    }

    #[test]
    fn an_entry_that_is_older_than_the_row_is_waited_for() {
        let entry = CacheEntry::tombstone(VersionToken::new(0, 2), "alice");
        let state = |version| {
            let hops = hops(&traced(version), Some(&entry));
            hops.last().unwrap().state
        };
        assert_eq!(state(2), TraceHopState::Done);
        assert_eq!(state(3), TraceHopState::Waiting);
        assert_eq!(hops(&traced(2), None).last().unwrap().state, TraceHopState::None);
    }
}
