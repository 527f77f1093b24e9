//! The one place where a question without an answer becomes a problem document.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use depot_domain::DECLARED;
use depot_service::problem::{Problem, ProblemType, types};
use http::header::ETAG;

use super::etag;
use crate::{
    change_feed::Subject,
    queries::{InvalidResumeToken, QueryError, describe},
    read::ReadError,
};

pub const ITEM_NOT_FOUND: ProblemType = ProblemType {
    name: "item-not-found",
    status: 404,
    title: "There is no such item",
    description: "No item has this id, or its creation has not reached the view yet: name the version that the \
                  command answered in `min_version` to wait for it.",
};
pub const ITEM_DELETED: ProblemType = ProblemType {
    name: "item-deleted",
    status: 410,
    title: "The item was deleted",
    description: "The item is gone for good; `version` and the ETag are those of its deletion. Its history can \
                  still be read.",
};
pub const UPLOAD_NOT_FOUND: ProblemType = ProblemType {
    name: "upload-not-found",
    status: 404,
    title: "There is no such upload",
    description: "No upload has this id, or it has not reached the view yet: name its version in `min_version` to \
                  wait for it.",
};
pub const UPLOAD_NOT_STORED: ProblemType = ProblemType {
    name: "upload-not-stored",
    status: 409,
    title: "The upload has no file to fetch",
    description: "Only a stored upload has one; `upload_status` says where this one stands. While it is `received` \
                  the file is being verified: try again shortly.",
};
pub const THUMBNAIL_NOT_FOUND: ProblemType = ProblemType {
    name: "thumbnail-not-found",
    status: 404,
    title: "The upload has no thumbnail",
    description: "PNG, JPEG and WebP files have one, unless they are too large or cannot be decoded. The upload's \
                  representation has `thumbnail` where there is one.",
};
pub const READ_MODEL_BEHIND: ProblemType = ProblemType {
    name: "read-model-behind",
    status: 503,
    title: "The view has not reached that version yet",
    description: "The command took effect; the view follows. Repeat after `Retry-After`, or wait longer with \
                  `Prefer: wait=SECONDS`. `seen_version` is what the view has, absent if it has nothing yet.",
};
pub const EXPORT_INTERRUPTED: ProblemType = ProblemType {
    name: "export-interrupted",
    status: 503,
    title: "The export ended before all items were in it",
    description: "The service stopped, or the client read nothing for longer than is waited for; `detail` says which. \
                  Go on with `after`, as the last line that has one says.",
};
pub const INVALID_CURSOR: ProblemType = ProblemType {
    name: "invalid-cursor",
    status: 400,
    title: "The cursor cannot be used",
    description: "A cursor is taken unchanged from `next_cursor` or the `Link` header, and used with the filter and \
                  sort that it was given out for. Start again without it.",
};
pub const EVENT_ID_TOO_OLD: ProblemType = ProblemType {
    name: "event-id-too-old",
    status: 410,
    title: "The changes behind that event are no longer kept",
    description: "The history is kept for so long, and changes between that event and now are gone. Read what was missed \
                  from the lists, and open the stream without `Last-Event-ID`.",
};
pub const EVENT_ID_OUT_OF_RANGE: ProblemType = ProblemType {
    name: "event-id-out-of-range",
    status: 410,
    title: "The views never had that event",
    description: "The id names a place in another log than the one that the views are built from, or one that they have \
                  not reached. Read what was missed from the lists, and open the stream without `Last-Event-ID`.",
};

/// The kinds of problem of this API besides the general ones.
pub const ALL: &[ProblemType] = &[
    ITEM_NOT_FOUND,
    ITEM_DELETED,
    UPLOAD_NOT_FOUND,
    UPLOAD_NOT_STORED,
    THUMBNAIL_NOT_FOUND,
    READ_MODEL_BEHIND,
    EXPORT_INTERRUPTED,
    INVALID_CURSOR,
    EVENT_ID_TOO_OLD,
    EVENT_ID_OUT_OF_RANGE,
];

