//! How far the groups have come that read an event's topic.

use depot_schemas::EventType;

use super::{
    database::Database,
    events::Whereto,
    hop::{Hop, HopState, NotSeen, Seen, Wait},
    log::{Log, Place},
};

/// Who reads events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Projector,
    Uploader,
    Saga,
}

impl Group {
    /// As in the group's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Projector => "projector",
            Self::Uploader => "uploader",
            Self::Saga => "saga",
        }
    }

    /// Whether it does anything with an event of that type; unknown ones concern everybody.
    fn is_concerned(self, event_type: Option<&str>) -> bool {
        let Some(event_type) = event_type.and_then(EventType::from_name) else {
            return true;
        };
        match self {
            Self::Projector => true,
            Self::Uploader => matches!(
                event_type,
                EventType::UploadReceived
                    | EventType::UploadExpired
                    | EventType::UploadAborted
                    | EventType::FileRemovalRequested
            ),
            Self::Saga => matches!(
                event_type,
                EventType::ItemDeleted
                    | EventType::FileStored
                    | EventType::FileRejected
                    | EventType::FileRemoved
            ),
        }
    }
}

/// Where a group stands in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The offset that it reads next; none if it has never said one.
    pub next: Option<i64>,
    /// Behind the newest record.
    pub end: i64,
}

/// Asks for the position in the partition of a place. The projector's is that of the views that serve, which it keeps
/// with them; the others' are Kafka's.
pub async fn look(log: &Log, db: &mut Database, group: Group, place: &Place) -> Seen<Position> {
    let next = match group {
        Group::Projector => projectors_next(db, &place.topic, place.partition).await?,
        _ => {
            let name = log.topics.group(group.name());
            log.committed(&name, &place.topic, place.partition).await?
        }
    };
    // The end only says how much there is besides: what is known is told without it.
    let end = log.end(&place.topic, place.partition).await;
    let end = end.unwrap_or_else(|_| next.unwrap_or_default().max(place.offset + 1));
    Ok(Position { next, end })
}

/// The offset that the views that serve are to have next of a partition.
pub async fn projectors_next(db: &mut Database, topic: &str, partition: i32) -> Seen<Option<i64>> {
    db.ask("read the views' offsets", async |conn| {
        sqlx::query_scalar!(
            r#"SELECT next_offset - log_base AS "next_offset!" FROM read.offsets
               WHERE projection = (SELECT projection FROM read.active_projection) AND topic = $1 AND partition = $2"#,
            topic,
            partition
        )
        .fetch_optional(conn)
        .await
    })
    .await
}

pub fn hop(log: &Log, group: Group, whereto: &Whereto, position: Option<&Seen<Position>>) -> Hop {
    let full = log.topics.group(group.name());
    let name = format!("group {full}");
    let (record, position) = match (whereto, position) {
        (Whereto::NotPublished(_), _) => {
            return Hop::new(name, HopState::NotReached, "the event is not published yet");
        }
        (Whereto::NotSeen(_), _) | (_, None) => {
            let why = NotSeen("where the event lies in the log is not known".to_owned());
            return Hop::unseen(name, &why);
        }
        (_, Some(Err(why))) => return Hop::unseen(name, why),
        (Whereto::Found(record), Some(Ok(position))) => (record, position),
    };
    let Place {
        topic,
        partition,
        offset,
    } = &record.place;
    let next = position.next.unwrap_or_default();
    let behind = offset - next;
    let lag = position.end - next;
    let hop = |state, detail: String| {
        Hop::new(&*name, state, detail)
            .figure("next_offset", position.next)
            .figure("behind", behind.max(0))
            .figure("lag", lag.max(0))
    };
    if position.next.is_some() && behind < 0 {
        return hop(HopState::Done, format!("processed; it reads offset {next} next"));
    }
    if !group.is_concerned(record.event_type.as_deref()) {
        let detail = format!("nothing for it to do; it reads offset {next} next");
        return hop(HopState::Done, detail);
    }
    let before = match behind {
        0 => "it is the next one".to_owned(),
        1 => "behind 1 message".to_owned(),
        behind => format!("behind {behind} messages"),
    };
    let wait = Wait {
        is_stuck: false,
        place: format!("in {topic} [{partition}] at offset {offset}"),
        reason: format!("waits for the {} ({full}), {before}", group.name()),
        advice: format!(
            "see that the {} runs and is ready (depot_consumer_lag_messages, /readyz)",
            match group {
                Group::Saga => "command-api with SAGA_ENABLED",
                Group::Projector | Group::Uploader => group.name(),
            }
        ),
    };
    hop(
        HopState::Waiting,
        format!("{before}; it reads offset {next} next, of {}", position.end),
    )
    .since(record.at)
    .waits(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_concerned_by_what_it_acts_on() {
        let concerned = |event: &str| {
            [Group::Projector, Group::Uploader, Group::Saga].map(|group| group.is_concerned(Some(event)))
        };
        assert_eq!(concerned("depot.upload.requested.v1"), [true, false, false]);
        assert_eq!(concerned("depot.upload.received.v1"), [true, true, false]);
        assert_eq!(concerned("depot.item.updated.v1"), [true, false, false]);
        assert_eq!(concerned("depot.item.deleted.v1"), [true, false, true]);
        assert_eq!(concerned("depot.file.stored.v1"), [true, false, true]);
        assert_eq!(concerned("depot.item.painted.v1"), [true; 3]);
    }
}
