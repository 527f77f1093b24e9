//! Aggregates of which Kafka refused a row for good: they wait, with all that follows of them, and the shard goes on.

use std::{collections::VecDeque, sync::Arc};

use uuid::Uuid;

use super::{Relay, Shard};
use crate::{
    clock,
    error::RelayError,
    metrics,
    outstanding::Outstanding,
    publish::Sent,
    shard::shard_of,
    store::{Row, Tenure},
};

/// Parked rows published at a time.
const RESUME_ROWS: i64 = 500;

/// An aggregate that is to be parked, and why.
pub(crate) struct ToPark {
    pub aggregate_id: Uuid,
    pub reason: String,
}

impl ToPark {
    pub(super) fn refused(row: &Row, reason: &str) -> Self {
        Self {
            aggregate_id: row.aggregate_id,
            reason: format!(
                "Kafka refused version {} (event {}) for {}: {reason}",
                row.aggregate_version, row.event_id, row.topic
            ),
        }
    }

    pub(super) fn out_of_order(row: &Row) -> Self {
        ::metrics::counter!(metrics::ORDER_VIOLATIONS).increment(1);
        Self {
            aggregate_id: row.aggregate_id,
            reason: format!(
                "version {} (event {}) came after the same or a newer version: its writer did not hold the \
                 aggregate's row lock",
                row.aggregate_version, row.event_id
            ),
        }
    }
}

/// A parked aggregate whose rows are being published.
pub(super) struct Resuming {
    pub tenure: Tenure,
    pub aggregate_id: Uuid,
    ids: Vec<i64>,
    event_ids: Vec<Uuid>,
    pending: VecDeque<Row>,
    outstanding: Arc<Outstanding>,
}

impl Resuming {
    pub(super) fn rows_in_flight(&self) -> usize {
        self.pending.len() + self.outstanding.count()
    }
}

impl Shard {
    /// From now on rows of the aggregate are parked.
    pub(super) fn park(&mut self, aggregate: ToPark) {
        tracing::error!(
            outbox.aggregate_id = %aggregate.aggregate_id,
            outbox.shard = self.tenure.shard,
            "an aggregate's events are parked until it is resumed: {}", aggregate.reason
        );
        self.parked.insert(aggregate.aggregate_id);
        self.to_park.push(aggregate);
    }
}

impl Relay {
    /// Writes down what was parked since the last time. Until that is done, no round with a parked row is done.
    pub(super) async fn write_parking(&mut self) -> Result<(), RelayError> {
        let waiting =
            |shard: &Shard| !shard.to_park.is_empty() || shard.rounds.iter().any(|r| !r.parking.is_empty());
        let tenures: Vec<Tenure> = self
            .shards
            .values()
            .filter(|s| waiting(s))
            .map(|s| s.tenure)
            .collect();
        for tenure in tenures {
            if !self.write_parking_of(tenure).await? {
                self.lose(tenure);
            }
        }
        Ok(())
    }

    /// False if the shard is another relay's.
    async fn write_parking_of(&mut self, tenure: Tenure) -> Result<bool, RelayError> {
        let Some(shard) = self.shards.get_mut(&tenure.shard) else {
            return Ok(true);
        };
        while let Some(aggregate) = shard.to_park.last() {
            let written = self.store.park(tenure, aggregate.aggregate_id, &aggregate.reason);
            if !written.await? {
                return Ok(false);
            }
            shard.to_park.pop();
        }
        for round in &mut shard.rounds {
            if !round.parking.is_empty() {
                if !self.store.park_rows(tenure, &round.parking).await? {
                    return Ok(false);
                }
                round.parking.clear();
            }
        }
        Ok(true)
    }

    /// Looks for aggregates that are to be resumed.
    pub(super) async fn look_for_parked(&mut self) -> Result<(), RelayError> {
        let numbers: Vec<i16> = self.shards.keys().copied().collect();
        self.to_resume.clear();
        for (number, aggregate_id, resume) in self.store.parked(&numbers).await? {
            if let Some(shard) = self.shards.get_mut(&number) {
                shard.parked.insert(aggregate_id);
                if resume {
                    self.to_resume.push((number, aggregate_id));
                }
            }
        }
        Ok(())
    }

