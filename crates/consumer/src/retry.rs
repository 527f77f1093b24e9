//! Retry topics: where a message waits that failed by a fault of its own which may pass, and what follows it of its
//! key. The protocol, and why it keeps order and loses nothing, is in docs/reliability.md, "Retry topics".

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::attempt::{Assignment, Attempts, Interrupted};
use crate::dead_letter::{header, with_origin};
use crate::error::chain;
use crate::handler::{BoxError, Poison};
use crate::origin::Origin;
use crate::record::Record;

/// One retry topic, and how long a message waits there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryTier {
    /// A topic with at least as many partitions as the source: a record keeps its partition's number.
    pub topic: String,
    /// From the failure to the next attempt.
    pub delay: Duration,
}

/// The retry topics of a group, in the order in which they are gone through, and what is parked in them.
#[derive(Debug)]
pub struct RetryTopics<P> {
    /// At least one. After a failure in the last one a message goes to the dead letters.
    pub tiers: Vec<RetryTier>,
    /// Which messages wait.
    pub parked: P,
}

/// One assignment of one partition: only the newest of a partition may write to [`ParkedKeys`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// The group.
    pub group: Arc<str>,
    /// The topic that is read, source or retry.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Made anew by each assignment.
    pub id: Uuid,
}

/// The place of a message that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which tier, from 0.
    pub tier: usize,
    /// Not before this moment.
    pub not_before: OffsetDateTime,
}

/// How a message stands among those of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It doesn't wait: it was brought to its end, so this copy is a repeat.
    NotParked,
    /// It is the next of its key, and belongs into this slot.
    Oldest(Slot),
    /// An older one of its key waits in this slot.
    Behind(Slot),
}

/// The tenure has passed on: another assignment of the partition has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenureLost;

/// The store of parked keys can't be used now. It is asked again, for as long as it takes.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ParkedUnavailable {
    /// What was being done.
    pub message: String,
    /// The store's own error.
    #[source]
    pub source: Option<BoxError>,
}

impl ParkedUnavailable {
    /// With its cause.
    pub fn new(message: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self {
            message: message.into(),
            source: Some(source.into()),
        }
    }
}

type Answer<T> = Result<T, ParkedUnavailable>;

/// Which messages wait, one row each; a key is parked as long as one of its messages has a row. What is written is
/// committed when the call returns, and only if the tenure is the newest of its partition, in the same statement.
pub trait ParkedKeys: Send + Sync + 'static {
    /// Makes this tenure the newest of its partition. Called before the partition's offset is loaded.
    fn begin(&self, tenure: &Tenure) -> impl Future<Output = Answer<()>> + Send;

    /// If anything of the key waits, lets this message of the source wait too, and tells the slot of the oldest one.
    fn follow(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
    ) -> impl Future<Output = Answer<Result<Option<Slot>, TenureLost>>> + Send;

    /// Lets this message wait in this slot, whether it waited before or not.
    fn park(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
        slot: Slot,
    ) -> impl Future<Output = Answer<Result<(), TenureLost>>> + Send;

    /// How a message stands among those of its key. The oldest is the one with the lowest origin.
    fn place(&self, group: &str, key: &[u8], origin: &Origin) -> impl Future<Output = Answer<Place>> + Send;

    /// The message was brought to its end.
    fn release(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
    ) -> impl Future<Output = Answer<Result<(), TenureLost>>> + Send;
}

/// For a group without retry topics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NothingParked;

impl ParkedKeys for NothingParked {
    async fn begin(&self, _: &Tenure) -> Answer<()> {
        Ok(())
    }

    async fn follow(&self, _: &Tenure, _: &[u8], _: &Origin) -> Answer<Result<Option<Slot>, TenureLost>> {
        Ok(Ok(None))
    }

    async fn park(&self, _: &Tenure, _: &[u8], _: &Origin, _: Slot) -> Answer<Result<(), TenureLost>> {
        Ok(Ok(()))
    }

    async fn place(&self, _: &str, _: &[u8], _: &Origin) -> Answer<Place> {
        Ok(Place::NotParked)
    }

    async fn release(&self, _: &Tenure, _: &[u8], _: &Origin) -> Answer<Result<(), TenureLost>> {
        Ok(Ok(()))
    }
}

