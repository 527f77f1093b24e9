//! What the log has of epochs that are over and the state has not: it was acknowledged after the moment to which the database
//! was set back. The views have it, and nothing will ever change it there, so it is told to be gone, once in an epoch; and noted,
//! for the person who tells the owners.

use std::collections::BTreeMap;

use depot_schemas::{Entity, Event, EventData, ItemState, UploadState};
use uuid::Uuid;

use super::{REST, RepublishError, RepublishOutcome, Republisher, end};
use crate::{
    commands::{CommandError, UnitOfWork},
    store::{
        self,
        republish::{Former, Progress},
    },
};

/// Below any version that the state gives out to what is deleted, which is one above that of its creation.
const VERSION: i64 = 1;
/// What an upload is aborted by that nobody aborted.
const REASON: &str = "lost_in_restore";

impl Republisher {
    /// Reads both logs from their beginnings, as far as they reached when that began. Killed on the way, it begins anew, and
    /// tells nothing twice.
    pub(super) async fn tell_lost(&self) -> Result<RepublishOutcome, RepublishError> {
        let unit = self.begin().await?;
        let epoch = unit.moment().epoch;
        unit.roll_back().await;
        for entity in [Entity::Items, Entity::Uploads] {
            let mut scan = self.log.begin(self.topics.events(entity), entity, epoch);
            while let Some(events) = scan.next().await {
                while !self.has_room().await? {
                    tokio::time::sleep(REST).await;
                }
                if !self.tell_those_lost(entity, events).await? {
                    return Ok(RepublishOutcome::Idle);
                }
            }
            scan.ended().await?;
        }
        let mut unit = self.begin().await?;
        if self.take(&mut unit).await?.is_none() {
            unit.roll_back().await;
            return Ok(RepublishOutcome::Idle);
        }
        store::republish::advance(unit.conn(), end()).await?;
        unit.commit().await?;
        Ok(RepublishOutcome::Finished)
    }

    /// False if another process has the run by now.
    async fn tell_those_lost(
        &self,
        entity: Entity,
        events: BTreeMap<Uuid, Event>,
    ) -> Result<bool, CommandError> {
        let mut unit = self.begin().await?;
        let Some(place) = self.take(&mut unit).await? else {
            unit.roll_back().await;
            return Ok(false);
        };
        let epoch = unit.moment().epoch;
        let former: Vec<Former> = events.values().map(former).collect();
        let lost = match entity {
            Entity::Uploads => store::republish::note_lost_uploads(unit.conn(), epoch, &former).await?,
            _ => store::republish::note_lost_items(unit.conn(), epoch, &former).await?,
        };
        for id in &lost {
            if let Some(event) = events.get(id) {
                record_as_gone(&mut unit, event)?;
            }
        }
        let progress = Progress {
            to: place,
            items: 0,
            uploads: 0,
            lost: lost.len() as i64,
        };
        store::republish::advance(unit.conn(), progress).await?;
        unit.commit().await?;
        Ok(true)
    }
}

fn former(event: &Event) -> Former {
    let owner = match &event.data {
        EventData::Item(data) => data.item.owner.clone(),
        EventData::Upload(data) => data.upload.owner.clone(),
        EventData::Declared(data) => data.aggregate.owner.clone(),
        EventData::File(_) => String::new(),
    };
    Former {
        id: event.envelope.subject,
        owner,
        occurred_at: event.envelope.time,
        version: event.envelope.version.to_string(),
    }
}

fn record_as_gone(unit: &mut UnitOfWork, event: &Event) -> Result<(), CommandError> {
    match &event.data {
        EventData::Item(data) => unit.record_item_snapshot(ItemState {
            version: VERSION,
            deleted: true,
            ..data.item.clone()
        }),
        EventData::Upload(data) => unit.record_upload_snapshot(UploadState {
            version: VERSION,
            status: "aborted".to_owned(),
            reason: Some(REASON.to_owned()),
            object_key: None,
            multipart: None,
            thumbnail: None,
            ..data.upload.clone()
        }),
        // Neither is looked for in a lost log.
        EventData::File(_) | EventData::Declared(_) => Ok(()),
    }
}
