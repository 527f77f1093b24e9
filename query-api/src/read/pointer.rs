//! Which version of the views serves and which cache keys are valid, looked up in Postgres all the time.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{postgres::Views, rows::PointerRow};

/// How often the pointer is looked up.
const REFRESH: Duration = Duration::from_millis(400);
/// A pointer that was looked up longer ago than this is not used: the cache is passed by. So what Redis held when its
/// generation was raised is seen for at most this long after.
pub const MAX_AGE: Duration = Duration::from_secs(1);

/// The pointer as it was read.
#[derive(Debug, Clone, Copy)]
struct Seen {
    row: PointerRow,
    asked: Instant,
    took: Duration,
}

/// The pointer as it was a moment ago. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pointer {
    seen: watch::Receiver<Option<Seen>>,
}

impl Pointer {
    /// A pointer, and the task that keeps it young until cancelled.
    pub fn watch(views: Views, stop: CancellationToken) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (publish, seen) = watch::channel(None);
        let keep = async move {
            let mut tick = interval(REFRESH);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stop.run_until_cancelled(tick.tick()).await.is_some() {
                // The age counts from before the question: the answer may be as old as that.
                let asked = Instant::now();
                match stop.run_until_cancelled(views.pointer()).await {
                    Some(Ok(Some(row))) => {
                        let took = asked.elapsed();
                        publish.send_replace(Some(Seen { row, asked, took }));
                    }
                    Some(Ok(None)) => tracing::warn!("the views have no pointer: run `depot migrate`"),
                    Some(Err(error)) => {
                        depot_service::metrics::count_error("query", "pointer");
                        tracing::warn!(
                            error = depot_service::problem::chain(&error),
                            "the pointer to the views is not known; the cache is passed by"
                        );
                    }
                    None => return,
                }
            }
        };
        (Self { seen }, keep)
    }

    /// The pointer, if it is young enough to be trusted.
    pub fn current(&self) -> Option<PointerRow> {
        self.seen
            .borrow()
            .filter(|seen| seen.asked.elapsed() <= MAX_AGE)
            .map(|seen| seen.row)
    }

    /// How long Postgres took for its last answer, which is young.
    ///
    /// # Errors
    /// It has given none for a while.
    pub fn heard(&self) -> Result<Duration, String> {
        match *self.seen.borrow() {
            None => Err("it has never answered".to_owned()),
            Some(seen) if seen.asked.elapsed() > MAX_AGE => {
                Err(format!("no answer for {} s", seen.asked.elapsed().as_secs()))
            }
            Some(seen) => Ok(seen.took),
        }
    }

    /// For the readiness probe.
    ///
    /// # Errors
    /// What is being waited for.
    pub fn check(&self) -> Result<(), String> {
        match *self.seen.borrow() {
            None => Err("the pointer to the views was never read".to_owned()),
            Some(seen) if seen.asked.elapsed() > MAX_AGE * 10 => Err(format!(
                "the pointer to the views was last read {} s ago",
                seen.asked.elapsed().as_secs()
            )),
            Some(_) => Ok(()),
        }
    }
}
