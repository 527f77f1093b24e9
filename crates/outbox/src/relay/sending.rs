//! From the outbox to the client's queue, and what the reports say.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use depot_sabotage::Break;
use tokio::time::Instant;

use super::{Relay, Shard, Unfinished, parking::ToPark};
use crate::{
    clock,
    doorbell::ShardSet,
    error::RelayError,
    metrics,
    publish::{Publisher, Sent},
    store::{PageLimit, ReadRequest, Row, Store, Tenure},
};

/// Pages of one shard that may be on their way: while one is being acknowledged, the next is read and queued.
const ROUNDS: usize = 2;

/// Where a reading found something.
#[derive(Default)]
struct Found {
    something: ShardSet,
    /// What is new after the backlog that this is now is looked for at its end.
    more_than_a_page: ShardSet,
}

impl Shard {
    fn may_read(&self) -> bool {
        !self.leaving && self.rounds.len() < ROUNDS
    }
}

/// Rows that are handed to the client before the answer of the database is looked at again.
const SLICE: usize = 256;

/// What hands rows to the client, beside the database's work on the next page.
struct Sending<'a> {
    shards: &'a mut BTreeMap<i16, Shard>,
    publisher: &'a Publisher,
    /// By [`clock::since_boot`].
    lease_until: Duration,
    /// A refused row is looked for.
    keep_ids: bool,
}

impl Relay {
    /// Reads the next rows of the shards that can take more: what is new in those that are up to date and were rung for, or
    /// in all where that is due, in one statement; and large pages of a few of those that work off a backlog, in turn.
    /// What was read is sent at once, or beside the next reading where there is more to read.
    pub(super) async fn read_and_send(&mut self) -> Result<(), RelayError> {
        if self.may_read() {
            if depot_sabotage::has(Break::Reordered) {
                // For several changes of one aggregate to be read at a time.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let rows = self.read_new().await? + self.read_backlog().await?;
            if rows > 0 {
                ::metrics::histogram!(metrics::BATCH_ROWS).record(rows as f64);
            }
        }
        if !self.reads_on() {
            self.send();
        }
        self.send_resumed();
        Ok(())
    }

    fn may_read(&self) -> bool {
        self.rows_in_flight() < self.options.max_rows_in_flight
            && self.lease_is_valid()
            && !self.refusal.is_settled()
    }

    /// Whether the next page of a backlog can be asked for at once.
    pub(super) fn reads_on(&self) -> bool {
        self.may_read() && self.behind().next().is_some()
    }

    /// The shards that can take a page of their backlog.
    fn behind(&self) -> impl Iterator<Item = (i16, &Shard, &Unfinished)> {
        self.shards.iter().filter_map(|(number, shard)| {
            let set = shard.read.unfinished.as_ref()?;
            shard.may_read().then_some((*number, shard, set))
        })
    }

    async fn read_new(&mut self) -> Result<usize, RelayError> {
        let (is_of_all, rung) = (self.polling.is_of_all(), self.polling.rung);
        if !is_of_all && self.polling.rest() > Duration::ZERO {
            return Ok(0);
        }
        let mut asked = Vec::new();
        // Those that cannot be read now are as soon as they can.
        let mut later = ShardSet::default();
        for (number, shard) in &self.shards {
            if !is_of_all && !rung.contains(*number) {
                continue;
            }
            if shard.may_read() && shard.read.unfinished.is_none() {
                asked.push(ReadRequest {
                    shard: *number,
                    from: shard.read.clone(),
                });
            } else {
                later.insert(*number);
            }
        }
        let begun = Instant::now();
        let (rows, found) = self.read_new_of(asked).await?;
        self.polling.were_read(begun.elapsed(), rows, &self.options);
        // Not before: what could not be read is still to be.
        self.polling.rung = later.with(found.more_than_a_page);
        if is_of_all {
            let found_unrung = !found.something.without(rung).is_empty();
            self.polling
                .all_were_read(begun.elapsed(), found_unrung, &self.options);
        }
        Ok(rows)
    }

    /// Answers how many rows were read, and where something was found.
    async fn read_new_of(&mut self, asked: Vec<ReadRequest>) -> Result<(usize, Found), RelayError> {
        let mut found = Found::default();
        if asked.is_empty() {
            return Ok((0, found));
        }
        let limit = PageLimit {
            rows: self.options.page_rows,
            bytes: self.options.page_bytes,
        };
        let (store, sending) = self.store_and_sending();
        let (new, ()) = tokio::join!(store.read_new(&asked, limit), sending.in_slices());
        let mut new = new?;
        self.check_topics(new.shards.values().flatten().flatten()).await?;
        let mut count = 0;
        for request in asked {
            let rows = new
                .shards
                .remove(&request.shard)
                .unwrap_or_else(|| Some(Vec::new()));
            match rows.as_ref().map(Vec::len) {
                None => found.more_than_a_page.insert(request.shard),
                Some(0) => {}
                Some(rows) => {
                    found.something.insert(request.shard);
                    count += rows;
                }
            }
            if let Some(shard) = self.shards.get_mut(&request.shard) {
                shard.add_new(rows, &new.snapshot);
            }
        }
        Ok((count, found))
    }

    async fn read_backlog(&mut self) -> Result<usize, RelayError> {
        let behind = self.behind();
        let mut asked: Vec<_> = behind
            .map(|(number, shard, set)| (number, shard.read.base.clone(), set.clone()))
            .collect();
        let limit = PageLimit {
            rows: self.options.backlog_page_rows,
            bytes: self.options.backlog_page_bytes,
        };
        let room = self
            .options
            .max_rows_in_flight
            .saturating_sub(self.rows_in_flight());
        // Those after the one read last come first.
        asked.sort_by_key(|(shard, ..)| (*shard < self.next_read, *shard));
        asked.truncate(room.div_ceil(limit.rows.unsigned_abs().max(1) as usize));
        if asked.is_empty() {
            return Ok(0);
        }
        self.next_read = asked.last().map_or(0, |(shard, ..)| shard + 1);
        let (store, sending) = self.store_and_sending();
        let (pages, ()) = tokio::join!(store.read_backlog(&asked, limit), sending.in_slices());
        let mut pages = pages?;
        self.check_topics(pages.values().flat_map(|page| &page.rows))
            .await?;
        let mut count = 0;
        for (number, ..) in asked {
            let page = pages.remove(&number).unwrap_or_default();
            count += page.rows.len();
            if let Some(shard) = self.shards.get_mut(&number) {
                shard.add_page(page);
            }
        }
        Ok(count)
    }

    async fn check_topics(&mut self, rows: impl Iterator<Item = &Row>) -> Result<(), RelayError> {
        let topics: BTreeSet<&str> = rows.map(|row| row.topic.as_str()).collect();
        for topic in topics {
            self.publisher.check_topic(topic).await?;
        }
        Ok(())
    }

    /// Hands what was read to the client, in order, as long as the lease is valid and its queue takes it.
    pub(super) fn send(&mut self) {
        let (_, mut sending) = self.store_and_sending();
        sending.hand_over(usize::MAX);
    }

    /// What reads, and what sends meanwhile.
    fn store_and_sending(&mut self) -> (&mut Store, Sending<'_>) {
        let sending = Sending {
            shards: &mut self.shards,
            publisher: &self.publisher,
            lease_until: self.lease_until,
            keep_ids: self.refusal.is_sought(),
        };
        (&mut self.store, sending)
    }

    /// Lets go of what is acknowledged, in memory, and answers how many rows that are.
    pub(super) fn settle(&mut self) -> u64 {
        let mut rows = 0;
        let mut event_ids = Vec::new();
        for shard in self.shards.values_mut() {
            for round in shard.settle() {
                rows += round.sent;
                event_ids.extend(round.event_ids);
            }
        }
        self.refusal.acknowledged(&event_ids);
        self.count_published(rows);
        rows
    }

    pub(super) fn count_published(&mut self, rows: u64) {
        if rows > 0 {
            self.rows_published += rows;
            ::metrics::counter!(metrics::PUBLISHED).increment(rows);
            self.delays.reset();
        }
    }

    /// The tenure of a shard, if it is held.
    pub(super) fn tenure(&self, shard: i16) -> Option<Tenure> {
        self.shards.get(&shard).map(|shard| shard.tenure)
    }
}

impl Sending<'_> {
    async fn in_slices(mut self) {
        while self.hand_over(SLICE) {
            tokio::task::yield_now().await;
        }
    }

