//! Fields of a request: all that are wrong are named at once.

use std::{fmt::Display, str::FromStr, time::Duration};

use depot_domain::VersionToken;
use depot_proto::v1;
use time::OffsetDateTime;
use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::call::Call;
use crate::{
    queries::PageLimit,
    visibility::{AtLeast, DEFAULT_WAIT, MAX_WAIT},
};

/// What an answer needs to get back to the caller before its deadline.
const WAY_BACK: Duration = Duration::from_millis(100);

/// Collects what is wrong.
#[derive(Debug, Default)]
pub struct Fields {
    faults: Vec<FieldViolation>,
}

impl Fields {
    pub fn fault(&mut self, field: &str, description: impl Into<String>) {
        self.faults.push(FieldViolation::new(field, description));
    }

    /// The value, or a fault with its error.
    pub fn take<T, E: Display>(&mut self, field: &str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.fault(field, error.to_string())).ok()
    }

    /// A text that is empty when it is not given.
    pub fn optional<T, E: Display>(
        &mut self,
        field: &str,
        text: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        if text.is_empty() {
            None
        } else {
            self.take(field, parse(text))
        }
    }

    pub fn id<T: FromStr<Err: Display>>(&mut self, field: &str, text: &str) -> Option<T> {
        self.take(field, text.parse())
    }

    /// `page_size`, 0 for the default.
    pub fn page_size(&mut self, size: i32) -> PageLimit {
        self.page_limit("page_size", size)
    }

    /// `limit`, 0 for the default.
    pub fn limit(&mut self, limit: i32) -> PageLimit {
        self.page_limit("limit", limit)
    }

    fn page_limit(&mut self, field: &str, limit: i32) -> PageLimit {
        if limit == 0 {
            return PageLimit::default();
        }
        self.take(field, PageLimit::parse(limit.into()))
            .unwrap_or_default()
    }

    pub fn time(&mut self, field: &str, time: Option<prost_types::Timestamp>) -> Option<OffsetDateTime> {
        let time = time?;
        let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        self.take(
            field,
            OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| "is no time of this calendar"),
        )
    }

    /// The version that the answer must not be older than, with the wait for it.
    pub fn at_least(&mut self, at_least: Option<v1::AtLeast>, call: &Call) -> Option<AtLeast> {
        let v1::AtLeast { min_version, wait } = at_least?;
        let wait = self.wait("at_least.wait", wait, call);
        let version = self.version("at_least.min_version", &min_version)?;
        Some(AtLeast { version, wait })
    }

    pub fn version(&mut self, field: &str, text: &str) -> Option<VersionToken> {
        self.optional(field, text, str::parse)
    }

    /// At most the longest wait, and never so long that the caller is gone when the answer comes.
    pub fn wait(&mut self, field: &str, wait: Option<prost_types::Duration>, call: &Call) -> Duration {
        let given =
            wait.and_then(|wait| self.take(field, Duration::try_from(wait).map_err(|_| "is negative")));
        let left = call.time_left().map(|left| left.saturating_sub(WAY_BACK));
        let wait = given.or(left).unwrap_or(DEFAULT_WAIT).min(MAX_WAIT);
        left.map_or(wait, |left| left.min(wait))
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with everything that was wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Status> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => {
                let names: Vec<_> = self.faults.iter().map(|fault| fault.field.as_str()).collect();
                let message = format!("these fields cannot be used: {}", names.join(", "));
                let details = ErrorDetails::with_bad_request(self.faults);
                Err(Status::with_error_details(
                    tonic::Code::InvalidArgument,
                    message,
                    details,
                ))
            }
        }
    }
}
