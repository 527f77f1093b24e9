//! What does not add up between uploads, sagas, items and accounts, the uploader's receipts, and what is staged.
//!
//! What this service owns is compared within one statement, whose snapshot sees whole transactions. What it hears of by
//! events is compared with what both sides have had for longer than a grace, twice: only what stands unchanged on the
//! second look is a finding. In order of reading: `suspicion.rs` (what is wrong), `walk.rs`, `receipts.rs` (where it is
//! looked for), `mend.rs`, `schedule.rs`.

mod mend;
mod receipts;
mod schedule;
mod suspicion;
mod uploader_admin;
mod walk;

pub use mend::Mender;
pub use schedule::{ScheduleOutcome, SweepSchedule, run, step};
pub use uploader_admin::{UploaderAdmin, UploaderError};

use std::time::Duration;

use depot_domain::CommandId;
use depot_object_store::StoreError as ObjectStoreError;
use depot_schemas::sweep::{Finding, FindingKind, SweepReport};

use self::{
    mend::{Mended, note},
    suspicion::{Mend, Suspicion},
};
use crate::{
    commands::{CommandError, Writer},
    staging::Staging,
    store::{Nature, StoreError, transaction::ROW_LOCK_TIMEOUT},
};

/// How to sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepOptions {
    /// Change nothing.
    pub dry_run: bool,
    /// What is younger is left alone, where an event may be on its way; none for the setting.
    pub grace: Option<Duration>,
    /// Have the uploader forget what no upload of this service has.
    pub forget_unknown: bool,
    /// In whose name mended things stand in the audit.
    pub actor: String,
}

/// Why a sweep ended early; what was mended by then stays mended, and the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error("the sweep could not use the database")]
    Database(#[from] CommandError),
    #[error("the sweep could not ask the uploader")]
    Uploader(#[from] UploaderError),
    #[error("the sweep could not list what is staged")]
    Staging(#[from] ObjectStoreError),
}

impl From<StoreError> for SweepError {
    fn from(error: StoreError) -> Self {
        Self::Database(error.into())
    }
}

/// Sweeps.
#[derive(Debug, Clone)]
pub struct Sweeper {
    pub mender: Mender,
    pub uploader: UploaderAdmin,
    pub staging: Staging,
    /// How long an event may be on its way.
    pub grace: Duration,
}

/// A sweep under way.
struct Tally<'a> {
    sweeper: &'a Sweeper,
    options: &'a SweepOptions,
    report: SweepReport,
}

impl Sweeper {
    /// Has the uploader sweep, then compares what this service has with it.
    ///
    /// # Errors
    /// [`SweepError`].
    pub async fn sweep_all(&self, options: &SweepOptions) -> Result<SweepReport, SweepError> {
        let mut report = self.uploader.sweep(options.dry_run, options.grace).await?;
        report.merge(self.sweep(options).await?);
        Ok(report)
    }

    /// Compares what this service has with itself, with the uploader's receipts and with what is staged.
    ///
    /// # Errors
    /// [`SweepError`].
    pub async fn sweep(&self, options: &SweepOptions) -> Result<SweepReport, SweepError> {
        let mut tally = Tally {
            sweeper: self,
            options,
            report: SweepReport::new(options.dry_run),
        };
        walk::sagas_without_upload(&mut tally).await?;
        receipts::uploads(&mut tally).await?;
        walk::staged(&mut tally).await?;
        walk::items(&mut tally).await?;
        walk::accounts(&mut tally).await?;
        // Last: what was mended has set sagas going again.
        walk::halted_sagas(&mut tally).await?;
        Ok(tally.report)
    }

    fn writer(&self) -> &Writer {
        &self.mender.writer
    }
}

impl Tally<'_> {
    fn grace(&self) -> Duration {
        self.options.grace.unwrap_or(self.sweeper.grace)
    }

    async fn connection(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, SweepError> {
        let acquired = self.sweeper.writer().pool().acquire().await;
        Ok(acquired.map_err(StoreError::doing("sweep"))?)
    }

    /// Mends what is suspected, if it may and if it still stands, and puts it into the report.
    async fn settle(&mut self, suspicion: Suspicion) -> Result<(), SweepError> {
        if self.options.dry_run {
            self.add(suspicion, false);
            return Ok(());
        }
        let actor = &self.options.actor;
        let mended = match suspicion.mend {
            Mend::Forget(upload) if self.options.forget_unknown => {
                self.sweeper.uploader.forget(upload).await?;
                let mut unit = self
                    .sweeper
                    .writer()
                    .begin(CommandId::generate(), ROW_LOCK_TIMEOUT)
                    .await?;
                note(&mut unit, &suspicion, actor).await?;
                unit.commit().await?;
                Ok(Mended::Done)
            }
            _ => self.sweeper.mender.mend(&suspicion, actor).await,
        };
        match mended {
            Ok(Mended::Done) => self.add(suspicion, true),
            Ok(Mended::NotNeeded) => {}
            Ok(Mended::Impossible) => self.add(suspicion, false),
            // Something else is wrong with this one, which is to keep nothing else from being mended.
            Err(error) if matches!(error.nature(), Some(Nature::Fault) | None) => {
                let fault = depot_service::problem::chain(&error);
                let detail = format!("{}; it cannot be mended: {fault}", suspicion.detail);
                self.add(Suspicion { detail, ..suspicion }, false);
            }
            // Somebody is at it.
            Err(error) if matches!(error.nature(), Some(Nature::Contention | Nature::LockTimeout)) => {
                self.add(suspicion, false);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn add(&mut self, suspicion: Suspicion, mended: bool) {
        let kind: FindingKind = suspicion.kind;
        if !self.options.dry_run {
            let outcome = if mended { "mended" } else { "left" };
            metrics::counter!("depot_sweep_findings_total", "kind" => kind.as_str(), "outcome" => outcome)
                .increment(1);
        }
        self.report.add(Finding {
            kind,
            subject: suspicion.subject,
            detail: suspicion.detail,
            mended,
        });
    }
}