    /// Hands over so many rows at most; true if that was what ended it.
    fn hand_over(&mut self, most: usize) -> bool {
        let mut left = most;
        for shard in self.shards.values_mut() {
            for index in 0..shard.rounds.len() {
                if depot_sabotage::has(Break::Reordered) {
                    shard.rounds[index].pending.make_contiguous().reverse();
                }
                while let Some(row) = shard
                    .rounds
                    .get_mut(index)
                    .and_then(|round| round.pending.pop_front())
                {
                    // Nothing is asked of the time that passed since the last row: it may be an hour.
                    if clock::since_boot() >= self.lease_until || self.publisher.failed() {
                        shard.rounds[index].pending.push_front(row);
                        return false;
                    }
                    if left == 0 {
                        shard.rounds[index].pending.push_front(row);
                        return true;
                    }
                    left -= 1;
                    if depot_sabotage::hits(Break::Unpublished, &row.payload) {
                        shard.rounds[index].pending.push_front(row);
                        break;
                    }
                    if shard.parked.contains(&row.aggregate_id) {
                        shard.rounds[index].parking.push(row);
                        continue;
                    }
                    if !shard.is_in_order(index, &row) && !depot_sabotage::has(Break::Reordered) {
                        shard.park(ToPark::out_of_order(&row));
                        shard.rounds[index].parking.push(row);
                        continue;
                    }
                    let round = &mut shard.rounds[index];
                    match self.publisher.send(&row, &round.outstanding) {
                        Sent::Queued => {
                            round.note_sent(&row, self.keep_ids);
                        }
                        Sent::Refused(reason) => {
                            round.parking.push(row.clone());
                            shard.park(ToPark::refused(&row, &reason));
                        }
                        Sent::Later => {
                            round.pending.push_front(row);
                            return false;
                        }
                    }
                }
            }
        }
        false
    }
}
