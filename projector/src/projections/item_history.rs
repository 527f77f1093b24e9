//! The history of items: `read.item_history`, one row for each version of each item. They are stored with
//! the items, in one statement.

use depot_schemas::{ItemData, ItemState};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{LogBases, Occurrence};

/// The columns of `read.item_history` for UNNEST.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) items: Vec<Uuid>,
    pub(super) epochs: Vec<i32>,
    pub(super) versions: Vec<i64>,
    pub(super) events: Vec<Uuid>,
    pub(super) types: Vec<String>,
    pub(super) causes: Vec<Uuid>,
    pub(super) actors: Vec<String>,
    pub(super) changed: Vec<Json<&'a [String]>>,
    pub(super) states: Vec<Json<&'a ItemState>>,
    pub(super) times: Vec<OffsetDateTime>,
    pub(super) topics: Vec<&'a str>,
    pub(super) partitions: Vec<i32>,
    pub(super) offsets: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, occurrence: &Occurrence<'a, ItemData>, bases: &LogBases<'_>) {
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
        let record = occurrence.record;
        self.topics.push(&record.topic);
        self.partitions.push(record.partition);
        self.offsets
            .push(bases.place(&record.topic, record.partition, record.offset));
    }

    /// Of these events, in the order in which their rows are locked.
    pub(super) fn of(occurrences: &[Occurrence<'a, ItemData>], bases: &LogBases<'_>) -> Self {
        let mut sorted: Vec<_> = occurrences.iter().collect();
        // Stable: of a version that occurs twice in a batch the one that was first in the log comes first.
        sorted.sort_by_key(|occurrence| (occurrence.event.envelope.subject, occurrence.version()));
        let mut columns = Self::default();
        sorted
            .into_iter()
            .for_each(|occurrence| columns.push(occurrence, bases));
        columns
    }
}