/// What is to be done with a record that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Handle,
    /// It is where it belongs, or was at its end before: the offset may pass it.
    Pass,
}

/// The retry topics as one assignment sees them.
pub(crate) struct Retries<P> {
    topics: Arc<RetryTopics<P>>,
    tenure: Tenure,
    /// The tier that this partition belongs to; none for a source.
    tier: Option<usize>,
    assignment: Assignment,
}

impl<P> Clone for Retries<P> {
    fn clone(&self) -> Self {
        Self {
            topics: Arc::clone(&self.topics),
            tenure: self.tenure.clone(),
            tier: self.tier,
            assignment: self.assignment.clone(),
        }
    }
}

impl<P: ParkedKeys> Retries<P> {
    /// Begins a tenure of the assignment's partition.
    pub(crate) async fn begin(
        topics: Arc<RetryTopics<P>>,
        assignment: &Assignment,
    ) -> Result<Self, Interrupted> {
        let topic = Arc::clone(&assignment.progress.topic);
        let retries = Self {
            tenure: Tenure {
                group: assignment.settings.group.as_str().into(),
                topic: Arc::clone(&topic),
                partition: assignment.progress.partition,
                id: Uuid::now_v7(),
            },
            tier: topics.tiers.iter().position(|tier| *tier.topic == *topic),
            topics,
            assignment: assignment.clone(),
        };
        let mut attempts = assignment.attempts();
        while let Err(error) = retries.topics.parked.begin(&retries.tenure).await {
            attempts.pause(chain(&error)).await?;
        }
        Ok(retries)
    }

    /// Waits until the record's time has come, and finds out whether its turn has.
    pub(crate) async fn turn(&self, record: &Record) -> Result<Turn, Interrupted> {
        let Some(tier) = self.tier else {
            return self.turn_in_source(record).await;
        };
        self.wait_for_time(record).await?;
        let Some(key) = record.key.as_deref() else {
            // It has no order with any other, and so no row.
            return Ok(Turn::Handle);
        };
        let origin = Origin::of(record);
        let group = &self.tenure.group;
        let mut place = self.ask(|| self.topics.parked.place(group, key, &origin)).await?;
        let is_brought_back = record.header(header::REDRIVEN).is_some();
        let is_no_copy = Origin::in_headers(record).is_none();
        if place == Place::NotParked && (is_brought_back || is_no_copy) {
            // Brought back from the dead letters, or put here by nobody of ours, and so never brought to its end: it takes
            // its place among those of its key, and what comes of it from here on follows.
            self.park(key, &origin, self.slot(tier, Duration::ZERO)).await?;
            place = self.ask(|| self.topics.parked.place(group, key, &origin)).await?;
        }
        match self.known(place) {
            Place::NotParked => Ok(Turn::Pass),
            Place::Oldest(slot) if slot.tier == tier => Ok(Turn::Handle),
            // A copy that was left behind, or the row was written and the copy was not: it belongs there.
            Place::Oldest(slot) => self.send(record, slot, failures_of(record)).await,
            Place::Behind(oldest) => {
                let slot = self.slot_behind(oldest, tier);
                self.park(key, &origin, slot).await?;
                self.send(record, slot, failures_of(record)).await
            }
        }
    }

    /// Where a message of tier `tier` goes that an older one of its key is before: into the older one's tier, and not before it.
    fn slot_behind(&self, oldest: Slot, tier: usize) -> Slot {
        // In the same tier the older one's copy must lie further back in this partition: this one goes
        // behind it. The delay keeps that from becoming a loop without a pause.
        let delay = match self.topics.tiers.first() {
            Some(first) if oldest.tier == tier => first.delay,
            _ => Duration::ZERO,
        };
        let soonest = self.slot(oldest.tier, delay);
        Slot {
            not_before: soonest.not_before.max(oldest.not_before),
            ..soonest
        }
    }

    /// A row of a declaration that had more tiers belongs to the last one.
    fn known(&self, place: Place) -> Place {
        let last = self.topics.tiers.len().saturating_sub(1);
        let known = |slot: Slot| Slot {
            tier: slot.tier.min(last),
            ..slot
        };
        match place {
            Place::NotParked => Place::NotParked,
            Place::Oldest(slot) => Place::Oldest(known(slot)),
            Place::Behind(slot) => Place::Behind(known(slot)),
        }
    }

