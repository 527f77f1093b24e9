use std::io;

use depot_service::config::ConfigErrors;
use tonic::{Code, Status, metadata::errors::InvalidMetadataValue};

const TRY_AGAIN: u8 = 1;
const NOT_SO: u8 = 3;
const REFUSED: u8 = 4;

/// Why there is nothing more to be seen.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(transparent)]
    Settings(#[from] ConfigErrors),
    #[error("GRPC_PUBLIC_URL is no address that can be called: {url}")]
    Address {
        url: String,
        #[source]
        source: tonic::transport::Error,
    },
    #[error(
        "{0}: gRPC over TLS is not built into the tool; give the address in GRPC_PUBLIC_URL at which query-api serves it without"
    )]
    Tls(String),
    #[error("DEPOT_TOKEN is no token")]
    Token(#[source] InvalidMetadataValue),
    #[error(
        "query-api does not answer at {url}: check GRPC_PUBLIC_URL, and that it is running: {}",
        said(status)
    )]
    Away { url: String, status: Status },
    #[error("{}", said(.0))]
    Refused(Status),
    #[error("standard output")]
    Output(#[source] io::Error),
}

impl WatchError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Away { .. } | Self::Output(_) => TRY_AGAIN,
            Self::Refused(status) if status.code() == Code::OutOfRange => NOT_SO,
            Self::Refused(_) | Self::Settings(_) | Self::Address { .. } | Self::Tls(_) | Self::Token(_) => {
                REFUSED
            }
        }
    }
}

/// A status without what only programs read of it.
pub fn said(status: &Status) -> String {
    match status.message() {
        "" => format!("{:?}", status.code()),
        message => format!("{:?}: {message}", status.code()),
    }
}

/// Whether another call may go on. What the transport says of a connection that was cut has several codes.
pub fn may_pass(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::ResourceExhausted
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::Internal
        | Code::Unknown => true,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_told_apart_by_their_codes() {
        let refused = |code| WatchError::Refused(Status::new(code, "x")).exit_code();
        assert_eq!(refused(Code::OutOfRange), NOT_SO);
        assert_eq!(refused(Code::Unauthenticated), REFUSED);
        let away = WatchError::Away {
            url: "http://x".to_owned(),
            status: Status::unavailable("stopping"),
        };
        assert_eq!(away.exit_code(), TRY_AGAIN);
        assert!(away.to_string().ends_with("Unavailable: stopping"), "{away}");
    }
}
