//! From a request to what its client knows in the end, with every attempt on record.

use std::time::Duration;

use anyhow::Result;
use reqwest::RequestBuilder;

use crate::{
    client::{Answer, Client},
    history::{Attempt, History, Operation, Outcome},
};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

impl History {
    /// Repeats a command until it is answered for good, `attempts` times at most; answers what came where it went well.
    pub async fn carry_out(
        &self,
        operation: &mut Operation,
        attempts: u32,
        request: impl Fn() -> RequestBuilder,
    ) -> Option<Answer> {
        for attempt in 1..=attempts {
            if attempt > 1 {
                tokio::time::sleep(PAUSE).await;
            }
            operation.attempts += 1;
            let Some(answer) = self.try_once(operation, request()).await else {
                continue;
            };
            if answer.status.is_success() {
                operation.outcome = Outcome::Ok;
                operation.version = answer.version();
                return Some(answer);
            }
            operation.outcome = Outcome::Failed {
                status: answer.status.as_u16(),
                problem: answer.text("type"),
            };
            return None;
        }
        None
    }

    /// The same once more, as a client does that lost the answer. What comes has to be what came before.
    pub async fn ask_again(&self, operation: &mut Operation, request: impl Fn() -> RequestBuilder) {
        for _ in 0..3 {
            operation.attempts += 1;
            if self.try_once(operation, request()).await.is_some() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One attempt; answers what is an answer for good.
    async fn try_once(&self, operation: &Operation, request: RequestBuilder) -> Option<Answer> {
        let answer = self.attempt(operation, request).await;
        answer.ok().filter(Answer::is_final)
    }

    /// One request, and what came back, on record.
    pub async fn attempt(&self, operation: &Operation, request: RequestBuilder) -> Result<Answer> {
        let mut attempt = Attempt::of(operation, self.now_ms());
        let answer = Client::send(request).await;
        attempt.answered(&answer);
        self.record_attempt(attempt);
        answer
    }
}