    async fn turn_in_source(&self, record: &Record) -> Result<Turn, Interrupted> {
        let Some(key) = record.key.as_deref() else {
            return Ok(Turn::Handle);
        };
        let origin = Origin::of(record);
        let followed = self
            .ask(|| self.topics.parked.follow(&self.tenure, key, &origin))
            .await?;
        match followed.map_err(|TenureLost| Interrupted)? {
            None => Ok(Turn::Handle),
            // The row is committed; a crash before the copy is acknowledged reads this record again.
            Some(slot) => self.send(record, slot, failures_of(record)).await,
        }
    }

    /// The record failed by a fault of its own that may pass. Sends it to the tier of so many failures, but to none
    /// before the one that it followed another into; a reason to send it to the dead letters when it has failed once
    /// more than there are tiers.
    pub(crate) async fn later(
        &self,
        record: &Record,
        reason: &str,
    ) -> Result<Result<(), Poison>, Interrupted> {
        let failures = failures_of(record) + 1;
        let next = self.tier.unwrap_or(0).max(failures - 1);
        let Some(tier) = self
            .topics
            .tiers
            .get(next)
            .filter(|_| failures <= self.topics.tiers.len())
        else {
            let message = format!("failed {failures} times, at last: {reason}");
            return Ok(Err(Poison::new("retries-exhausted", message)));
        };
        let slot = self.slot(next, tier.delay);
        if let Some(key) = record.key.as_deref() {
            self.park(key, &Origin::of(record), slot).await?;
        }
        self.send(record, slot, failures).await.map(|_| Ok(()))
    }

    /// The record was brought to its end, by its handler or as a dead letter.
    pub(crate) async fn release(&self, record: &Record) -> Result<(), Interrupted> {
        let (Some(_), Some(key)) = (self.tier, record.key.as_deref()) else {
            return Ok(());
        };
        let origin = Origin::of(record);
        self.ask(|| self.topics.parked.release(&self.tenure, key, &origin))
            .await?
            .map_err(|TenureLost| Interrupted)
    }

    fn slot(&self, tier: usize, delay: Duration) -> Slot {
        Slot {
            tier,
            not_before: OffsetDateTime::now_utc() + delay,
        }
    }

    async fn park(&self, key: &[u8], origin: &Origin, slot: Slot) -> Result<(), Interrupted> {
        self.ask(|| self.topics.parked.park(&self.tenure, key, origin, slot))
            .await?
            .map_err(|TenureLost| Interrupted)
    }

    /// Asks for as long as it takes.
    async fn ask<T, F: Future<Output = Answer<T>>>(&self, call: impl Fn() -> F) -> Result<T, Interrupted> {
        let mut attempts = self.assignment.attempts();
        loop {
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => attempts.pause(chain(&error)).await?,
            }
        }
    }

    /// Sends a copy into a slot, for as long as that takes. The record may be passed only after this.
    async fn send(&self, record: &Record, slot: Slot, failures: usize) -> Result<Turn, Interrupted> {
        let Some(tier) = self.topics.tiers.get(slot.tier).or(self.topics.tiers.last()) else {
            return Err(Interrupted);
        };
        let headers = headers(record, &self.tenure.group, slot.not_before, failures);
        let mut attempts: Attempts<'_> = self.assignment.attempts();
        loop {
            let sent = self
                .assignment
                .dead_letters
                .send(record, &tier.topic, headers.clone());
            match sent.await {
                Ok(()) => break,
                Err(error) => attempts.pause(chain(&error)).await?,
            }
        }
        self.assignment.progress.metrics.retried.increment(1);
        Ok(Turn::Pass)
    }

    async fn wait_for_time(&self, record: &Record) -> Result<(), Interrupted> {
        /// A clock that is set meanwhile is looked at again after this.
        const LOOK_AGAIN: Duration = Duration::from_secs(30);
        let Some(not_before) = record
            .header_str(header::NOT_BEFORE)
            .and_then(|text| text.parse::<i128>().ok())
        else {
            return Ok(());
        };
        loop {
            let left = not_before - OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
            let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
                return Ok(());
            };
            let nap = tokio::time::sleep(Duration::from_millis(left).min(LOOK_AGAIN));
            let napped = self.assignment.drain.run_until_cancelled(nap).await;
            napped.ok_or(Interrupted)?;
        }
    }
}