pub const AGGREGATE_NOT_FOUND: ProblemType = ProblemType {
    name: "aggregate-not-found",
    status: 404,
    title: "There is no such thing",
    description: "No aggregate of this kind has this id, or it has not reached the view yet: name the version that the \
                  command answered in `min_version` to wait for it. `detail` names both.",
};

/// All that this installation answers: those of declared aggregates too, where there are any.
pub fn documented() -> &'static [ProblemType] {
    static WITH_DECLARED: LazyLock<Vec<ProblemType>> =
        LazyLock::new(|| [ALL, &[AGGREGATE_NOT_FOUND]].concat());
    if DECLARED.is_empty() { ALL } else { &WITH_DECLARED }
}

/// Seconds after which a repeat is worth it.
const RETRY_AFTER: u64 = 1;

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let detail = error.to_string();
        match error {
            QueryError::Forbidden(detail) => Self::forbidden(detail),
            QueryError::NotFound(Subject::Item(_)) => Self::of(&ITEM_NOT_FOUND).with_detail(detail),
            QueryError::NotFound(Subject::Declared(..)) => Self::of(&AGGREGATE_NOT_FOUND).with_detail(detail),
            QueryError::NotFound(Subject::Upload(_)) => Self::of(&UPLOAD_NOT_FOUND).with_detail(detail),
            QueryError::ItemDeleted {
                version, projection, ..
            } => {
                let problem = Self::of(&ITEM_DELETED)
                    .with_detail(detail)
                    .with_extension("version", version.version);
                match etag::value(&version.view_etag(projection)) {
                    Some(tag) => problem.with_header(ETAG, tag),
                    None => problem,
                }
            }
            QueryError::Behind {
                subject,
                wanted,
                seen,
            } => {
                let has = seen.map_or("nothing yet".to_owned(), |seen| format!("version {seen}"));
                let detail = format!(
                    "Version {wanted} of {} was asked for; the view has {has}.",
                    describe(subject)
                );
                let problem = Self::of(&READ_MODEL_BEHIND)
                    .with_detail(detail)
                    .with_extension("min_version", wanted.to_string())
                    .with_retry_after(RETRY_AFTER);
                match seen {
                    Some(seen) => problem.with_extension("seen_version", seen.to_string()),
                    None => problem,
                }
            }
            QueryError::TooManyWaiting | QueryError::TooManyStreams => Self::of(&types::OVERLOADED)
                .with_detail(detail)
                .with_retry_after(RETRY_AFTER),
            QueryError::Cursor(_) => Self::of(&INVALID_CURSOR).with_detail(detail),
            // The stream alone goes on from one, and calls it by the name that it has there.
            QueryError::ResumeToken(error) => match error {
                InvalidResumeToken::Malformed => Self::invalid_parameter("last_event_id", error.to_string()),
                InvalidResumeToken::OutOfRange => {
                    Self::of(&EVENT_ID_OUT_OF_RANGE).with_detail(format!("The event id {error}."))
                }
                InvalidResumeToken::TooOld => {
                    Self::of(&EVENT_ID_TOO_OLD).with_detail(format!("The event id {error}."))
                }
            },
            QueryError::NotStored { status, .. } => Self::of(&UPLOAD_NOT_STORED)
                .with_detail(detail)
                .with_extension("upload_status", status),
            QueryError::NoThumbnail { .. } => Self::of(&THUMBNAIL_NOT_FOUND).with_detail(detail),
            QueryError::Read(cause) => match cause.as_ref() {
                ReadError::Representation { .. } => Self::internal(cause.as_ref()),
                ReadError::Crowded { .. } => Self::of(&types::OVERLOADED)
                    .with_detail(cause.to_string())
                    .with_retry_after(RETRY_AFTER),
                ReadError::Away { .. } => Self::known_unavailable("the database"),
                ReadError::Database { .. } | ReadError::Timeout { .. } => {
                    Self::unavailable("the database", cause.as_ref())
                }
            },
            QueryError::Download(cause) => Self::internal(cause.as_ref()),
        }
    }
}

impl IntoResponse for QueryError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
