//! Whether the installation is one that this program works with: asked once, before the process takes work.
//!
//! A backing service that does not answer is waited for. An answer that shows a fault is a [`Finding`]: one that passes
//! when a step of the installation is run (`depot migrate`, `depot topics`) is waited for too, for as long as
//! `STARTUP_WAIT_SECONDS` says, since all may have been started at once; any other ends the process at once. Either way the
//! process says all that was found in one message, a [`Refusal`], and ends with [`REFUSED`](crate::REFUSED).
//!
//! What must not begin before holds a [`Clearance`].

mod clearance;
mod database;
mod finding;
mod grants;
mod migrations;
mod rounds;

use std::time::Duration;

use futures::future::BoxFuture;

pub use clearance::Clearance;
pub use database::DatabaseCheck;
pub use depot_migrate::ServiceRole;
pub use finding::{Finding, Refusal, Weight};
use sqlx::PgConnection;

use crate::process::Process;
use rounds::{Entry, Pace};

/// A backing service gave no answer from which anything could be told; why, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAnswer(pub String);

/// Looks at one backing service.
pub trait Check: Send + Sync + 'static {
    /// What is looked at, in a sentence: `the database`.
    fn subject(&self) -> &'static str;

    /// What is wrong; nothing, if all is as this program needs it. It is called again after a while, unless nothing was
    /// wrong, and has a deadline of its own.
    fn look(&self) -> BoxFuture<'_, Result<Vec<Finding>, NoAnswer>>;
}

/// What keeps a service's program of this version from working with its schema, asked by whoever may read the list of
/// migrations.
///
/// # Errors
/// [`NoAnswer`].
pub async fn migrations_of(conn: &mut PgConnection, service: ServiceRole) -> Result<Vec<Finding>, NoAnswer> {
    migrations::look(conn, service).await
}

/// What a role, which has to be there, may do beyond what the service has to that enters by it. Anybody may ask.
///
/// # Errors
/// [`NoAnswer`].
pub async fn rights_of(
    conn: &mut PgConnection,
    service: ServiceRole,
    role: &str,
) -> Result<Vec<Finding>, NoAnswer> {
    grants::look(conn, service, Some(role)).await
}

/// The checks of one process. They begin with [`run`](Self::run).
pub struct StartUp {
    wait: Duration,
    entries: Vec<Entry>,
}

impl StartUp {
    /// No check yet. `wait` is how long a step of the installation is waited for.
    #[must_use]
    pub fn new(wait: Duration) -> Self {
        let entries = Vec::new();
        Self { wait, entries }
    }

    /// Adds a check; what it answers is given when it has found nothing wrong.
    pub fn check(&mut self, check: impl Check) -> Clearance {
        let clearance = Clearance::default();
        self.entries.push(Entry {
            check: Box::new(check),
            clearance: clearance.clone(),
        });
        clearance
    }

    /// Runs the checks as a task of the process. Until they are passed it is not ready (part `installation`); one that
    /// refuses the installation ends it.
    pub fn run(self, process: &Process) {
        let state = process.readiness.part("installation");
        let (shutdown, stop) = (process.shutdown.clone(), process.shutdown.token());
        process.shutdown.spawn("start-up checks", async move {
            let passing = rounds::pass(self.entries, Pace::waiting(self.wait), &state);
            match stop.run_until_cancelled(passing).await {
                // The process ends before it has begun.
                None => {}
                Some(Ok(())) => state.ready(),
                Some(Err(refusal)) => shutdown.refuse(refusal),
            }
        });
    }
}
