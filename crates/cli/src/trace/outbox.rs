//! The outbox of a service: what of an aggregate is not published yet, and who is to publish it.

use depot_outbox::Whereabouts;
use uuid::Uuid;

use super::{
    database::Database,
    hop::{Hop, HopState, Seen, Wait},
    moment,
};

/// Whose outbox it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    CommandApi,
    Uploader,
}

impl Writer {
    pub fn name(self) -> &'static str {
        match self {
            Self::CommandApi => "command-api",
            Self::Uploader => "uploader",
        }
    }

    fn what_resumes(self, aggregate: Uuid) -> String {
        match self {
            Self::CommandApi => format!("mend the cause, then depot outbox resume {aggregate}"),
            // It has no route for it.
            Self::Uploader => format!(
                "mend the cause, then have the owner of the database set resume_requested in \
                 uploader.outbox_parked_aggregates for {aggregate}"
            ),
        }
    }
}

/// Looks into the outbox of the schema of the connection.
pub async fn look(db: &mut Database, aggregate: Uuid) -> Seen<Whereabouts> {
    db.ask("look into the outbox", async |conn| {
        depot_outbox::whereabouts(conn, aggregate).await
    })
    .await
}

/// Whether a version waits for its relay, as far as the outbox tells.
pub fn is_waiting(outbox: &Seen<Whereabouts>, version: i64) -> bool {
    outbox.as_ref().is_ok_and(|outbox| {
        let is_parked = outbox.parked.is_some();
        let mut rows = outbox.rows.iter();
        is_parked || rows.any(|row| row.aggregate_version == version && !row.is_let_go)
    })
}

/// `up_to`: the version that is followed; what comes after it is not looked at. `in_log`: up to which version events were
/// found in the log, which tells more than the position does.
pub fn hop(
    writer: Writer,
    aggregate: Uuid,
    outbox: &Seen<Whereabouts>,
    up_to: Option<i64>,
    in_log: Option<i64>,
) -> Hop {
    let name = format!("outbox ({})", writer.name());
    let outbox = match outbox {
        Err(why) => return Hop::unseen(name, why),
        Ok(outbox) => outbox,
    };
    let shard = outbox.shard;
    let holder = match &outbox.holder {
        Some(holder) => format!(
            "shard {shard} is held by {} until {}",
            holder.instance,
            moment::text(holder.expires_at)
        ),
        None => format!("shard {shard} is held by nobody"),
    };
    let hop = |state, detail: String| {
        Hop::new(&*name, state, detail)
            .figure("shard", shard)
            .figure(
                "holder",
                outbox.holder.as_ref().map(|holder| holder.instance.clone()),
            )
            .figure(
                "lease_expires_at",
                outbox
                    .holder
                    .as_ref()
                    .map(|holder| moment::text(holder.expires_at)),
            )
    };
    if let Some(parked) = &outbox.parked {
        let wait = Wait {
            is_stuck: !parked.resume_requested,
            place: format!("parked in the outbox of {}", writer.name()),
            reason: format!("Kafka refused it: {}", parked.reason),
            advice: match parked.resume_requested {
                true => "its relay resumes it".to_owned(),
                false => writer.what_resumes(aggregate),
            },
        };
        let detail = format!("parked, {} events: {}; {holder}", parked.rows, parked.reason);
        return hop(HopState::Here, detail)
            .since(parked.parked_at)
            .figure("parked_rows", parked.rows)
            .waits(wait);
    }
    let is_meant =
        |version| up_to.is_none_or(|up_to| version <= up_to) && in_log.is_none_or(|in_log| version > in_log);
    let waiting: Vec<_> = outbox
        .rows
        .iter()
        .filter(|row| !row.is_let_go && is_meant(row.aggregate_version))
        .collect();
    let Some(oldest) = waiting.last() else {
        return hop(HopState::Done, format!("nothing of it waits; {holder}")).figure("waiting_rows", 0);
    };
    let wait = Wait {
        is_stuck: false,
        place: format!("in the outbox of {}", writer.name()),
        reason: format!("waits for a relay to publish it: {holder}"),
        advice: format!(
            "see that Kafka takes messages, and that a {} runs with RELAY_ENABLED (depot outbox show)",
            writer.name()
        ),
    };
    let count = waiting.len();
    let detail = format!(
        "{count} not published, from version {} on; {holder}",
        oldest.aggregate_version
    );
    hop(HopState::Here, detail)
        .since(oldest.occurred_at)
        .figure("waiting_rows", count)
        .waits(wait)
}

#[cfg(test)]
mod tests {
    use depot_outbox::OutboxRow;
    use time::OffsetDateTime;

    use super::*;

    fn with_rows(rows: &[(i64, bool)]) -> Seen<Whereabouts> {
        let row = |(version, is_let_go): &(i64, bool)| OutboxRow {
            event_id: Uuid::nil(),
            aggregate_version: *version,
            event_type: "t".to_owned(),
            topic: "t".to_owned(),
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            is_let_go: *is_let_go,
        };
        Ok(Whereabouts {
            shard: 7,
            holder: None,
            rows: rows.iter().map(row).collect(),
            parked: None,
        })
    }

    #[test]
    fn what_the_log_has_waits_no_more_whatever_the_stored_position_says() {
        let outbox = with_rows(&[(3, false), (2, false), (1, true)]);
        let state = |up_to, in_log| hop(Writer::CommandApi, Uuid::nil(), &outbox, up_to, in_log).state;
        assert_eq!(state(None, None), HopState::Here);
        assert_eq!(state(Some(3), Some(2)), HopState::Here);
        assert_eq!(state(Some(3), Some(3)), HopState::Done);
        assert_eq!(state(Some(1), None), HopState::Done);
        assert!(is_waiting(&outbox, 3) && !is_waiting(&outbox, 1) && !is_waiting(&outbox, 4));
        let none = with_rows(&[(1, true)]);
        assert_eq!(
            hop(Writer::Uploader, Uuid::nil(), &none, None, None).state,
            HopState::Done
        );
    }
}
