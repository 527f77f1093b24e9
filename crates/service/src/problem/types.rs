//! The kinds of problem that every service may answer.

use super::ProblemType;

macro_rules! problem_types {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $status:literal, $title:literal, $description:literal;)*) => {
        $(
            $(#[$doc])*
            pub const $constant: ProblemType = ProblemType {
                name: $name, status: $status, title: $title, description: $description,
            };
        )*
        /// All of them, for the documentation.
        pub const GENERAL: &[ProblemType] = &[$($constant),*];
    };
}

problem_types! {
    /// 400 without a more exact type.
    BAD_REQUEST = "bad-request", 400, "The request cannot be understood",
        "The request is not well-formed; `detail` says in what way. Repeating it unchanged gives the same answer.";
    /// 400: the body is no JSON.
    MALFORMED_JSON = "malformed-json", 400, "The body is not valid JSON",
        "The body is not JSON in UTF-8; `detail` names line and column of the first fault.";
    /// 400: a path or query parameter.
    INVALID_PARAMETER = "invalid-parameter", 400, "A parameter of the URL is invalid",
        "A path or query parameter cannot be used; `errors` names it and says why.";
    /// 400: a header.
    INVALID_HEADER = "invalid-header", 400, "A header is invalid",
        "A request header is missing or cannot be used; `errors` names it and says why.";
    /// 401.
    UNAUTHORIZED = "unauthorized", 401, "A valid bearer token is needed",
        "No bearer token was sent, or it is malformed, expired, not valid yet, or not signed for this service. \
         Send `Authorization: Bearer <token>` with a fresh token.";
    /// 403.
    FORBIDDEN = "forbidden", 403, "The token does not allow this",
        "The token is valid, but its roles or its subject do not allow this request.";
    /// 404.
    NOT_FOUND = "not-found", 404, "There is nothing here",
        "No resource has this URL, or none that the token may see.";
    /// 405.
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "The method is not allowed here",
        "The resource has other methods; the header `Allow` lists them.";
    /// 406.
    NOT_ACCEPTABLE = "not-acceptable", 406, "No acceptable representation",
        "The resource cannot be answered in a media type that `Accept` allows.";
    /// 413.
    PAYLOAD_TOO_LARGE = "payload-too-large", 413, "The body is too large",
        "The body is larger than this route takes. Files are uploaded to the object store, not to this API.";
    /// 415.
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", 415, "The media type is not supported",
        "The body's Content-Type or Content-Encoding is missing or not one that this route takes; `detail` names it.";
    /// 422: fields of the body.
    VALIDATION_FAILED = "validation-failed", 422, "Fields of the body are invalid",
        "The body is JSON, but fields are missing, unknown, of the wrong type or outside their limits; `errors` lists \
         all that were found. Nothing was written.";
    /// 429.
    TOO_MANY_REQUESTS = "too-many-requests", 429, "Too many requests",
        "The caller's allowance is used up; wait for the seconds in `Retry-After`.";
    /// 500.
    INTERNAL = "internal", 500, "Something went wrong on our side",
        "An unexpected fault; it has been logged under `trace_id`. A write with an Idempotency-Key can be repeated \
         safely.";
    /// 503: a backing service.
    UNAVAILABLE = "unavailable", 503, "A backing service is not available",
        "A database, cache or store does not answer at the moment. Repeat after `Retry-After`, writes with the same \
         Idempotency-Key.";
    /// 503: load shed.
    OVERLOADED = "overloaded", 503, "Too many requests in progress",
        "The service has as many requests in progress as it takes; nothing was done. Repeat after `Retry-After`.";
    /// 503: out of time.
    TIMEOUT = "timeout", 503, "The request took too long",
        "No answer was ready in time. It is not known whether a write took effect: repeat it with the same \
         Idempotency-Key.";
}
