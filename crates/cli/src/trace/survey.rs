//! Asks the stores for one item or upload, one after the other, in the order in which an event passes them.

use std::time::Duration;

use depot_read_model::EntityKind;
use depot_schemas::Entity;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Stores, cache, dead_letters,
    events::{self, Followed, Whereto},
    groups::{self, Group},
    hop::{Hop, NotSeen, Seen},
    log::From,
    moment,
    outbox::{self, Writer},
    parked, partitioner, receipts, saga,
    search::Wanted,
    state::{self, State},
    subject::Subject,
    views,
};

/// Between the time of a state and that of its event, which are the same but for what was cut off.
const LEEWAY: Duration = Duration::from_secs(1);
/// Between the time of a receipt, by the database's clock, and that of its fact, by the uploader's.
const FACTS_LEEWAY: Duration = Duration::from_secs(60);

/// What was asked of one item or upload.
struct Survey<'a> {
    stores: &'a mut Stores,
    kind: EntityKind,
    id: Uuid,
    now: OffsetDateTime,
    hops: Vec<Hop>,
}

/// Every hop of a subject.
pub async fn hops(stores: &mut Stores, subject: &Subject) -> Vec<Hop> {
    let Some((kind, id)) = subject.about else {
        return subject.before.clone();
    };
    let mut survey = Survey {
        stores,
        kind,
        id,
        now: OffsetDateTime::now_utc(),
        hops: subject.before.clone(),
    };
    let followed = subject.followed.as_ref();
    let (own, fact) = match followed.map(|followed| followed.entity) {
        Some(Entity::Files) => (None, followed.cloned()),
        _ => (followed.cloned(), None),
    };
    let (state, event) = survey.way_into_the_views(own).await;
    match kind {
        EntityKind::Item => survey.deletion(&state, &event).await,
        EntityKind::Upload => survey.uploaders_part(&event, fact).await,
    }
    survey.dead_letters().await;
    survey.hops
}

