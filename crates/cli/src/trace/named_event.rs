//! The event that an id names: by the log from the id's time on, the outboxes, and the history.

use std::time::Duration;

use depot_outbox::EventRow;
use depot_schemas::Entity;
use uuid::Uuid;

use super::{
    Kind, Stores,
    database::Database,
    events::Followed,
    hop::{NotSeen, Seen},
    log::From,
    moment,
    search::{LogRecord, Wanted},
    subject::{Found, LEEWAY, Subject, kind_of},
    views,
};

/// Looks in the log first: it is the one place that finds an event by its time.
pub async fn find(stores: &mut Stores, id: Uuid, found: &mut Found) {
    if let Some(record) = found.seen(in_log(stores, id).await).flatten() {
        found.subjects.extend(of_record(stores, id, record));
        return;
    }
    let mut row = found.seen(in_outbox(&mut stores.command, id).await).flatten();
    if row.is_none() {
        row = found.seen(in_outbox(&mut stores.uploader, id).await).flatten();
    }
    if let Some(row) = row {
        found.subjects.extend(of_row(stores, id, row));
        return;
    }
    if let Some(record) = found.seen(in_history(stores, id).await).flatten() {
        found.subjects.extend(of_record(stores, id, record));
    }
}

async fn in_outbox(db: &mut Database, id: Uuid) -> Seen<Option<EventRow>> {
    db.ask("look for the event in the outbox", async |conn| {
        depot_outbox::find_event(conn, id).await
    })
    .await
}

async fn in_log(stores: &Stores, id: Uuid) -> Seen<Option<LogRecord>> {
    let from = moment::of_id(id).map_or(From::Start, |at| From::Time(at - LEEWAY));
    let mut places = Vec::new();
    for entity in Entity::ALL {
        let topic = stores.log.topics.events(entity);
        let partitions = stores.log.partitions(&topic).await?;
        places.extend((0..partitions).map(|partition| (topic.clone(), partition, from)));
    }
    let search = stores
        .log
        .search(places, Wanted::Event { id }, stores.scan)
        .await?;
    match search.found {
        None if search.is_cut_short => Err(NotSeen(format!(
            "the event is not among the first {} records from its time on, read in {} s: raise --scan-seconds",
            search.read,
            stores.scan.as_secs()
        ))),
        found => Ok(found),
    }
}

/// By the id alone, in the part of the history that is of its time.
async fn in_history(stores: &mut Stores, id: Uuid) -> Seen<Option<LogRecord>> {
    let Some(at) = moment::of_id(id) else {
        return Ok(None);
    };
    let row = stores
        .command
        .ask("look for the event in the history", async |conn| {
            sqlx::query!(
                "SELECT item_id, version FROM read.item_history
                 WHERE projection = (SELECT projection FROM read.active_projection)
                   AND occurred_at BETWEEN $2 AND $3 AND event_id = $1 LIMIT 1",
                id,
                at - LEEWAY,
                at + LEEWAY
            )
            .fetch_optional(conn)
            .await
        })
        .await?;
    match row {
        Some(row) => views::history_of(&mut stores.command, row.item_id, row.version).await,
        None => Ok(None),
    }
}

fn of_record(stores: &Stores, id: Uuid, record: LogRecord) -> Option<Subject> {
    let row = EventRow {
        aggregate_id: record.key.as_ref()?.parse().ok()?,
        aggregate_version: record.version?,
        event_type: record.event_type.clone().unwrap_or_else(|| "unknown".to_owned()),
        topic: record.place.topic.clone(),
        occurred_at: record.at?,
    };
    let mut subject = of_row(stores, id, row)?;
    if let Some(followed) = &mut subject.followed {
        followed.epoch = record.epoch;
        followed.seen_at = Some(record);
    }
    Some(subject)
}

/// None of a topic that is none of this installation's, or of declared aggregates.
fn of_row(stores: &Stores, id: Uuid, row: EventRow) -> Option<Subject> {
    let entity = stores.log.topics.entity(&row.topic)?;
    let (kind, aggregate, version) = (kind_of(entity)?, row.aggregate_id, row.aggregate_version);
    Some(Subject {
        kind: Kind::Event,
        title: format!(
            "event {id} ({}, version {version} of {} {aggregate})",
            row.event_type,
            match entity {
                Entity::Files => "the file of upload",
                Entity::Items | Entity::Uploads | Entity::Declared(_) => kind.as_str(),
            }
        ),
        about: Some((kind, aggregate)),
        followed: Some(Followed {
            entity,
            aggregate,
            version,
            epoch: None,
            at: Some(row.occurred_at),
            leeway: Duration::from_secs(1),
            seen_at: None,
        }),
        before: Vec::new(),
    })
}
