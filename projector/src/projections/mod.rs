//! The views, one a file: each takes a batch at once, in one statement, with its keys sorted.

pub(crate) mod item;
pub(crate) mod item_history;
pub mod statistics;
pub(crate) mod upload;

use std::collections::BTreeMap;

use depot_consumer::Record;
use depot_domain::VersionToken;
use depot_schemas::{Event, EventData, ItemData, UploadData};
use uuid::Uuid;

/// An event of an aggregate in a batch.
#[derive(Debug)]
pub(crate) struct Occurrence<'a, D> {
    pub(crate) record: &'a Record,
    pub(crate) event: &'a Event,
    pub(crate) data: &'a D,
}

impl<D> Occurrence<'_, D> {
    pub(crate) fn version(&self) -> VersionToken {
        self.event.envelope.version
    }
}

/// The events of items in a batch, in the order of the log.
pub(crate) fn of_items(events: &[(Record, Event)]) -> Vec<Occurrence<'_, ItemData>> {
    let occurrences = events.iter().filter_map(|(record, event)| match &event.data {
        EventData::Item(data) => Some(Occurrence { record, event, data }),
        _ => None,
    });
    occurrences.collect()
}

/// The events of uploads in a batch, in the order of the log.
pub(crate) fn of_uploads(events: &[(Record, Event)]) -> Vec<Occurrence<'_, UploadData>> {
    let occurrences = events.iter().filter_map(|(record, event)| match &event.data {
        EventData::Upload(data) => Some(Occurrence { record, event, data }),
        _ => None,
    });
    occurrences.collect()
}

/// Of each aggregate the newest, sorted by key; of two of the same version the first.
pub(crate) fn newest<'a, D>(occurrences: &[Occurrence<'a, D>]) -> BTreeMap<Uuid, Occurrence<'a, D>> {
    let mut newest: BTreeMap<Uuid, Occurrence<'a, D>> = BTreeMap::new();
    for occurrence in occurrences {
        let Occurrence { record, event, data } = *occurrence;
        let kept = newest
            .entry(event.envelope.subject)
            .or_insert(Occurrence { record, event, data });
        if kept.version() < occurrence.version() {
            *kept = Occurrence { record, event, data };
        }
    }
    newest
}
