//! Messages of a key that wait in the uploader's retry topics.

use depot_schemas::topics::UPLOAD_RETRIES;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    database::Database,
    hop::{Hop, HopState, Seen, Wait},
    log::{From, Log},
    moment,
    search::Wanted,
};

const NAME: &str = "retry topics (uploader)";
/// For the few records that a group has not read yet.
const SCAN: std::time::Duration = std::time::Duration::from_secs(5);

/// A message that waits, by where it was read first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRow {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Which retry topic, from 0.
    pub tier: i16,
    pub not_before: OffsetDateTime,
    pub parked_at: OffsetDateTime,
}

/// Those of the key, oldest first.
pub async fn look(db: &mut Database, log: &Log, upload: Uuid) -> Seen<Vec<ParkedRow>> {
    let (group, key) = (log.topics.group("uploader"), upload.to_string());
    db.ask("read the parked keys", async |conn| {
        sqlx::query_as!(
            ParkedRow,
            r#"SELECT topic, partition, "offset", tier, not_before, parked_at FROM uploader.parked_keys
               WHERE consumer_group = $1 AND key = $2 ORDER BY topic, partition, "offset" LIMIT 100"#,
            group,
            key.as_bytes()
        )
        .fetch_all(conn)
        .await
    })
    .await
}

/// The retry topic of a tier; the last one for a tier of another declaration.
pub fn topic_of(log: &Log, tier: i16) -> String {
    let tier = usize::try_from(tier).unwrap_or_default();
    let mut topics = Vec::from(log.topics.retries());
    topics.swap_remove(tier.min(UPLOAD_RETRIES.len() - 1))
}

/// Whether the copy lies in its retry topic where the group has not read it: its offset.
pub async fn copy_of(log: &Log, upload: Uuid, parked: &ParkedRow) -> Seen<Option<i64>> {
    let (topic, partition) = (topic_of(log, parked.tier), parked.partition);
    let group = log.topics.group("uploader");
    let next = log.committed(&group, &topic, partition).await?;
    unread(log, next, &topic, partition, upload).await
}

/// The first record of a key in a partition, of which a group reads `next` next.
pub async fn unread(
    log: &Log,
    next: Option<i64>,
    topic: &str,
    partition: i32,
    key: Uuid,
) -> Seen<Option<i64>> {
    let from = next.map_or(From::Start, From::Offset);
    let wanted = Wanted::First { key: key.to_string() };
    let search = log
        .search(vec![(topic.to_owned(), partition, from)], wanted, SCAN)
        .await?;
    Ok(search.found.map(|record| record.place.offset))
}

/// `copy`: where the oldest one's copy lies, as [`copy_of`] tells it.
pub fn hop(
    log: &Log,
    parked: &Seen<Vec<ParkedRow>>,
    copy: Option<Seen<Option<i64>>>,
    now: OffsetDateTime,
) -> Hop {
    let rows = match parked {
        Err(why) => return Hop::unseen(NAME, why),
        Ok(rows) => rows,
    };
    let Some(oldest) = rows.first() else {
        return Hop::new(NAME, HopState::Done, "nothing of it waits there").figure("waiting", 0);
    };
    let topic = topic_of(log, oldest.tier);
    let lies = match copy {
        Some(Ok(Some(offset))) => format!("at offset {offset} of {topic} [{}]", oldest.partition),
        Some(Ok(None)) => format!("on its way to {topic}, or being handled"),
        Some(Err(why)) => format!("in {topic} ({})", why.0),
        None => format!("in {topic}"),
    };
    let next = moment::with_age(oldest.not_before, now);
    let detail = format!("{} wait, the oldest {lies}; next attempt at {next}", rows.len());
    Hop::new(NAME, HopState::Here, detail)
        .since(oldest.parked_at)
        .figure("waiting", rows.len())
        .figure("retry_topic", &*topic)
        .figure("not_before", moment::text(oldest.not_before))
        .waits(Wait {
            is_stuck: false,
            place: format!("in the retry topic {topic}"),
            reason: format!("its handling failed; waits for the next attempt at {next}"),
            advice: "mend the cause, which the uploader's log has; it is tried again by itself".to_owned(),
        })
}
