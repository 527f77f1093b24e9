//! What clients noticed: answers that say that a server failed, requests without an answer, and pauses.

use std::fmt;

use depot_faults::history::{Attempt, Kind, Told};

/// How many of the answers that should not have come are printed.
const SHOWN: usize = 8;

/// Of a stretch of time.
#[derive(Debug, Default)]
pub struct Noticed {
    pub requests: usize,
    /// Commands that were acknowledged.
    pub acknowledged: usize,
    /// Answers from 500 on. One to a read whose version did not come in time is among them.
    pub failed: Vec<String>,
    /// No answer came, by HTTP or by gRPC, or a gRPC status other than that there is no such thing.
    pub unanswered: Vec<String>,
    /// The longest time without an acknowledged command.
    pub longest_pause_ms: u64,
    pub slowest_command_ms: u64,
    pub slowest_read_ms: u64,
}

impl Noticed {
    /// Of the requests that ended from `from` to `to`, in milliseconds of the history.
    pub fn between(told: &Told, from: u64, to: u64) -> Self {
        let mut noticed = Self::default();
        let span = from..to;
        for attempt in told
            .attempts
            .iter()
            .filter(|attempt| span.contains(&attempt.ended_ms))
        {
            noticed.take(attempt);
        }
        let mut before = from;
        let mut acknowledged: Vec<u64> = told
            .operations
            .iter()
            .filter(|operation| {
                operation.is_ok() && operation.is_command() && span.contains(&operation.ended_ms)
            })
            .map(|operation| operation.ended_ms)
            .collect();
        acknowledged.sort_unstable();
        noticed.acknowledged = acknowledged.len();
        for at in acknowledged.into_iter().chain([to]) {
            noticed.longest_pause_ms = noticed.longest_pause_ms.max(at - before);
            before = at;
        }
        noticed
    }

    fn take(&mut self, attempt: &Attempt) {
        self.requests += 1;
        let took = attempt.ended_ms - attempt.began_ms;
        let is_read = matches!(attempt.kind, Kind::Read | Kind::ReadByGrpc | Kind::ForbiddenRead);
        let slowest = match is_read {
            true => &mut self.slowest_read_ms,
            false => &mut self.slowest_command_ms,
        };
        *slowest = took.max(*slowest);
        let what = || format!("{:?} at {} ms, after {took} ms", attempt.kind, attempt.ended_ms);
        match (attempt.status, &attempt.error) {
            (Some(status), _) if status >= 500 => {
                let problem = attempt.problem.as_deref().unwrap_or("no problem document");
                self.failed.push(format!("{status} {problem}: {}", what()));
            }
            (_, Some(error)) => self.unanswered.push(format!("{error}: {}", what())),
            _ => {}
        }
    }

    pub fn is_clean(&self) -> bool {
        self.failed.is_empty() && self.unanswered.is_empty()
    }

    /// Some of what should not have come.
    pub fn print_findings(&self) {
        for (name, found) in [("5xx", &self.failed), ("unanswered", &self.unanswered)] {
            for what in found.iter().take(SHOWN) {
                println!("{name}: {what}");
            }
            if found.len() > SHOWN {
                println!("{name}: and {} more", found.len() - SHOWN);
            }
        }
    }
}

impl fmt::Display for Noticed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests, {} commands acknowledged, {} 5xx, {} unanswered; longest pause between acknowledged commands {} ms, \
             slowest command {} ms, slowest read {} ms",
            self.requests,
            self.acknowledged,
            self.failed.len(),
            self.unanswered.len(),
            self.longest_pause_ms,
            self.slowest_command_ms,
            self.slowest_read_ms
        )
    }
}
