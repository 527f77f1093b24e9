//! The sweep that runs by itself, in one process at a time.

use depot_service::database::Pool;
use std::time::Duration;

use depot_schemas::sweep::{FindingKind, SweepReport};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{SweepError, SweepOptions, Sweeper};
use crate::store::{StoreError, sweep};

/// A process that dies leaves its lease for so long.
const LEASE: Duration = Duration::from_secs(30);
/// In whose name it mends.
const ACTOR: &str = "sweep";

/// How often.
#[derive(Debug, Clone, Copy)]
pub struct SweepSchedule {
    pub interval: Duration,
}

/// What one step did.
#[derive(Debug)]
pub enum ScheduleOutcome {
    /// It is not time yet, or another process is at it.
    NotDue,
    Swept(SweepReport),
    /// Another process has taken over: this one was stopped for a while.
    LeaseLost,
}

/// Sweeps if it is time, and nobody else does.
///
/// # Errors
/// [`SweepError`].
pub async fn step(sweeper: &Sweeper, schedule: SweepSchedule) -> Result<ScheduleOutcome, SweepError> {
    let (pool, holder) = (sweeper.writer().pool(), Uuid::now_v7());
    let mut conn = pool
        .acquire()
        .await
        .map_err(StoreError::doing("take the lease of the sweep"))?;
    let interval = schedule.interval.as_secs_f64();
    let is_taken = sweep::take_lease(&mut conn, holder, interval, LEASE.as_secs_f64()).await?;
    drop(conn);
    if !is_taken {
        return Ok(ScheduleOutcome::NotDue);
    }
    let options = SweepOptions {
        dry_run: false,
        grace: None,
        forget_unknown: false,
        actor: ACTOR.to_owned(),
    };
    let swept = tokio::select! {
        swept = Box::pin(sweeper.sweep(&options)) => swept,
        () = until_lost(pool, holder) => return Ok(ScheduleOutcome::LeaseLost),
    };
    let mut conn = pool
        .acquire()
        .await
        .map_err(StoreError::doing("give back the lease of the sweep"))?;
    sweep::release_lease(&mut conn, holder).await?;
    Ok(ScheduleOutcome::Swept(swept?))
}

/// Renews the lease for as long as it can be. A database that is away for longer than the lease loses it.
async fn until_lost(pool: &Pool, holder: Uuid) {
    let mut failures = 0;
    while failures < 3 {
        tokio::time::sleep(LEASE / 4).await;
        let renewed = async {
            let conn = pool.acquire().await;
            let mut conn = conn.map_err(StoreError::doing("renew the lease of the sweep"))?;
            sweep::renew_lease(&mut conn, holder, LEASE.as_secs_f64()).await
        };
        match renewed.await {
            Ok(true) => failures = 0,
            Ok(false) => return,
            Err(_) => failures += 1,
        }
    }
}

/// Runs [`step`] until cancelled, and tells what was found.
pub async fn run(sweeper: Sweeper, schedule: SweepSchedule, stop: CancellationToken) {
    begin_counters();
    // Several processes look, and the first whose look comes after the interval sweeps.
    let look = (schedule.interval / 4).clamp(Duration::from_secs(1), Duration::from_secs(60));
    while stop.run_until_cancelled(tokio::time::sleep(look)).await.is_some() {
        match stop.run_until_cancelled(step(&sweeper, schedule)).await {
            Some(Ok(ScheduleOutcome::Swept(report))) => tell(&report),
            Some(Ok(ScheduleOutcome::NotDue)) | None => {}
            Some(Ok(ScheduleOutcome::LeaseLost)) => {
                tracing::warn!("another process has taken over the sweep")
            }
            Some(Err(error)) => {
                metrics::counter!("depot_sweeps_total", "outcome" => "failed").increment(1);
                tracing::warn!(error = &error as &dyn std::error::Error, "the sweep ended early");
            }
        }
    }
}

/// An alarm stands on how these grow, and the first step is from 0.
fn begin_counters() {
    for outcome in ["done", "failed"] {
        metrics::counter!("depot_sweeps_total", "outcome" => outcome).increment(0);
    }
    let kind = FindingKind::DeadlineMissed.as_str();
    metrics::counter!("depot_sweep_findings_total", "kind" => kind, "outcome" => "left").increment(0);
}

fn tell(report: &SweepReport) {
    metrics::counter!("depot_sweeps_total", "outcome" => "done").increment(1);
    metrics::gauge!("depot_sweep_left").set(report.left as f64);
    for finding in &report.findings {
        let (kind, subject, detail) = (finding.kind.as_str(), &finding.subject, &finding.detail);
        if finding.mended {
            tracing::warn!(finding.kind = kind, finding.subject = %subject, detail, "the sweep mended something");
        } else {
            tracing::error!(finding.kind = kind, finding.subject = %subject, detail, "the sweep cannot mend this");
        }
    }
}
