//! The one place where a question without an answer becomes a gRPC status.

use depot_grpc::status::{with_reason, with_retry};
use depot_service::{metrics::count_error, problem::chain, telemetry::request_span};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    change_feed::Subject,
    queries::{InvalidResumeToken, QueryError, WatchEnd},
    read::ReadError,
};

/// The status of a question without an answer.
pub fn of(error: QueryError) -> Status {
    let message = error.to_string();
    match error {
        QueryError::Forbidden(detail) => {
            with_reason(Code::PermissionDenied, "FORBIDDEN", detail.to_owned(), &[])
        }
        QueryError::NotFound(Subject::Item(_)) => with_reason(Code::NotFound, "ITEM_NOT_FOUND", message, &[]),
        QueryError::NotFound(Subject::Upload(_)) => {
            with_reason(Code::NotFound, "UPLOAD_NOT_FOUND", message, &[])
        }
        QueryError::NotFound(Subject::Declared(..)) => {
            with_reason(Code::NotFound, "AGGREGATE_NOT_FOUND", message, &[])
        }
        QueryError::ItemDeleted { version, .. } => with_reason(
            Code::NotFound,
            "ITEM_DELETED",
            message,
            &[("version", version.to_string())],
        ),
        QueryError::Behind { wanted, seen, .. } => {
            let mut metadata = vec![("min_version", wanted.to_string())];
            metadata.extend(seen.map(|seen| ("seen_version", seen.to_string())));
            with_retry(Code::Unavailable, "READ_MODEL_BEHIND", message, &metadata)
        }
        QueryError::TooManyWaiting => with_retry(Code::Unavailable, "OVERLOADED", message, &[]),
        QueryError::TooManyStreams => with_retry(Code::ResourceExhausted, "TOO_MANY_STREAMS", message, &[]),
        QueryError::Cursor(cause) => {
            let details = ErrorDetails::with_bad_request_violation("page_token", cause.to_string());
            Status::with_error_details(Code::InvalidArgument, message, details)
        }
        QueryError::ResumeToken(InvalidResumeToken::Malformed) => {
            let details = ErrorDetails::with_bad_request_violation("resume_token", message.clone());
            Status::with_error_details(Code::InvalidArgument, message, details)
        }
        QueryError::ResumeToken(InvalidResumeToken::OutOfRange) => {
            with_reason(Code::OutOfRange, "RESUME_TOKEN_OUT_OF_RANGE", message, &[])
        }
        QueryError::ResumeToken(InvalidResumeToken::TooOld) => {
            with_reason(Code::OutOfRange, "RESUME_TOKEN_TOO_OLD", message, &[])
        }
        QueryError::NotStored { status, .. } => with_reason(
            Code::FailedPrecondition,
            "UPLOAD_NOT_STORED",
            message,
            &[("upload_status", status)],
        ),
        QueryError::NoThumbnail { .. } => with_reason(Code::NotFound, "THUMBNAIL_NOT_FOUND", message, &[]),
        QueryError::Read(cause) => match cause.as_ref() {
            ReadError::Representation { .. } => internal(cause.as_ref()),
            ReadError::Crowded { .. } => with_retry(Code::Unavailable, "OVERLOADED", cause.to_string(), &[]),
            ReadError::Away { .. } => database_unavailable(),
            ReadError::Database { .. } | ReadError::Timeout { .. } => {
                request_span().in_scope(|| {
                    tracing::warn!(error = chain(cause.as_ref()), "the database does not answer");
                });
                database_unavailable()
            }
        },
        QueryError::Download(cause) => internal(cause.as_ref()),
    }
}

/// Why a stream ended.
pub fn of_end(end: WatchEnd) -> Status {
    match end {
        WatchEnd::Stopping => {
            let message = "this process is stopping; resume at another".to_owned();
            with_retry(Code::Unavailable, "STOPPING", message, &[])
        }
        WatchEnd::SlowReader => {
            let message =
                "messages waited too long for their reader; resume from the last token received".to_owned();
            with_reason(Code::ResourceExhausted, "SLOW_READER", message, &[])
        }
        WatchEnd::TokenExpired => {
            let message =
                "the token has expired; resume with another from the last resume token received".to_owned();
            with_reason(Code::Unauthenticated, "TOKEN_EXPIRED", message, &[])
        }
        WatchEnd::Failed(error) => of(error),
    }
}

fn database_unavailable() -> Status {
    count_error("grpc", "unavailable");
    let message = "The database does not answer at the moment.".to_owned();
    with_retry(Code::Unavailable, "DATABASE_UNAVAILABLE", message, &[])
}

/// The cause is logged, and nothing of it told.
pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Status {
    request_span().in_scope(|| tracing::error!(error = chain(cause), "call failed"));
    count_error("grpc", "internal");
    with_reason(
        Code::Internal,
        "INTERNAL",
        "Something went wrong on our side.".to_owned(),
        &[],
    )
}