impl Survey<'_> {
    /// State, outbox, topic, projector, view, cache. Answers the state, and where the event was found that is followed: the
    /// newest, unless another is meant.
    async fn way_into_the_views(&mut self, followed: Option<Followed>) -> (Seen<Option<State>>, Whereto) {
        let (kind, id) = (self.kind, self.id);
        let db = &mut self.stores.command;
        let state = state::look(db, kind, id).await;
        let epoch = state::epoch(db).await;
        let outbox = outbox::look(db, id).await;
        let views = views::look(db, kind, id).await;
        self.hops.push(state::hop(&state, &epoch));
        let followed = match (followed, &state) {
            (Some(followed), _) => Ok(Some(followed)),
            (None, Ok(Some(state))) => Ok(Some(self.newest(state))),
            (None, _) => self.newest_in_log().await,
        };
        let mut event = Whereto::NotSeen(NotSeen("no event of it is known".to_owned()));
        let version = followed
            .as_ref()
            .ok()
            .and_then(|followed| Some(followed.as_ref()?.version));
        match followed {
            Ok(Some(followed)) => {
                let followed = self.by_history(followed).await;
                event = events::find(&self.stores.log, &followed, &outbox, self.stores.scan).await;
                let in_log = event.record().and_then(|record| record.version);
                self.hops
                    .push(outbox::hop(Writer::CommandApi, id, &outbox, version, in_log));
                self.hops.push(events::hop(&self.stores.log, &followed, &event));
            }
            Ok(None) => self
                .hops
                .push(outbox::hop(Writer::CommandApi, id, &outbox, None, None)),
            Err(why) => {
                self.hops
                    .push(outbox::hop(Writer::CommandApi, id, &outbox, None, None));
                self.hops.push(Hop::unseen("topic of its events", &why));
            }
        }
        self.group(Group::Projector, &event).await;
        let epoch = event.record().and_then(|record| record.epoch);
        self.hops.push(views::hop(kind, &views, version, epoch));
        let cached = match &views {
            Ok(views) => cache::look(views, kind, id).await,
            Err(_) => Err(NotSeen("the views do not say under which key it lies".to_owned())),
        };
        self.hops.push(cache::hop(&views, &cached, self.now));
        (state, event)
    }

    fn newest(&self, state: &State) -> Followed {
        Followed {
            entity: match self.kind {
                EntityKind::Item => Entity::Items,
                EntityKind::Upload => Entity::Uploads,
            },
            aggregate: self.id,
            version: state.version,
            epoch: None,
            at: Some(state.updated_at),
            leeway: LEEWAY,
            seen_at: None,
        }
    }

    /// The newest event that the log has, where no state says which that is.
    async fn newest_in_log(&self) -> Seen<Option<Followed>> {
        let log = &self.stores.log;
        let entity = match self.kind {
            EntityKind::Item => Entity::Items,
            EntityKind::Upload => Entity::Uploads,
        };
        let (topic, key) = (log.topics.events(entity), self.id.to_string());
        let partitions = log.partitions(&topic).await?;
        let partition = partitioner::partition_of(key.as_bytes(), partitions);
        let from = moment::of_id(self.id).map_or(From::Start, |at| From::Time(at - FACTS_LEEWAY));
        let wanted = Wanted::Newest { key };
        let search = log
            .search(vec![(topic, partition, from)], wanted, self.stores.scan)
            .await?;
        Ok(search.found.and_then(|record| {
            Some(Followed {
                entity,
                aggregate: self.id,
                version: record.version?,
                epoch: record.epoch,
                at: record.at,
                leeway: LEEWAY,
                seen_at: Some(record),
            })
        }))
    }

    /// The history knows where each event of an item lies that the views have.
    async fn by_history(&mut self, followed: Followed) -> Followed {
        if followed.seen_at.is_some() || followed.entity != Entity::Items {
            return followed;
        }
        let seen = views::history_of(&mut self.stores.command, self.id, followed.version).await;
        let seen = seen.ok().flatten();
        let is_it = |epoch: Option<i32>| followed.epoch.is_none() || followed.epoch == epoch;
        let seen_at = seen.filter(|record| is_it(record.epoch));
        Followed { seen_at, ..followed }
    }

    async fn group(&mut self, group: Group, event: &Whereto) {
        let Stores { log, command, .. } = &mut *self.stores;
        let position = match event.place() {
            Some(place) => Some(groups::look(log, command, group, place).await),
            None => None,
        };
        self.hops.push(groups::hop(log, group, event, position.as_ref()));
    }

    /// A deleted item's saga, which hears of the deletion from the log.
    async fn deletion(&mut self, state: &Seen<Option<State>>, event: &Whereto) {
        let is_deleted = |state: &Option<State>| state.as_ref().is_some_and(State::is_deleted_item);
        if !state.as_ref().is_ok_and(is_deleted) {
            return;
        }
        self.group(Group::Saga, event).await;
        let saga = saga::look(&mut self.stores.command, self.kind, self.id).await;
        self.hops.push(saga::hop(self.kind, self.id, &saga, self.now));
    }

    /// From the upload's topic to the uploader, and from there by its fact to the saga.
    async fn uploaders_part(&mut self, event: &Whereto, fact: Option<Followed>) {
        self.group(Group::Uploader, event).await;
        let Stores { log, command, .. } = &mut *self.stores;
        let rows = parked::look(command, log, self.id).await;
        let copy = match rows.as_ref().ok().and_then(|rows| rows.first()) {
            Some(oldest) => Some(parked::copy_of(log, self.id, oldest).await),
            None => None,
        };
        self.hops.push(parked::hop(log, &rows, copy, self.now));
        let kept = receipts::look(command, self.id).await;
        self.hops.push(receipts::hop(&kept));
        let receipt = kept.as_ref().ok().and_then(|kept| kept.receipt.as_ref());
        let newest = receipt
            .filter(|receipt| receipt.version > 0)
            .map(|receipt| Followed {
                entity: Entity::Files,
                aggregate: self.id,
                version: receipt.version,
                epoch: None,
                at: Some(receipt.updated_at),
                leeway: FACTS_LEEWAY,
                seen_at: None,
            });
        if let Some(fact) = fact.or(newest) {
            self.fact(&fact).await;
        }
        let saga = saga::look(&mut self.stores.command, self.kind, self.id).await;
        self.hops.push(saga::hop(self.kind, self.id, &saga, self.now));
    }

    async fn fact(&mut self, fact: &Followed) {
        let outbox = outbox::look(&mut self.stores.uploader, self.id).await;
        let event = events::find(&self.stores.log, fact, &outbox, self.stores.scan).await;
        let in_log = event.record().and_then(|record| record.version);
        let version = Some(fact.version);
        self.hops
            .push(outbox::hop(Writer::Uploader, self.id, &outbox, version, in_log));
        self.hops.push(events::hop(&self.stores.log, fact, &event));
        self.group(Group::Saga, &event).await;
    }

    async fn dead_letters(&mut self) {
        let Stores { log, command, .. } = &mut *self.stores;
        let letters = dead_letters::look(command, self.id).await;
        let sent_back = dead_letters::sent_back(command, log, &letters, self.id).await;
        self.hops
            .push(dead_letters::hop(self.id, &letters, sent_back.as_ref()));
    }
}
