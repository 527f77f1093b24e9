//! What a crash, a late PUT, a store that was away or a hand left behind: found, told, and mended.
//!
//! A finding stands under the lock or the statement that mends it, or is older than the grace: what is under way is no
//! damage. In order of reading: `sweep_staging.rs`, `sweep_multiparts.rs`, `sweep_objects.rs`.

use std::time::Duration;

use depot_object_store::StoreError;
use depot_schemas::sweep::{Finding, FindingKind, SweepReport};
use tokio_util::sync::CancellationToken;

use crate::{
    config::SweepConfig,
    files::Files,
    metrics,
    sweep_multiparts::sweep_multiparts,
    sweep_objects::{sweep_bucket, sweep_copies, sweep_deletions, sweep_references},
    sweep_staging::sweep_staging,
};

/// How to sweep.
#[derive(Debug, Clone, Copy)]
pub struct SweepOptions {
    /// What is younger is left alone.
    pub grace: Duration,
    /// Change nothing.
    pub dry_run: bool,
}

/// Why a sweep ended early; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error("the sweep could not use the database")]
    Database(#[from] sqlx::Error),
    #[error("the sweep could not use the object store")]
    Store(#[from] StoreError),
}

/// A sweep under way.
pub(crate) struct Tally {
    pub options: SweepOptions,
    report: SweepReport,
}

impl Tally {
    /// Something was found and mended, or would be if this were no dry run.
    pub fn mended(&mut self, kind: FindingKind, subject: String, detail: &str) {
        let mended = !self.options.dry_run;
        self.add(kind, subject, detail.to_owned(), mended);
    }

    /// Something was found that cannot be mended here; `detail` says what to do.
    pub fn left(&mut self, kind: FindingKind, subject: String, detail: String) {
        self.add(kind, subject, detail, false);
    }

    fn add(&mut self, kind: FindingKind, subject: String, detail: String, mended: bool) {
        if !self.options.dry_run {
            metrics::count_finding(kind, mended);
        }
        self.report.add(Finding {
            kind,
            subject,
            detail,
            mended,
        });
    }
}

/// Sweeps at every interval until it is cancelled.
pub(crate) async fn run(files: Files, config: SweepConfig, stop: CancellationToken) {
    let options = SweepOptions {
        grace: config.grace,
        dry_run: false,
    };
    while stop
        .run_until_cancelled(tokio::time::sleep(config.interval))
        .await
        .is_some()
    {
        match stop.run_until_cancelled(sweep(&files, options)).await {
            Some(Ok(report)) => tell(&report),
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the sweep ended early")
            }
            None => {}
        }
    }
}

fn tell(report: &SweepReport) {
    metrics::set_left(report.left);
    for finding in &report.findings {
        let (kind, subject, detail) = (finding.kind.as_str(), &finding.subject, &finding.detail);
        if finding.mended {
            tracing::info!(finding.kind = kind, finding.subject = %subject, detail, "the sweep mended something");
        } else {
            tracing::error!(finding.kind = kind, finding.subject = %subject, detail, "the sweep cannot mend this");
        }
    }
}

/// Compares both buckets with what is on record.
///
/// # Errors
/// [`SweepError`]; what was mended by then stays mended.
pub async fn sweep(files: &Files, options: SweepOptions) -> Result<SweepReport, SweepError> {
    let mut tally = Tally {
        options,
        report: SweepReport::new(options.dry_run),
    };
    sweep_staging(files, &mut tally).await?;
    sweep_multiparts(files, &mut tally).await?;
    sweep_copies(files, &mut tally).await?;
    sweep_bucket(files, &mut tally).await?;
    sweep_references(files, &mut tally).await?;
    sweep_deletions(files, &mut tally).await?;
    Ok(tally.report)
}
