//! Which shards are this relay's.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{Relay, Shard};
use crate::{
    clock,
    error::RelayError,
    metrics,
    shard::SHARDS,
    store::{Progress, Tenure},
};

impl Relay {
    /// Renews the leases, takes free shards up to a fair share, and marks what is over it.
    pub(super) async fn keep_leases(&mut self) -> Result<(), RelayError> {
        self.keep_leases_only().await?;
        if Instant::now() < self.due.claim {
            return Ok(());
        }
        self.due.claim = Instant::now() + self.options.claim_interval;
        let share = fair_share(self.relays_alive);
        let held = self.shards.len();
        if held < share {
            self.claim(share - held).await?;
        }
        // Those with the highest numbers go, so that two looks at the same situation agree.
        for (index, shard) in self.shards.values_mut().enumerate() {
            shard.leaving = index >= share;
        }
        self.look_for_parked().await
    }

    /// Renews the leases when that is due, without taking or giving any.
    pub(super) async fn keep_leases_only(&mut self) -> Result<(), RelayError> {
        if Instant::now() < self.due.heartbeat {
            return Ok(());
        }
        // From before the statement, so that it ends here before it ends by the database's clock.
        let started = clock::since_boot();
        self.relays_alive = self
            .store
            .announce(&self.options.instance, self.options.lease)
            .await?;
        let held = self.store.renew(self.options.lease).await?;
        self.lease_until = started + self.options.lease - self.options.lease / 16;
        self.due.heartbeat = Instant::now() + self.options.heartbeat;
        self.keep_only(&held);
        // Taken by a statement whose answer was lost: nothing is known of them here.
        let unknown: Vec<Tenure> = held
            .into_iter()
            .filter(|tenure| !self.shards.contains_key(&tenure.shard))
            .collect();
        if !unknown.is_empty() {
            self.store.release(&unknown).await?;
        }
        Ok(())
    }

    async fn claim(&mut self, count: usize) -> Result<(), RelayError> {
        let claimed = self.store.claim(count as i64, self.options.lease).await?;
        if claimed.is_empty() {
            return Ok(());
        }
        let numbers: Vec<i16> = claimed.iter().map(|claimed| claimed.tenure.shard).collect();
        let mut shards: BTreeMap<i16, Shard> = claimed
            .into_iter()
            .map(|claimed| (claimed.tenure.shard, Shard::new(claimed.tenure, claimed.position)))
            .collect();
        // Before a row of theirs is read: an aggregate that is parked must not go past its parked rows.
        for (shard, aggregate_id, _) in self.store.parked(&numbers).await? {
            if let Some(shard) = shards.get_mut(&shard) {
                shard.parked.insert(aggregate_id);
            }
        }
        let epoch = shards
            .values()
            .map(|shard| shard.tenure.epoch)
            .max()
            .unwrap_or_default();
        ::metrics::gauge!(metrics::EPOCH).set(epoch as f64);
        tracing::info!(
            outbox.shards = numbers.len(),
            outbox.epoch = epoch,
            outbox.relays = self.relays_alive,
            "the relay took shards"
        );
        self.shards.append(&mut shards);
        self.polling.all_at_once();
        Ok(())
    }

    /// Forgets the shards that are not among `held`: another relay has them, and reads them from what was written.
    pub(super) fn keep_only(&mut self, held: &[Tenure]) {
        let before = self.shards.len();
        self.shards.retain(|_, shard| held.contains(&shard.tenure));
        self.count_lost(before);
    }

    fn count_lost(&mut self, before: usize) {
        let lost = before - self.shards.len();
        if lost > 0 {
            ::metrics::counter!(metrics::SHARDS_LOST).increment(lost as u64);
            tracing::warn!(
                outbox.shards = lost,
                "shards were taken by another relay: this one was not heard of"
            );
            let shards = &self.shards;
            self.resuming = self.resuming.take().filter(|resuming| {
                shards
                    .get(&resuming.tenure.shard)
                    .is_some_and(|shard| shard.tenure == resuming.tenure)
            });
        }
    }

    /// Forgets a single shard that a fenced statement found to be another relay's.
    pub(super) fn lose(&mut self, tenure: Tenure) {
        let before = self.shards.len();
        self.shards.retain(|_, shard| shard.tenure != tenure);
        self.count_lost(before);
    }

    /// Writes positions that have moved, every `save_interval`.
    pub(super) async fn save_when_due(&mut self) -> Result<(), RelayError> {
        if Instant::now() < self.due.save {
            return Ok(());
        }
        self.due.save = Instant::now() + self.options.save_interval;
        let moved: Vec<Tenure> = self
            .shards
            .values()
            .filter(|s| s.dirty)
            .map(|s| s.tenure)
            .collect();
        self.save(&moved).await
    }

    /// Writes where these shards stand, and forgets those that turn out to be another relay's.
    async fn save(&mut self, tenures: &[Tenure]) -> Result<(), RelayError> {
        let progress: Vec<Progress> = tenures
            .iter()
            .filter_map(|tenure| self.shards.get(&tenure.shard))
            .map(|shard| Progress {
                tenure: shard.tenure,
                position: shard.acked.clone(),
            })
            .collect();
        if progress.is_empty() {
            return Ok(());
        }
        let saved = self.store.save(&progress).await?;
        let before = self.shards.len();
        for tenure in tenures {
            if !saved.contains(tenure) {
                self.shards.remove(&tenure.shard);
            } else if let Some(shard) = self.shards.get_mut(&tenure.shard) {
                shard.dirty = false;
            }
        }
        self.count_lost(before);
        Ok(())
    }

    /// Gives shards over the fair share to the other relays, once nothing of theirs is in flight.
    pub(super) async fn hand_over(&mut self) -> Result<(), RelayError> {
        let resuming = self.resuming.as_ref().map(|resuming| resuming.tenure);
        let ready: Vec<Tenure> = self
            .shards
            .values()
            .filter(|shard| shard.leaving && shard.rounds.is_empty() && resuming != Some(shard.tenure))
            .map(|shard| shard.tenure)
            .collect();
        if ready.is_empty() {
            return Ok(());
        }
        self.save(&ready).await?;
        self.store.release(&ready).await?;
        self.shards.retain(|_, shard| !ready.contains(&shard.tenure));
        tracing::info!(outbox.shards = ready.len(), "the relay handed shards over");
        Ok(())
    }

    /// At the end: positions written, shards free, this relay gone.
    pub(super) async fn give_everything_back(&mut self) -> Result<(), RelayError> {
        let all: Vec<Tenure> = self.shards.values().map(|shard| shard.tenure).collect();
        self.save(&all).await?;
        self.store.release(&all).await?;
        self.shards.clear();
        self.store.leave().await
    }
}

/// How many shards each of `relays` may hold, so that all are held.
fn fair_share(relays: i64) -> usize {
    let relays = relays.clamp(1, i64::from(SHARDS));
    (i64::from(SHARDS) as usize).div_ceil(relays as usize)
}

#[cfg(test)]
mod tests {
    #[test]
    fn fair_shares_cover_all_shards() {
        for (relays, share) in [(0, 64), (1, 64), (2, 32), (3, 22), (64, 1), (200, 1)] {
            assert_eq!(super::fair_share(relays), share);
        }
    }
}