/// How often the record itself has failed; to have followed another one is no failure.
fn failures_of(record: &Record) -> usize {
    let text = record.header_str(header::FAILURES);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn headers(
    record: &Record,
    group: &str,
    not_before: OffsetDateTime,
    failures: usize,
) -> Vec<(String, Option<Vec<u8>>)> {
    let mut headers = with_origin(record, group);
    headers.retain(|(name, _)| !header::RETRY.contains(&name.as_str()));
    let not_before = not_before.unix_timestamp_nanos() / 1_000_000;
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), Some(value.into_bytes())));
    add(header::NOT_BEFORE, not_before.to_string());
    add(header::FAILURES, failures.to_string());
    headers
}

#[cfg(test)]
mod client_tests {
    use std::sync::Arc;
    use std::time::Duration;

    use time::OffsetDateTime;

    use super::{NothingParked, Place, Retries, RetryTier, RetryTopics, Slot, Turn, failures_of, headers};
    use crate::attempt::Interrupted;
    use crate::dead_letter::header;
    use crate::record::Record;
    use crate::unconnected::{TOPIC, assignment, settings};

    /// What an assignment of `TOPIC` makes of these retry topics.
    async fn retries_of(topics: [&str; 2]) -> Retries<NothingParked> {
        let tier = |topic: &str| RetryTier {
            topic: topic.to_owned(),
            delay: Duration::from_secs(60),
        };
        let topics = RetryTopics {
            tiers: topics.map(tier).into(),
            parked: NothingParked,
        };
        Retries::begin(Arc::new(topics), &assignment(settings()))
            .await
            .unwrap()
    }

    fn with_headers(headers: &[(&str, &[u8])]) -> Record {
        let owned = |(name, value): &(&str, &[u8])| ((*name).to_owned(), Some(value.to_vec()));
        Record {
            topic: TOPIC.into(),
            key: Some(b"k".to_vec()),
            headers: headers.iter().map(owned).collect(),
            ..Record::default()
        }
    }

    fn copy() -> Record {
        with_headers(&[
            (header::ORIGINAL_TOPIC, b"source.v1"),
            (header::ORIGINAL_PARTITION, &0_i32.to_be_bytes()),
            (header::ORIGINAL_OFFSET, &7_i64.to_be_bytes()),
        ])
    }

    fn ms(at: OffsetDateTime) -> i128 {
        at.unix_timestamp_nanos() / 1_000_000
    }

