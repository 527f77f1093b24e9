//! The views, one a file: each takes all batches of a transaction at once, in one statement, with its keys sorted.

pub(crate) mod declared;
pub(crate) mod item;
pub(crate) mod item_history;
pub mod statistics;
pub(crate) mod upload;

use std::collections::BTreeMap;

use depot_consumer::{Batch, Record};
use depot_domain::VersionToken;
use depot_schemas::{Entity, Event, EventData, ItemData, UploadData};
use uuid::Uuid;

pub(crate) use crate::offsets::LogBases;

/// The shape of the rows that this program writes. It is raised with every change by which the same event makes another row:
/// programs feed the versions of the views that are of their shape, and leave others to the programs that write those.
pub const SHAPE: i32 = 1;

/// What has views.
pub(crate) fn projected() -> impl Iterator<Item = Entity> {
    [Entity::Items, Entity::Uploads]
        .into_iter()
        .chain(Entity::declared())
}

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

/// The events of items in batches, each in the order of its log.
pub(crate) fn of_items<'a>(batches: &[&'a Batch<Event>]) -> Vec<Occurrence<'a, ItemData>> {
    let occurrences = records(batches).filter_map(|(record, event)| match &event.data {
        EventData::Item(data) => Some(Occurrence { record, event, data }),
        _ => None,
    });
    occurrences.collect()
}

/// The events of uploads in batches, each in the order of its log.
pub(crate) fn of_uploads<'a>(batches: &[&'a Batch<Event>]) -> Vec<Occurrence<'a, UploadData>> {
    let occurrences = records(batches).filter_map(|(record, event)| match &event.data {
        EventData::Upload(data) => Some(Occurrence { record, event, data }),
        _ => None,
    });
    occurrences.collect()
}

fn records<'a>(batches: &[&'a Batch<Event>]) -> impl Iterator<Item = &'a (Record, Event)> {
    batches.iter().flat_map(|batch| batch.events.iter())
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
