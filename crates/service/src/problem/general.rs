//! Constructors of the general problems.

use std::error::Error;

use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue};

use super::{FieldFault, Problem, types};
use crate::telemetry::request_span;

impl Problem {
    /// 400: the body is no JSON; `detail` names line and column.
    pub fn malformed_json(detail: impl Into<String>) -> Self {
        Self::of(&types::MALFORMED_JSON).with_detail(detail)
    }

    /// 422: every invalid field of the body at once.
    pub fn validation_failed(errors: impl IntoIterator<Item = FieldFault>) -> Self {
        let problem = Self::of(&types::VALIDATION_FAILED).with_errors(errors);
        let count = problem.errors.len();
        problem.with_detail(match count {
            1 => "1 field is invalid; see errors.".to_owned(),
            _ => format!("{count} fields are invalid; see errors."),
        })
    }

    /// 400: a path or query parameter.
    pub fn invalid_parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::of(&types::INVALID_PARAMETER)
            .with_detail(format!("{name}: {detail}"))
            .with_errors([FieldFault::new(name, detail)])
    }

    /// 400: a header that is missing or cannot be used.
    pub fn invalid_header(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::of(&types::INVALID_HEADER)
            .with_detail(format!("{name}: {detail}"))
            .with_errors([FieldFault::new(name, detail)])
    }

    /// 415: names what is taken, in `detail` and in the header `accept` (`Accept`, or `Accept-Patch` for PATCH).
    pub fn unsupported_media_type(
        detail: impl Into<String>,
        accept: HeaderName,
        taken: &'static str,
    ) -> Self {
        Self::of(&types::UNSUPPORTED_MEDIA_TYPE)
            .with_detail(detail)
            .with_header(accept, HeaderValue::from_static(taken))
    }

    /// 401 with the challenge of RFC 6750; `error_code` is `None` when no token was sent.
    pub fn unauthorized(detail: &str, error_code: Option<&str>) -> Self {
        let challenge = match error_code {
            None => r#"Bearer realm="depot""#.to_owned(),
            Some(code) => format!(r#"Bearer realm="depot", error="{code}", error_description="{detail}""#),
        };
        let problem = Self::of(&types::UNAUTHORIZED).with_detail(detail);
        match HeaderValue::from_str(&challenge) {
            Ok(challenge) => problem.with_header(WWW_AUTHENTICATE, challenge),
            Err(_) => problem,
        }
    }

    /// 403: the token is valid and does not allow this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::of(&types::FORBIDDEN).with_detail(detail).with_header(
            WWW_AUTHENTICATE,
            HeaderValue::from_static(r#"Bearer realm="depot", error="insufficient_scope""#),
        )
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::of(&types::NOT_FOUND).with_detail(detail)
    }

    /// 405 with the methods that are there.
    pub fn method_not_allowed(allowed: &'static str) -> Self {
        Self::of(&types::METHOD_NOT_ALLOWED)
            .with_detail(format!("Allowed here: {allowed}."))
            .with_header(ALLOW, HeaderValue::from_static(allowed))
    }

    /// 413.
    #[must_use]
    pub fn payload_too_large(limit_bytes: usize) -> Self {
        Self::of(&types::PAYLOAD_TOO_LARGE)
            .with_detail(format!("The body may have at most {limit_bytes} bytes."))
            .with_extension("limit_bytes", limit_bytes)
    }

    /// 429: the caller sends more than `limit` requests a second, and may go on after `seconds`.
    #[must_use]
    pub fn too_many_requests(detail: &str, limit: u32, seconds: u64) -> Self {
        let own = HeaderName::from_static;
        Self::of(&types::TOO_MANY_REQUESTS)
            .with_detail(detail)
            .with_retry_after(seconds)
            .with_header(own("ratelimit-limit"), HeaderValue::from(limit))
            .with_header(own("ratelimit-remaining"), HeaderValue::from(0))
            .with_header(own("ratelimit-reset"), HeaderValue::from(seconds))
    }

    /// 503: as many requests in progress as the service takes.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::of(&types::OVERLOADED).with_retry_after(1)
    }

    /// 503: no answer in time.
    #[must_use]
    pub fn timeout() -> Self {
        Self::of(&types::TIMEOUT).with_retry_after(1)
    }

    /// 503: a backing service does not answer. Logs `cause`; the client sees only `service` ("the database").
    pub fn unavailable(service: &str, cause: &(dyn Error + 'static)) -> Self {
        request_span().in_scope(|| {
            tracing::warn!(
                error = chain(cause),
                dependency = service,
                "a backing service does not answer"
            );
        });
        Self::known_unavailable(service)
    }

    /// 503: a backing service is known to be away, which was logged when it was found out.
    #[must_use]
    pub fn known_unavailable(service: &str) -> Self {
        Self::of(&types::UNAVAILABLE)
            .with_detail(format!("{service} does not answer at the moment."))
            .with_retry_after(1)
    }

    /// 500: logs `cause` with its chain, once; the client sees nothing of it.
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        request_span().in_scope(|| tracing::error!(error = chain(cause), "request failed"));
        Self::of(&types::INTERNAL)
    }
}

/// An error and its sources, one text. Errors of this project never print their source themselves.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
