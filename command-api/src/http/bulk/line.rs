//! One line, to its outcome.

use std::{sync::Arc, time::Duration};

use depot_retry::Delays;
use depot_service::problem::Problem;
use http::header::RETRY_AFTER;
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Bulk, outcome::OutcomeBody};
use crate::{
    commands::CreateItem,
    execution::Identity,
    http::{
        answer::Answer,
        items::{self, NewItem},
        router::QueryAddress,
        write_request::WriteRequest,
    },
};

/// How long a line is tried again that met what passes, and how long it waits for the allowance of its principal.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts, on average, at first and at last.
const FIRST_DELAY: Duration = Duration::from_millis(20);
const LAST_DELAY: Duration = Duration::from_millis(500);

/// What the lines of a request have in common.
pub struct Lines {
    bulk: Bulk,
    query: QueryAddress,
    write: WriteRequest,
    /// Lines wait for their principal's allowance in their order.
    turn: Mutex<()>,
    terms: Terms,
}

/// How long lines are tried.
#[derive(Debug, Default)]
pub struct Terms {
    /// When none is tried again any more; none where each line has its own time.
    pub until: Option<Instant>,
    /// Ends the waiting of those that were not begun.
    pub stop: CancellationToken,
}

/// A line as it was read.
pub struct ReadLine {
    number: u64,
    /// Its name and what it asks for, or what is wrong with it.
    command: Result<(Identity, CreateItem), Problem>,
}

impl Lines {
    pub fn new(bulk: Bulk, query: QueryAddress, write: WriteRequest, terms: Terms) -> Arc<Self> {
        Arc::new(Self {
            bulk,
            query,
            write,
            turn: Mutex::new(()),
            terms,
        })
    }

    /// Reads a line, and keeps nothing of its text.
    pub fn read(&self, number: u64, text: &[u8]) -> ReadLine {
        // An end by two characters makes no other line.
        let text = text.trim_ascii();
        let read = items::new_item(text);
        let command = read.map(|NewItem { key, content }| {
            let identity = self.write.of_line(number, key, text);
            let actor = self.write.actor.clone();
            (identity, CreateItem { actor, content })
        });
        ReadLine { number, command }
    }

    /// Brings it to its outcome. As long as it is not to stop, it is tried again for a while where it met what passes.
    pub async fn outcome(self: Arc<Self>, line: ReadLine) -> OutcomeBody {
        let answer = match self.run(line.command).await {
            Ok(answer) => answer,
            Err(problem) => Answer::problem(problem, self.write.path()),
        };
        OutcomeBody::new(line.number, &answer)
    }

    async fn run(&self, command: Result<(Identity, CreateItem), Problem>) -> Result<Answer, Problem> {
        let stop = &self.terms.stop;
        let allowed = stop.run_until_cancelled(self.allowance()).await;
        allowed.unwrap_or_else(|| Err(Problem::overloaded()))?;
        // A line that is none was sent too, and is counted.
        let (identity, command) = command?;
        let place = stop.run_until_cancelled(self.bulk.places.acquire()).await;
        let Some(Ok(_place)) = place else {
            return Err(Problem::overloaded());
        };
        let left = self.patience().saturating_duration_since(Instant::now());
        let mut delays = Delays::lasting(FIRST_DELAY, LAST_DELAY, left);
        loop {
            let render = items::created(self.query.clone());
            let run = self
                .bulk
                .executor
                .run_together(identity.clone(), command.clone(), render);
            let problem = match run.await {
                Ok(answer) => return Ok(answer),
                Err(problem) => problem,
            };
            let Some(delay) = delays.next_delay().filter(|_| passes(&problem)) else {
                return Err(problem);
            };
            if stop
                .run_until_cancelled(tokio::time::sleep(delay))
                .await
                .is_none()
            {
                return Err(problem);
            }
        }
    }

    /// Has the line counted as a request of its principal, when it is granted.
    async fn allowance(&self) -> Result<(), Problem> {
        let _turn = self.turn.lock().await;
        let left = self.patience().saturating_duration_since(Instant::now());
        let granted = self.bulk.door.grant(self.write.actor.subject.as_str(), left);
        granted.await.map_err(Problem::from)
    }

    fn patience(&self) -> Instant {
        self.terms.until.unwrap_or_else(|| Instant::now() + PATIENCE)
    }
}

/// What says when to come again passes: too many at once, a database that is away, a first request under the same key.
fn passes(problem: &Problem) -> bool {
    problem.headers().any(|(name, _)| *name == RETRY_AFTER)
}
