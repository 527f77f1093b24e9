//! The relay: holds shards, reads what became visible, sends it in order, lets go of what Kafka acknowledged.
//!
//! One task does all of it, one [`Relay::step`] after the other, so nothing in here needs a lock; the Kafka client's
//! thread only counts reports.

mod leases;
mod options;
mod parking;
mod polling;
mod progress;
mod recovery;
mod sending;
mod status;
mod upkeep;

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use depot_retry::Delays;
use sqlx::PgPool;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use options::RelayOptions;
pub use parking::resume;
pub(crate) use progress::{Position, Shard, Unfinished};
pub use status::{RelayHandle, RelayState, RelayStatus};

use crate::{clock, doorbell::Doorbell, error::RelayError, metrics, publish::Publisher, store::Store};

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum StepOutcome {
    /// Kafka acknowledged rows, and the relay let go of them.
    Published { rows: u64 },
    /// Rows wait for their reports, or to be read.
    InFlight { rows: usize },
    /// There is nothing to publish, and nothing in flight.
    Idle,
    /// Other relays hold all shards, or may do so by now.
    NotLeader,
    /// A report was bad, or the producer is being replaced: everything starts again from the first row not let go.
    Stopped { reason: String, resumes_in: Duration },
}

/// When something is next to be done.
struct Due {
    heartbeat: Instant,
    claim: Instant,
    save: Instant,
    upkeep: Instant,
}

/// Publishes the outbox of one schema. Any number of relays share it, in one process or many.
pub struct Relay {
    options: RelayOptions,
    store: Store,
    publisher: Publisher,
    doorbell: Doorbell,
    status: watch::Sender<RelayStatus>,
    shards: BTreeMap<i16, Shard>,
    /// By [`clock::since_boot`]: until then no other relay has been given the shards held.
    lease_until: Duration,
    relays_alive: i64,
    due: Due,
    /// The outbox was found to belong to this cluster, on the connection in use.
    origin_checked: bool,
    delays: Delays,
    stopped_until: Option<(Instant, String)>,
    refusal: recovery::Refusal,
    resuming: Option<parking::Resuming>,
    /// Shards that want resuming, with the aggregate.
    to_resume: Vec<(i16, Uuid)>,
    rows_published: u64,
    next_read: i16,
    polling: polling::Polling,
}

impl Relay {
    /// A relay and what to look at it by. It connects as `pool` does, but makes a connection of its own, at the first
    /// step.
    pub fn new(options: RelayOptions, pool: &PgPool, doorbell: Doorbell) -> (Self, RelayHandle) {
        metrics::describe();
        let (status, seen) = watch::channel(RelayStatus::default());
        let store = Store::new(&pool.connect_options(), Uuid::now_v7(), options.statement_limit);
        let now = Instant::now();
        let relay = Self {
            store,
            publisher: Publisher::new(),
            doorbell,
            status,
            shards: BTreeMap::new(),
            lease_until: Duration::ZERO,
            relays_alive: 1,
            due: Due {
                heartbeat: now,
                claim: now,
                save: now + options.save_interval,
                upkeep: now,
            },
            origin_checked: false,
            delays: Delays::never_ending(Duration::from_millis(100), Duration::from_secs(5)),
            stopped_until: None,
            refusal: recovery::Refusal::default(),
            resuming: None,
            to_resume: Vec::new(),
            rows_published: 0,
            next_read: 0,
            polling: polling::Polling::new(&options),
            options,
        };
        (relay, RelayHandle::new(seen))
    }

