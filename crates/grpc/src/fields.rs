//! Fields of a request: all that are wrong are named at once.

use std::{fmt::Display, str::FromStr};

use time::OffsetDateTime;
use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// Collects what is wrong.
#[derive(Debug, Default)]
pub struct Fields {
    faults: Vec<FieldViolation>,
}

impl Fields {
    /// Something is wrong with `field`, a path such as `item.tags[0]`.
    pub fn fault(&mut self, field: impl Into<String>, description: impl Into<String>) {
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

    /// An id.
    pub fn id<T: FromStr<Err: Display>>(&mut self, field: &str, text: &str) -> Option<T> {
        self.take(field, text.parse())
    }

    /// A time, if one is given.
    pub fn time(&mut self, field: &str, time: Option<prost_types::Timestamp>) -> Option<OffsetDateTime> {
        let time = time?;
        let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        self.take(
            field,
            OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| "is no time of this calendar"),
        )
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
