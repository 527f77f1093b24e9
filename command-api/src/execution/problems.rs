//! The kinds of problem that only this API answers; the general ones are in `depot_service::problem::types`.

use std::sync::LazyLock;

use depot_domain::DECLARED;
use depot_service::problem::ProblemType;

macro_rules! problem_types {
    ($(#[$doc:meta])* $list:ident: $($constant:ident = $name:literal, $status:literal, $title:literal, $description:literal;)*) => {
        $(pub const $constant: ProblemType = ProblemType {
            name: $name, status: $status, title: $title, description: $description,
        };)*
        $(#[$doc])*
        pub const $list: &[ProblemType] = &[$($constant),*];
    };
}

problem_types! {
    /// All but those of declared aggregates, for the documentation.
    ALL:
    ITEM_NOT_FOUND = "item-not-found", 404, "There is no such item",
        "No item has ever had this id.";
    ITEM_DELETED = "item-deleted", 410, "The item is deleted",
        "The item was deleted; `version` is its last. Its id is never used again.";
    TOO_MANY_FILES = "too-many-files", 409, "The item has as many files as it can have",
        "No more files can be attached to this item; `limit` says how many it may have.";
    UPLOAD_NOT_FOUND = "upload-not-found", 404, "There is no such upload",
        "No upload has ever had this id.";
    UPLOAD_ENDED = "upload-ended", 409, "The upload has ended",
        "The upload was stored, rejected, expired, aborted or removed; `upload_status` says which. Request a new one.";
    UPLOAD_TAKES_NO_BYTES = "upload-takes-no-bytes", 409, "The upload takes no more bytes",
        "The upload was completed, or has ended; `upload_status` says which. What was sent is being verified and stored, \
         or is gone.";
    UPLOAD_TIME_OVER = "upload-time-over", 409, "The time for sending the bytes is over",
        "The bytes were to be sent until `expired_at`. What arrived by then may still be completed for a short while; \
         otherwise request a new upload.";
    UPLOAD_NOT_IN_PARTS = "upload-not-in-parts", 409, "The upload is not sent in parts",
        "Only a large file is sent in parts: its announcement answers `multipart` as the method, with the size and number \
         of the parts. Another is sent whole, to the URL of its announcement or through this API.";
    CONTENT_LENGTH_REQUIRED = "content-length-required", 411, "Content-Length is required",
        "The content is taken as a stream whose length has to be known before: send `Content-Length`, without a \
         `Transfer-Encoding`.";
    CONTENT_NOT_AS_ANNOUNCED = "content-not-as-announced", 422, "The content is not what was announced",
        "Size, type or SHA-256 differ from those that the upload was requested with; `member`, `announced` and `found` \
         tell. Nothing was kept, and the right content may still be sent.";
    CONTENT_INCOMPLETE = "content-incomplete", 408, "The content did not arrive in time",
        "The body broke off, fell silent, or was slower than can be waited for. Nothing was kept; send it again.";
    QUOTA_EXCEEDED = "quota-exceeded", 409, "The file does not fit into the quota",
        "The owner's files and open uploads leave less than this upload needs; the figures are in `requested_bytes`, \
         `available_bytes`, `limit_bytes`, `used_bytes` and `reserved_bytes`. Delete files, wait for open uploads to \
         end, or ask for a higher limit.";
    PRECONDITION_FAILED = "precondition-failed", 412, "The version is another one",
        "The resource has a version that `If-Match` does not name; `ETag` and `version` carry the current one. Read it \
         and decide again.";
    PRECONDITION_REQUIRED = "precondition-required", 428, "If-Match is required",
        "The request changes something that others may change too: send `If-Match` with the ETag that you read, or `*`.";
    IDEMPOTENCY_KEY_MISSING = "idempotency-key-missing", 400, "Idempotency-Key is required",
        "A POST that creates needs the header `Idempotency-Key`, so that it can be repeated safely: any text of 1 to 255 \
         characters that is new for each intent, such as a UUID.";
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused", 422, "The Idempotency-Key was used for another request",
        "This key was sent before with another method, path, If-Match or body. Use a new key for a new request.";
    LINE_TOO_LONG = "line-too-long", 413, "A line is too long",
        "A line of an import has more than `limit_bytes` bytes; `line` is its number. It ends the import: the lines before \
         it have their outcomes. Shorten it, and send all lines again under the same key.";
    IMPORT_INCOMPLETE = "import-incomplete", 408, "The lines did not arrive whole",
        "The body broke off, or the client sent or read nothing for longer than is waited for; `detail` says which. The \
         lines above have their outcomes. Send all lines again, under the same key: it creates nothing twice.";
    IMPORT_STOPPED = "import-stopped", 503, "The service stopped before the end of the lines",
        "The lines above have their outcomes. Send all lines again, under the same key: it creates nothing twice.";
    REQUEST_IN_PROGRESS = "request-in-progress", 409, "The first request with this key is still under way",
        "A request with the same Idempotency-Key has not ended yet. Repeat after `Retry-After` to get its answer.";
    AGGREGATE_NOT_PARKED = "aggregate-not-parked", 404, "The aggregate is not parked",
        "Kafka has refused no event of this aggregate, or it was resumed and went on.";
    DEAD_LETTER_NOT_FOUND = "dead-letter-not-found", 404, "There is no such dead letter",
        "No group is known to have given up this message, or its letter is no longer in its topic.";
    DEAD_LETTER_NOT_OPEN = "dead-letter-not-open", 409, "The dead letter is not open",
        "It is being redriven, was redriven, or was discarded; `state` says which. If it fails again it is open again.";
    NO_RETRY_TOPIC = "no-retry-topic", 409, "The group that failed has no retry topic",
        "Dead letters are brought back only to a retry topic of the group that failed, and this group has none: the \
         source topic would reach every group. The letter can be read and discarded.";
    SAGA_NOT_FOUND = "saga-not-found", 404, "There is no such saga",
        "No saga of this name has begun for this id.";
    SAGA_NOT_STUCK = "saga-not-stuck", 409, "The saga is not stuck",
        "Only a saga that has asked as often as is declared is resumed. This one goes on by itself, or has ended; read it \
         to see where it stands.";
    BUSY = "busy", 503, "Too many requests want the same thing",
        "Others were changing the same resource for too long; nothing was done. Repeat after `Retry-After`.";
}

problem_types! {
    /// Those of declared aggregates.
    OF_DECLARED:
    AGGREGATE_NOT_FOUND = "aggregate-not-found", 404, "There is no such thing",
        "No aggregate of this kind has ever had this id; `detail` names both.";
    NOT_NOW = "not-now", 409, "Its state does not allow it",
        "What the command asks for cannot be done to it as it is; `detail` says why, and `version` is its version.";
}

/// All that this installation answers.
pub fn documented() -> &'static [ProblemType] {
    static WITH_DECLARED: LazyLock<Vec<ProblemType>> = LazyLock::new(|| [ALL, OF_DECLARED].concat());
    if DECLARED.is_empty() { ALL } else { &WITH_DECLARED }
}