    /// Goes on with the aggregate that is being resumed, or begins with the next: publishes its parked rows in order,
    /// lets go of them, and ends its parking when none are left. Rows that come meanwhile are parked behind them.
    pub(super) async fn follow_resumes(&mut self) -> Result<(), RelayError> {
        let (tenure, aggregate_id) = match &self.resuming {
            Some(resuming) if resuming.rows_in_flight() > 0 => return Ok(()),
            Some(resuming) => {
                let (tenure, aggregate_id) = (resuming.tenure, resuming.aggregate_id);
                let removed = self
                    .store
                    .remove_parked_rows(tenure, aggregate_id, &resuming.ids)
                    .await?;
                let (rows, event_ids) = (resuming.ids.len() as u64, resuming.event_ids.clone());
                self.resuming = None;
                self.refusal.acknowledged(&event_ids);
                self.count_published(rows);
                if !removed {
                    self.lose(tenure);
                    return Ok(());
                }
                (tenure, aggregate_id)
            }
            None => {
                let Some((shard, aggregate_id)) = self.to_resume.pop() else {
                    return Ok(());
                };
                match self.tenure(shard) {
                    Some(tenure) => (tenure, aggregate_id),
                    None => return Ok(()),
                }
            }
        };
        self.resume_next(tenure, aggregate_id).await
    }

    async fn resume_next(&mut self, tenure: Tenure, aggregate_id: Uuid) -> Result<(), RelayError> {
        let rows = self.store.parked_rows(aggregate_id, RESUME_ROWS).await?;
        if !rows.is_empty() {
            self.resuming = Some(Resuming {
                tenure,
                aggregate_id,
                ids: rows.iter().map(|row| row.id).collect(),
                event_ids: rows.iter().map(|row| row.event_id).collect(),
                pending: rows.into(),
                outstanding: Arc::default(),
            });
            return Ok(());
        }
        if self.store.unpark(tenure, aggregate_id).await? {
            if let Some(shard) = self.shards.get_mut(&tenure.shard) {
                shard.parked.remove(&aggregate_id);
            }
            tracing::info!(outbox.aggregate_id = %aggregate_id, "a parked aggregate was published and goes on");
        }
        Ok(())
    }

    /// Hands the rows of the aggregate that is being resumed to the client.
    pub(super) fn send_resumed(&mut self) {
        let Some(resuming) = &mut self.resuming else {
            return;
        };
        while let Some(row) = resuming.pending.front() {
            if clock::since_boot() >= self.lease_until || self.publisher.failed() {
                return;
            }
            match self.publisher.send(row, &resuming.outstanding) {
                Sent::Queued => {
                    resuming.pending.pop_front();
                }
                Sent::Refused(reason) => {
                    let again = ToPark::refused(row, &reason);
                    self.park_again(again);
                    return;
                }
                Sent::Later => return,
            }
        }
    }

    /// Parks an aggregate of a shard that is held; what of it was being resumed waits again.
    pub(super) fn park_again(&mut self, aggregate: ToPark) {
        if self
            .resuming
            .as_ref()
            .is_some_and(|resuming| resuming.aggregate_id == aggregate.aggregate_id)
        {
            self.resuming = None;
        }
        if let Some(shard) = self.shards.get_mut(&shard_of(aggregate.aggregate_id)) {
            shard.park(aggregate);
        }
    }
}

/// Asks the relay to publish a parked aggregate's rows, in order, and then to go on with it as with any other. False
/// if it is not parked. If Kafka refuses again, it is parked again. In a transaction it is asked at the commit.
///
/// # Errors
/// Of the database.
pub async fn resume(executor: impl sqlx::PgExecutor<'_>, aggregate_id: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE outbox_parked_aggregates SET resume_requested = true WHERE aggregate_id = $1",
        aggregate_id
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}
