//! What an id names: an item, an upload, an event, or the key of a request. Found out by looking.

use std::time::Duration;

use depot_read_model::EntityKind;
use depot_schemas::Entity;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Kind, Stores,
    events::Followed,
    hop::{Hop, NotSeen, Seen},
    keys::{self, Kept},
    log::From,
    moment, named_event, partitioner,
    search::Wanted,
};

/// For what is looked for besides, where something was found.
const BESIDES: Duration = Duration::from_secs(1);
/// How much earlier than its id an event may say that it was: the times of two clocks.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// Something that the id names.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    pub kind: Kind,
    /// For people: `event 0192… (depot.item.created.v1)`.
    pub title: String,
    /// What it is about; none for an answer that names nothing.
    pub about: Option<(EntityKind, Uuid)>,
    /// The event that is followed, where it is not the newest.
    pub followed: Option<Followed>,
    /// What it passed before.
    pub before: Vec<Hop>,
}

/// All that was found, and what could not be looked at.
#[derive(Debug, Default)]
pub struct Found {
    pub subjects: Vec<Subject>,
    pub not_seen: Vec<NotSeen>,
}

impl Found {
    /// Notes what could not be looked at: of a store that does not answer once, however much is asked of it.
    pub fn seen<T>(&mut self, seen: Seen<T>) -> Option<T> {
        seen.map_err(|why| {
            if !self.not_seen.contains(&why) {
                self.not_seen.push(why);
            }
        })
        .ok()
    }
}

/// Looks for what `id` names; for everything, or for one kind.
pub async fn find(stores: &mut Stores, id: &str, kind: Option<Kind>, principal: Option<&str>) -> Found {
    let mut found = Found::default();
    let is_asked = |asked: Kind| kind.is_none_or(|kind| kind == asked);
    let uuid: Option<Uuid> = id.parse().ok();
    if let Some(uuid) = uuid.filter(|_| is_asked(Kind::Item) || is_asked(Kind::Upload)) {
        aggregates(stores, uuid, kind, &mut found).await;
    }
    if is_asked(Kind::Key) {
        keys_of(stores, id, principal, &mut found).await;
    }
    // No index is by an event's id: it is looked for where nothing else was found, or where it is meant.
    if let Some(uuid) =
        uuid.filter(|_| kind == Some(Kind::Event) || kind.is_none() && found.subjects.is_empty())
    {
        named_event::find(stores, uuid, &mut found).await;
    }
    found
}

/// Items and uploads, by whoever knows of them; by the log alone where the database does not answer.
async fn aggregates(stores: &mut Stores, id: Uuid, kind: Option<Kind>, found: &mut Found) {
    let kinds = match known(stores, id).await {
        Ok(kinds) => kinds,
        Err(why) => {
            found.not_seen.push(why);
            let kinds = in_log(stores, id).await;
            found.seen(kinds).unwrap_or_default()
        }
    };
    for of in kinds {
        let asked = match of {
            EntityKind::Item => Kind::Item,
            EntityKind::Upload => Kind::Upload,
        };
        if kind.is_none_or(|kind| kind == asked) {
            found.subjects.push(Subject {
                kind: asked,
                title: format!("{} {id}", of.as_str()),
                about: Some((of, id)),
                followed: None,
                before: Vec::new(),
            });
        }
    }
}