    #[test]
    fn a_copy_has_its_next_moment_and_its_failures_once_beside_all_that_it_had() {
        let failed_once = with_headers(&[
            ("ce_id", b"e1"),
            (header::NOT_BEFORE, b"1"),
            (header::FAILURES, b"1"),
        ]);
        assert_eq!(failures_of(&failed_once), 1);
        let not_before = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        let copy = Record {
            headers: headers(&failed_once, "g", not_before, 2),
            ..Record::default()
        };
        assert_eq!(copy.header_str(header::NOT_BEFORE), Some("1700000000000"));
        assert_eq!(failures_of(&copy), 2);
        assert_eq!(copy.header_str(header::ORIGINAL_TOPIC), Some(TOPIC));
        assert_eq!(copy.header_str("ce_id"), Some("e1"));
        let mut names: Vec<&String> = copy.headers.iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "a header was written twice");
    }

    #[test]
    fn what_has_no_count_of_failures_that_can_be_read_has_not_failed() {
        assert_eq!(failures_of(&with_headers(&[])), 0);
        assert_eq!(failures_of(&with_headers(&[(header::FAILURES, b"many")])), 0);
    }

    #[tokio::test]
    async fn a_partition_is_of_the_tier_that_its_topic_is_or_of_a_source() {
        assert_eq!(retries_of(["a", TOPIC]).await.tier, Some(1));
        assert_eq!(retries_of(["a", "b"]).await.tier, None);
    }

    #[tokio::test]
    async fn a_row_of_a_tier_that_is_no_more_belongs_to_the_last_one() {
        let retries = retries_of(["a", "b"]).await;
        let slot = |tier| Slot {
            tier,
            not_before: OffsetDateTime::UNIX_EPOCH,
        };
        assert_eq!(retries.known(Place::Oldest(slot(7))), Place::Oldest(slot(1)));
        assert_eq!(retries.known(Place::Behind(slot(7))), Place::Behind(slot(1)));
        assert_eq!(retries.known(Place::Oldest(slot(0))), Place::Oldest(slot(0)));
        assert_eq!(retries.known(Place::NotParked), Place::NotParked);
    }

    #[tokio::test]
    async fn a_slot_begins_when_its_delay_has_passed() {
        let retries = retries_of(["a", "b"]).await;
        let before = OffsetDateTime::now_utc();
        let slot = retries.slot(1, Duration::from_secs(60));
        assert_eq!(slot.tier, 1);
        let delay = slot.not_before - before;
        assert!((60.0..90.0).contains(&delay.as_seconds_f64()), "{delay}");
    }

    #[tokio::test]
    async fn who_is_behind_an_older_one_goes_to_its_tier_and_waits_as_long_as_it_does() {
        let retries = retries_of(["a", "b"]).await;
        let now = OffsetDateTime::now_utc();
        let later = Slot {
            tier: 1,
            not_before: now + Duration::from_secs(3_600),
        };
        assert_eq!(retries.slot_behind(later, 0), later);
        assert_eq!(retries.slot_behind(later, 1), later);
        // One that is due: in another tier there is nothing to wait for, in the same one the first tier's delay.
        let due = Slot {
            tier: 1,
            not_before: now - Duration::from_secs(3_600),
        };
        for (tier, delay) in [(0, 0.0), (1, 60.0)] {
            let slot = retries.slot_behind(due, tier);
            let waits = (slot.not_before - now).as_seconds_f64();
            assert!((delay..delay + 30.0).contains(&waits), "{tier}: {waits}");
            assert_eq!(slot.tier, 1);
        }
    }

    #[tokio::test]
    async fn a_copy_is_waited_with_until_its_moment_and_what_has_none_is_not() {
        let retries = retries_of([TOPIC, "b"]).await;
        let waited = async |record: &Record| {
            let wait = tokio::time::timeout(Duration::from_secs(30), retries.wait_for_time(record));
            wait.await.expect("it has come")
        };
        let moment = ms(OffsetDateTime::now_utc()) + 300;
        let text = moment.to_string();
        assert_eq!(
            waited(&with_headers(&[(header::NOT_BEFORE, text.as_bytes())])).await,
            Ok(())
        );
        assert!(ms(OffsetDateTime::now_utc()) >= moment);
        for already in [&b"1"[..], b"soon"] {
            assert_eq!(
                waited(&with_headers(&[(header::NOT_BEFORE, already)])).await,
                Ok(())
            );
        }
        assert_eq!(waited(&with_headers(&[])).await, Ok(()));
        retries.assignment.drain.cancel();
        let far = (moment + 3_600_000).to_string();
        let far = with_headers(&[(header::NOT_BEFORE, far.as_bytes())]);
        assert_eq!(waited(&far).await, Err(Interrupted));
    }

    #[tokio::test]
    async fn where_nothing_waits_a_source_is_handled_and_a_copy_was_at_its_end() {
        let source = retries_of(["a", "b"]).await;
        assert_eq!(source.turn(&with_headers(&[])).await, Ok(Turn::Handle));
        let tier = retries_of([TOPIC, "b"]).await;
        assert_eq!(tier.turn(&copy()).await, Ok(Turn::Pass));
        let keyless = Record { key: None, ..copy() };
        assert_eq!(tier.turn(&keyless).await, Ok(Turn::Handle));
        assert_eq!(source.turn(&keyless).await, Ok(Turn::Handle));
    }

    #[tokio::test]
    async fn what_has_failed_as_often_as_there_are_tiers_fails_for_good() {
        let retries = retries_of(["a", TOPIC]).await;
        let failed_twice = with_headers(&[(header::FAILURES, b"2")]);
        let poison = retries
            .later(&failed_twice, "not yet")
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(poison.reason_class, "retries-exhausted");
        assert_eq!(poison.message, "failed 3 times, at last: not yet");
    }
}
