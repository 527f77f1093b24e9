//! Faults, several at a time, each while load is acknowledged and each followed by a canary.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use anyhow::Result;
use tokio::{sync::Mutex, time::Instant};

use super::{Campaign, LANES};
use crate::{
    canary,
    fault::Fault,
    inject::{Done, give_back, inject},
};

/// A fault is brought about while commands are being acknowledged.
const FRESH_MS: u64 = 3_000;
const FRESH_WITHIN: Duration = Duration::from_secs(180);

/// Slowest recovery and count of each class.
pub type Recoveries = BTreeMap<&'static str, (usize, Duration)>;

/// What became of a fault.
enum Fate {
    /// Commands were acknowledged before it, and one that was sent after it came through to readers.
    Counts,
    /// This machine does not let it be done.
    Skipped,
    /// It could not be brought about or undone, or nothing came through: a problem tells it.
    Failed,
}

/// What became of all of them.
#[derive(Debug, Default)]
pub struct Tally {
    pub counted: usize,
    pub skipped: Vec<Fault>,
}

/// What the lanes share.
struct Schedule {
    waiting: Mutex<VecDeque<(usize, Fault)>>,
    occupied: Mutex<BTreeSet<String>>,
    tally: Mutex<Tally>,
}

impl Schedule {
    /// The next that is not at what another one is at; none while there is no such.
    async fn next(&self) -> Option<(usize, Fault)> {
        let (mut waiting, mut occupied) = (self.waiting.lock().await, self.occupied.lock().await);
        let is_free = |fault: &Fault| !fault.occupies().iter().any(|name| occupied.contains(name));
        let at = waiting.iter().position(|(_, fault)| is_free(fault))?;
        let (number, fault) = waiting.remove(at)?;
        occupied.extend(fault.occupies());
        Some((number, fault))
    }

    async fn is_done(&self) -> bool {
        self.waiting.lock().await.is_empty()
    }

    async fn ended(&self, fault: Fault, fate: Fate) {
        let mut occupied = self.occupied.lock().await;
        for name in fault.occupies() {
            occupied.remove(&name);
        }
        let mut tally = self.tally.lock().await;
        match fate {
            Fate::Counts => tally.counted += 1,
            Fate::Skipped => tally.skipped.push(fault),
            Fate::Failed => {}
        }
    }
}

impl Campaign {
    pub(super) async fn break_everything(&self, faults: Vec<Fault>) -> Result<Tally> {
        let schedule = Schedule {
            waiting: Mutex::new(faults.into_iter().enumerate().collect()),
            occupied: Mutex::default(),
            tally: Mutex::default(),
        };
        futures::future::try_join_all((0..LANES).map(|_| self.lane(&schedule))).await?;
        Ok(schedule.tally.into_inner())
    }

    async fn lane(&self, schedule: &Schedule) -> Result<()> {
        while !schedule.is_done().await {
            match schedule.next().await {
                Some((number, fault)) => {
                    let fate = self.one(number, fault).await?;
                    schedule.ended(fault, fate).await;
                }
                None => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        Ok(())
    }

    async fn one(&self, number: usize, fault: Fault) -> Result<Fate> {
        let history = &self.world.history;
        if !self.load_is_acknowledged().await {
            self.problem(format!("before {fault}: no command was acknowledged for minutes"))
                .await;
            return Ok(Fate::Failed);
        }
        let (at, before) = (self.began.elapsed(), history.acknowledged());
        let seed = self.seed.wrapping_mul(10_007).wrapping_add(number as u64);
        let done = inject(&self.site, &self.injected, fault, seed).await;
        let lasted = self.began.elapsed() - at;
        let label = format!("{:>4} {:>7.1} s  {fault}", number + 1, at.as_secs_f64());
        match done {
            Ok(Done::Injected) => {}
            Ok(Done::Amiss(what)) => {
                println!("{label}: {what}");
                self.problem(format!("{fault}: {what}")).await;
            }
            Ok(Done::NotHere(why)) => {
                println!("{label}: not done here: {why}");
                return Ok(Fate::Skipped);
            }
            Err(error) => {
                println!("{label}: broke off: {error:#}");
                self.problem(format!("{fault}: broke off: {error:#}")).await;
                if let Err(error) = give_back(&self.site, fault).await {
                    self.problem(format!("after {fault}, not given back: {error:#}"))
                        .await;
                }
                return Ok(Fate::Failed);
            }
        }
        let canary = self.client("canary")?;
        let Some(recovery) = canary::fly(&self.world, &canary).await else {
            println!("{label}: no canary within three minutes");
            self.problem(format!("after {fault}: no canary within three minutes"))
                .await;
            return Ok(Fate::Failed);
        };
        let acknowledged = history.acknowledged() - before;
        println!(
            "{label}: {:.1} s; a canary visible {:.2} s later, {acknowledged} commands acknowledged meanwhile",
            lasted.as_secs_f64(),
            recovery.as_secs_f64()
        );
        let mut recoveries = self.recoveries.lock().await;
        let (count, slowest) = recoveries.entry(fault.class()).or_default();
        (*count, *slowest) = (*count + 1, recovery.max(*slowest));
        Ok(Fate::Counts)
    }

    async fn load_is_acknowledged(&self) -> bool {
        let waited = Instant::now();
        while self.world.history.since_last_acknowledged_ms() > FRESH_MS {
            if waited.elapsed() > FRESH_WITHIN {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        true
    }
}
