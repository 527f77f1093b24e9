//! The dead letters of a key, by their index.

use depot_schemas::topics::REDRIVEN_GROUPS;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    database::Database,
    groups,
    hop::{Hop, HopState, Seen, Wait},
    log::Log,
    moment, parked,
};

const NAME: &str = "dead letters";
/// More than a table should have.
const NAMED: usize = 3;

/// A row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub group: String,
    /// Where it was read first.
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub reason: String,
    pub detail: String,
    pub attempts: i32,
    pub failed_at: OffsetDateTime,
    /// `open`, `redriving`, `redriven` or `discarded`.
    pub state: String,
    pub changed_at: OffsetDateTime,
}

/// Those of a key, the one that failed longest ago first; at most a hundred.
pub async fn look(db: &mut Database, key: Uuid) -> Seen<Vec<Letter>> {
    let key = key.to_string();
    db.ask("read the index of dead letters", async |conn| {
        sqlx::query_as!(
            Letter,
            r#"SELECT consumer_group AS "group", topic, partition, "offset", reason, detail, attempts, failed_at, state,
                      changed_at
               FROM command.dead_letters WHERE key = $1 ORDER BY failed_at LIMIT 100"#,
            key.as_bytes()
        )
        .fetch_all(conn)
        .await
    })
    .await
}

/// Where the letter that was sent back last lies unread in the retry topic of its group; none where it was read, or that
/// cannot be told.
pub async fn sent_back(
    db: &mut Database,
    log: &Log,
    letters: &Seen<Vec<Letter>>,
    key: Uuid,
) -> Option<(String, i64)> {
    let letters = letters.as_ref().ok()?;
    let mut sent = letters.iter().filter(|letter| letter.state == "redriven");
    let letter = sent.next_back()?;
    let group = REDRIVEN_GROUPS
        .into_iter()
        .chain(["uploader"])
        .find(|group| log.topics.group(group) == letter.group)?;
    let topic = match group {
        "uploader" => parked::topic_of(log, 0),
        group => log.topics.redriven(group),
    };
    let next = match group {
        "projector" => groups::projectors_next(db, &topic, letter.partition).await,
        _ => log.committed(&letter.group, &topic, letter.partition).await,
    };
    let unread = parked::unread(log, next.ok()?, &topic, letter.partition, key).await;
    unread.ok().flatten().map(|offset| (topic, offset))
}

/// `sent_back`: as [`sent_back`] tells it.
pub fn hop(key: Uuid, letters: &Seen<Vec<Letter>>, sent_back: Option<&(String, i64)>) -> Hop {
    let letters = match letters {
        Err(why) => return Hop::unseen(NAME, why),
        Ok(letters) => letters,
    };
    let of = |state: &'static str| letters.iter().filter(move |letter| letter.state == state);
    let hop = |state, detail: String| {
        Hop::new(NAME, state, detail)
            .figure("open", of("open").count())
            .figure("redriven", of("redriven").count())
            .figure("discarded", of("discarded").count())
    };
    if let Some(oldest) = of("open").next() {
        let detail: Vec<String> = of("open").take(NAMED).map(named).collect();
        let more = of("open").count().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("; and {more} more"));
        return hop(
            HopState::Here,
            format!("{}{}", detail.join("; "), more.unwrap_or_default()),
        )
        .since(oldest.failed_at)
        .figure("group", &*oldest.group)
        .figure("reason", &*oldest.reason)
        .figure("attempts", oldest.attempts)
        .waits(open(key, &of("open").collect::<Vec<_>>(), oldest));
    }
    if let Some(letter) = of("redriving").next() {
        return hop(
            HopState::Here,
            format!("{}, about to be sent back", named(letter)),
        )
        .since(letter.changed_at)
        .waits(going_back(
            &letter.group,
            "waits to be sent back, as fast as was asked for",
        ));
    }
    if let (Some((topic, offset)), Some(letter)) = (sent_back, of("redriven").next_back()) {
        let detail = format!("sent back, at offset {offset} of {topic}: {}", named(letter));
        return hop(HopState::Here, detail)
            .since(letter.changed_at)
            .waits(going_back(&letter.group, "was sent back, and waits to be read"));
    }
    let detail = match letters.len() {
        0 => "none".to_owned(),
        _ => format!(
            "none open; {} redriven, {} discarded",
            of("redriven").count(),
            of("discarded").count()
        ),
    };
    hop(HopState::Done, detail)
}

fn named(letter: &Letter) -> String {
    format!(
        "{}/{}/{}/{} ({}, {} attempts, failed {})",
        letter.group,
        letter.topic,
        letter.partition,
        letter.offset,
        letter.reason,
        letter.attempts,
        moment::text(letter.failed_at)
    )
}

fn open(key: Uuid, letters: &[&Letter], oldest: &Letter) -> Wait {
    let mut groups: Vec<&str> = letters.iter().map(|letter| &*letter.group).collect();
    groups.sort_unstable();
    groups.dedup();
    Wait {
        is_stuck: true,
        place: format!("in the dead letters of {}", groups.join(" and ")),
        reason: format!("{}: {}", oldest.reason, oldest.detail),
        advice: format!("mend the cause, then depot dlq redrive --key {key}"),
    }
}

fn going_back(group: &str, reason: &str) -> Wait {
    Wait {
        is_stuck: false,
        place: format!("among the redriven dead letters of {group}"),
        reason: reason.to_owned(),
        advice: format!("see that {group} is read (depot_consumer_lag_messages)"),
    }
}
