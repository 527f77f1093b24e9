use std::{io, process::ExitCode};

use depot_service::problem::chain;
use reqwest::StatusCode;
use serde_json::{Map, Value};

use crate::{
    output::{self, NOT_DONE},
    rest::RestError,
};

const NOT_SO: u8 = 3;
const REFUSED: u8 = 4;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ItemError {
    #[error(transparent)]
    Rest(#[from] RestError),
    #[error("{file}: cannot be read")]
    File {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("{file}: is no JSON object")]
    NoObject {
        file: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("standard output")]
    Output(#[source] io::Error),
}

impl ItemError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Rest(RestError::Refused { problem, .. }) => match problem.status {
                status if status.is_server_error() => NOT_DONE,
                StatusCode::NOT_FOUND
                | StatusCode::CONFLICT
                | StatusCode::GONE
                | StatusCode::PRECONDITION_FAILED => NOT_SO,
                _ => REFUSED,
            },
            Self::Rest(RestError::Settings(_)) | Self::File { .. } | Self::NoObject { .. } => REFUSED,
            Self::Rest(_) | Self::Output(_) => NOT_DONE,
        }
    }

    /// Whether it may have been done all the same: the answer is what is missing.
    fn is_unknown(&self) -> bool {
        matches!(
            self,
            Self::Rest(RestError::Away { .. } | RestError::Busy { .. } | RestError::Answer { .. })
        )
    }
}

/// Says why nothing was shown, and ends.
pub fn fail(is_json: bool, error: &ItemError) -> ExitCode {
    output::fail(is_json, &chain(error), error.exit_code())
}

/// Says why something was not written, and by which key it may be asked for again without being done twice.
pub fn fail_to_write(is_json: bool, error: &ItemError, key: &str) -> ExitCode {
    let member = Map::from_iter([("idempotency_key".to_owned(), Value::from(key))]);
    let ended = output::fail_with(is_json, &chain(error), error.exit_code(), member);
    if !is_json && error.is_unknown() {
        eprintln!("whether it was done is not known: the same command with --key {key} does it once");
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::Problem;

    #[test]
    fn outcomes_are_told_apart_by_their_codes() {
        let refused = |status| {
            let status = StatusCode::from_u16(status).unwrap();
            let problem = Box::new(Problem::read(status, b""));
            ItemError::from(RestError::Refused { doing: "x", problem }).exit_code()
        };
        assert_eq!([404, 409, 410, 412].map(refused), [3; 4]);
        assert_eq!([400, 401, 403, 422, 428].map(refused), [4; 5]);
        assert_eq!(refused(503), 1);
    }
}