    /// Runs until `cancel`, then waits for what is in flight (at most `drain_limit`), writes the positions and gives
    /// the shards back. Faults of Postgres and Kafka are logged once each and waited out.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut faults = Delays::never_ending(Duration::from_millis(100), Duration::from_secs(2));
        let mut fault = None;
        while !cancel.is_cancelled() {
            let pause = match self.step_due().await {
                Ok(outcome) => {
                    if fault.take().is_some() {
                        tracing::info!("the outbox's relay goes on");
                    }
                    faults.reset();
                    self.pause_after(&outcome)
                }
                Err(error) => {
                    ::metrics::counter!(metrics::RELAY_FAULTS, "dependency" => error.dependency())
                        .increment(1);
                    let text = error.to_string();
                    if fault.as_ref() != Some(&text) {
                        tracing::error!(error = &error as &dyn std::error::Error, "{text}");
                        fault = Some(text);
                    }
                    faults.next_delay().unwrap_or(self.options.poll_idle)
                }
            };
            tokio::select! {
                () = cancel.cancelled() => {}
                () = self.woken(pause) => {}
            }
        }
        self.shut_down().await;
    }

    /// One round of everything: leases, upkeep, reports, reading of all shards, sending. Returns without waiting for
    /// reports; [`Relay::woken`] does.
    ///
    /// # Errors
    /// What kept it from going on; the next step tries again. `OtherCluster` needs the owner of the schema.
    pub async fn step(&mut self) -> Result<StepOutcome, RelayError> {
        self.polling.all_at_once();
        self.step_due().await
    }

    /// The same, but of the shards only those are read that were rung for, unless all are due.
    async fn step_due(&mut self) -> Result<StepOutcome, RelayError> {
        let outcome = self.try_step().await;
        if outcome.is_err() {
            // The database that answers next may be another one.
            self.origin_checked = false;
        }
        self.show(self.state_after(&outcome));
        outcome
    }

    async fn try_step(&mut self) -> Result<StepOutcome, RelayError> {
        self.check_origin().await?;
        self.keep_leases().await?;
        self.upkeep().await?;
        if self.publisher.failed() {
            self.start_again();
        }
        self.write_parking().await?;
        let rows = self.settle();
        self.save_when_due().await?;
        self.hand_over().await?;
        self.follow_resumes().await?;
        if self.shards.is_empty() {
            return Ok(StepOutcome::NotLeader);
        }
        if let Some(stopped) = self.still_stopped() {
            return Ok(stopped);
        }
        if !self
            .publisher
            .open(&self.options, self.refusal.is_sought())
            .await?
        {
            return Ok(StepOutcome::Stopped {
                reason: "the last producer is being closed".to_owned(),
                resumes_in: self.options.poll_busy,
            });
        }
        // What became visible since an unfinished set was begun is looked for only after its end.
        let unfinished = self.works_off_a_backlog();
        self.read_and_send().await?;
        self.write_parking().await?;
        let rows = rows + self.settle();
        Ok(match (rows, self.rows_in_flight()) {
            (1.., _) => StepOutcome::Published { rows },
            (_, rows) if rows > 0 || unfinished => StepOutcome::InFlight { rows },
            _ if !self.lease_is_valid() => StepOutcome::NotLeader,
            _ => StepOutcome::Idle,
        })
    }

    /// Returns after `pause`, or as soon as there is something to do: a ring of the doorbell, which is heard when the rest
    /// after the last reading is over, or reports.
    pub async fn woken(&mut self, pause: Duration) {
        let rest = self.polling.rest();
        let rung = async {
            if rest > Duration::ZERO {
                tokio::time::sleep(rest).await;
            }
            self.doorbell.rung().await
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            shards = rung => self.polling.rung = self.polling.rung.with(shards),
            () = self.publisher.changed() => {}
        }
    }

    /// Refuses an outbox that was written in another cluster, before anything is done with its transaction ids.
    async fn check_origin(&mut self) -> Result<(), RelayError> {
        if self.origin_checked {
            return Ok(());
        }
        let (stored, actual) = self.store.clusters().await?;
        if stored != actual {
            return Err(RelayError::OtherCluster { stored, actual });
        }
        self.origin_checked = true;
        Ok(())
    }

    /// How long to wait after a step, if nothing rings.
    fn pause_after(&self, outcome: &StepOutcome) -> Duration {
        match outcome {
            StepOutcome::Published { .. } | StepOutcome::InFlight { .. } | StepOutcome::Idle => {
                let pause = self.polling.pause(&self.options);
                match self.works_off_a_backlog() {
                    true if self.reads_on() => Duration::ZERO,
                    true => pause.min(self.options.poll_busy),
                    false => pause,
                }
            }
            StepOutcome::NotLeader => self.options.poll_idle,
            StepOutcome::Stopped { resumes_in, .. } => (*resumes_in).min(self.options.poll_idle),
        }
    }

    pub(crate) fn rows_in_flight(&self) -> usize {
        let resuming = self
            .resuming
            .as_ref()
            .map_or(0, parking::Resuming::rows_in_flight);
        self.shards.values().map(Shard::rows_in_flight).sum::<usize>() + resuming
    }

    fn works_off_a_backlog(&self) -> bool {
        self.shards.values().any(|shard| shard.read.unfinished.is_some())
    }

    /// Whether the shards held are certainly nobody else's.
    fn lease_is_valid(&self) -> bool {
        clock::since_boot() < self.lease_until
    }

    fn state_after(&self, outcome: &Result<StepOutcome, RelayError>) -> RelayState {
        let starting = self.status.borrow().state == RelayState::Starting;
        match outcome {
            Ok(StepOutcome::Stopped { reason, .. }) => RelayState::Waiting(reason.clone()),
            Ok(_) => RelayState::Running,
            Err(error @ RelayError::OtherCluster { .. }) => RelayState::Refusing(error.to_string()),
            Err(RelayError::Store { .. } | RelayError::Timeout { .. }) if starting => RelayState::Starting,
            Err(error) => RelayState::Waiting(error.to_string()),
        }
    }

    fn show(&self, state: RelayState) {
        let parked: HashSet<_> = self.shards.values().flat_map(|shard| &shard.parked).collect();
        ::metrics::gauge!(metrics::SHARDS_HELD).set(self.shards.len() as f64);
        ::metrics::gauge!(metrics::PARKED_AGGREGATES).set(parked.len() as f64);
        let status = RelayStatus {
            state,
            shards_held: self.shards.len(),
            relays_alive: self.relays_alive,
            rows_in_flight: self.rows_in_flight(),
            parked_aggregates: parked.len(),
            rows_published: self.rows_published,
            broker_fault: self.publisher.broker_fault(),
        };
        self.status.send_if_modified(|shown| {
            let changed = *shown != status;
            *shown = status;
            changed
        });
    }

    async fn shut_down(&mut self) {
        self.store.hurry();
        let deadline = Instant::now() + self.options.drain_limit;
        loop {
            self.settle();
            if self.rows_in_flight() == 0 || self.publisher.failed() || Instant::now() >= deadline {
                break;
            }
            // Without a lease the reports are of no use: another relay has the shards.
            if self.keep_leases_only().await.is_err() || self.shards.is_empty() {
                break;
            }
            self.send();
            self.send_resumed();
            let left = deadline.saturating_duration_since(Instant::now());
            self.woken(left.min(self.options.poll_idle)).await;
        }
        if let Err(error) = self.give_everything_back().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the relay could not give its shards back; they are free when its lease expires"
            );
        }
        self.publisher.close();
        self.publisher.closed().await;
        self.shards.clear();
        self.show(RelayState::Ended);
    }
}
