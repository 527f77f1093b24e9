//! One row on its way to become an item.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{error::LoadError, failed::Failure, key::LoadId, rows::Row};
use crate::rest::{Patience, Problem, Rest, RestError, Server, path};

/// What sending takes.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    pub rest: &'a Rest,
    pub patience: &'a Patience,
    pub load_id: &'a LoadId,
}

/// A row with nothing more to be done.
#[derive(Debug)]
pub struct Settled {
    pub row: u64,
    /// Where the input goes on behind it, in bytes.
    pub end: u64,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    Item {
        /// It was made by an earlier attempt, the answer to which was lost.
        was_there: bool,
    },
    Failed(Box<Failure>),
}

impl Sending<'_> {
    /// Sends a row until there is an answer that counts, always under the same key. Safe to drop at any await: sent again, it is the
    /// same item.
    ///
    /// # Errors
    /// What is no fault of the row: nobody answers, or the token is not taken.
    pub async fn settle(self, row: Row) -> Result<Settled, LoadError> {
        let outcome = match &row.fault {
            Some(fault) => Outcome::Failed(Box::new(Failure {
                row: row.number,
                status: None,
                problem: fault.problem.to_owned(),
                detail: fault.detail.clone(),
                errors: Vec::new(),
                input: input(&row.text),
            })),
            None => self.send(&row).await?,
        };
        Ok(Settled {
            row: row.number,
            end: row.end,
            outcome,
        })
    }

    async fn send(self, row: &Row) -> Result<Outcome, LoadError> {
        let (path, key) = (path(&["items"], &[]), self.load_id.key(row.number));
        let once = || {
            let request = self
                .rest
                .request(Server::CommandApi, Method::POST, &path)
                .header("Idempotency-Key", &key)
                .header("Content-Type", "application/json")
                .body(row.text.clone());
            self.rest.send("create an item", Server::CommandApi, request)
        };
        match self.patience.repeat(once).await {
            Ok(answer) => Ok(Outcome::Item {
                was_there: answer.is_replayed,
            }),
            Err(RestError::Refused { problem, .. }) if is_of_row(&problem) => {
                Ok(Outcome::Failed(Box::new(Failure {
                    row: row.number,
                    status: Some(problem.status.as_u16()),
                    problem: problem.kind,
                    detail: problem.detail,
                    errors: problem.errors,
                    input: input(&row.text),
                })))
            }
            Err(source) => Err(LoadError::Row {
                number: row.number,
                source,
            }),
        }
    }
}

/// A refusal that says something of the row. One of the token holds for all rows, and one without a type comes from another server.
fn is_of_row(problem: &Problem) -> bool {
    let of_token = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&problem.status);
    problem.status.is_client_error() && !of_token && !problem.kind.is_empty() && problem.kind != "not-found"
}

fn input(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_of_the_row_stops_the_load() {
        let of_row = |status: u16, kind: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            let body = format!(r#"{{"type": "{kind}"}}"#);
            is_of_row(&Problem::read(status, body.as_bytes()))
        };
        assert!(of_row(422, "/problems/validation-failed"));
        assert!(of_row(413, "/problems/payload-too-large"));
        for (status, kind) in [
            (401, "/problems/unauthorized"),
            (403, "/problems/forbidden"),
            (404, "/problems/not-found"),
            (405, ""),
            (307, ""),
        ] {
            assert!(!of_row(status, kind), "{status} {kind}");
        }
    }

    #[test]
    fn a_row_is_listed_as_what_it_is() {
        assert_eq!(input("{\"name\":\"\"}"), serde_json::json!({"name": ""}));
        assert_eq!(input("nonsense"), Value::from("nonsense"));
    }
}