/// What the database has of an id: state, views, receipts, or at least dead letters.
async fn known(stores: &mut Stores, id: Uuid) -> Seen<Vec<EntityKind>> {
    let key = id.to_string();
    let row = stores
        .command
        .ask("look for the id", async |conn| {
            sqlx::query!(
                r#"WITH serving AS (SELECT projection FROM read.active_projection)
                   SELECT EXISTS (SELECT FROM command.items WHERE id = $1)
                       OR EXISTS (SELECT FROM read.items WHERE projection = (TABLE serving) AND id = $1) AS "is_item!",
                          EXISTS (SELECT FROM command.uploads WHERE id = $1)
                       OR EXISTS (SELECT FROM read.uploads WHERE projection = (TABLE serving) AND id = $1)
                       OR EXISTS (SELECT FROM uploader.receipts WHERE upload_id = $1) AS "is_upload!",
                          ARRAY(SELECT DISTINCT topic FROM command.dead_letters WHERE key = $2) AS "letters!""#,
                id,
                key.as_bytes()
            )
            .fetch_one(conn)
            .await
        })
        .await?;
    let mut kinds = Vec::new();
    kinds.extend(row.is_item.then_some(EntityKind::Item));
    kinds.extend(row.is_upload.then_some(EntityKind::Upload));
    if kinds.is_empty() {
        let topics = &stores.log.topics;
        let entities = row.letters.iter().filter_map(|topic| topics.entity(topic));
        kinds.extend(entities.filter_map(kind_of));
        kinds.dedup();
    }
    Ok(kinds)
}

/// Whose key an id is in the log.
async fn in_log(stores: &Stores, id: Uuid) -> Seen<Vec<EntityKind>> {
    let from = moment::of_id(id).map_or(From::Start, |at| From::Time(at - LEEWAY));
    let key = id.to_string();
    for entity in [Entity::Items, Entity::Uploads] {
        let topic = stores.log.topics.events(entity);
        let partitions = stores.log.partitions(&topic).await?;
        let partition = partitioner::partition_of(key.as_bytes(), partitions);
        let wanted = Wanted::First { key: key.clone() };
        let place = vec![(topic, partition, from)];
        let search = stores.log.search(place, wanted, stores.scan).await?;
        if search.found.is_some() {
            return Ok(kind_of(entity).into_iter().collect());
        }
    }
    Ok(Vec::new())
}

/// None for a declared aggregate, whose way is not followed.
pub fn kind_of(entity: Entity) -> Option<EntityKind> {
    match entity {
        Entity::Items => Some(EntityKind::Item),
        Entity::Uploads | Entity::Files => Some(EntityKind::Upload),
        Entity::Declared(_) => None,
    }
}

/// Answers that are kept under the text. A key of everybody is looked for in all that there are, so only for a moment
/// where something was found already.
async fn keys_of(stores: &mut Stores, key: &str, principal: Option<&str>, found: &mut Found) {
    let is_besides = !found.subjects.is_empty() && principal.is_none();
    if is_besides && stores.command.limit(Some(BESIDES)).await.is_err() {
        return;
    }
    let kept = keys::look(&mut stores.command, key, principal).await;
    let kept = if is_besides {
        let _unchanged = stores.command.limit(None).await;
        kept.unwrap_or_default()
    } else {
        let hint = |NotSeen(why)| NotSeen(format!("{why} (--principal makes it quick)"));
        let is_away = stores.command.absence().is_some();
        let kept = if is_away { kept } else { kept.map_err(hint) };
        found.seen(kept).unwrap_or_default()
    };
    for kept in kept {
        found.subjects.push(of_key(key, &kept));
    }
}

fn of_key(key: &str, kept: &Kept) -> Subject {
    let named = kept.named();
    let followed = named.and_then(|named| {
        let version = named.version?;
        Some(Followed {
            entity: match named.kind {
                EntityKind::Item => Entity::Items,
                EntityKind::Upload => Entity::Uploads,
            },
            aggregate: named.id,
            version: version.version,
            epoch: Some(version.epoch),
            // An answer may show a state that is older than the key. Of items the history knows it; an upload's events are
            // as old as the upload at most.
            at: match named.kind {
                EntityKind::Item => Some(kept.created_at),
                EntityKind::Upload => Some(moment::of_id(named.id).unwrap_or(kept.created_at)),
            },
            leeway: LEEWAY,
            seen_at: None,
        })
    });
    Subject {
        kind: Kind::Key,
        title: format!("key {key} of {}, {}", kept.principal, kept.route),
        about: named.map(|named| (named.kind, named.id)),
        followed,
        before: vec![kept.hop(OffsetDateTime::now_utc())],
    }
}
