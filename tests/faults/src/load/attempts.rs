//! From a request to what its client knows in the end, with every attempt on record.

use std::time::Duration;

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
        let mut attempt = Attempt {
            request: operation.request,
            kind: operation.kind,
            key: operation.key.clone(),
            attempt: operation.attempts,
            began_ms: self.now_ms(),
            ended_ms: 0,
            status: None,
            error: None,
            is_final: false,
            id: None,
            version: None,
        };
        let answer = Client::send(request).await;
        match &answer {
            Ok(answer) => {
                attempt.status = Some(answer.status.as_u16());
                attempt.is_final = answer.is_final();
                attempt.id = Some(answer.text("id")).filter(|id| !id.is_empty());
                attempt.version = answer.version();
            }
            Err(error) => attempt.error = Some(format!("{error:#}")),
        }
        self.record_attempt(attempt);
        answer.ok().filter(Answer::is_final)
    }
}
