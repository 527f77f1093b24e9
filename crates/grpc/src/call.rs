//! Who calls, and until when.

use std::time::Duration;

use depot_service::auth::{Door, Principal};
use tokio::time::Instant;
use tonic::{Request, Status};

use crate::status;

/// What every call has beside its message.
#[derive(Debug)]
pub struct Call {
    /// Who calls.
    pub principal: Principal,
    /// When the caller stops listening.
    pub deadline: Option<Instant>,
}

impl Call {
    /// Lets the caller in, by the metadata of the call.
    ///
    /// # Errors
    /// UNAUTHENTICATED, RESOURCE_EXHAUSTED.
    pub async fn of<T: Sync>(door: &Door, request: &Request<T>) -> Result<Self, Status> {
        let metadata = request.metadata();
        let principal = door.enter(metadata.as_ref()).await.map_err(status::refused)?;
        let timeout = metadata
            .get("grpc-timeout")
            .and_then(|value| parse_timeout(value.to_str().ok()?));
        Ok(Self {
            principal,
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        })
    }

    /// How long the caller still listens; none if it did not say.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// `grpc-timeout`: at most eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3_600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_in_every_unit_of_the_protocol() {
        assert_eq!(parse_timeout("2H"), Some(Duration::from_secs(7_200)));
        assert_eq!(parse_timeout("3M"), Some(Duration::from_secs(180)));
        assert_eq!(parse_timeout("4S"), Some(Duration::from_secs(4)));
        assert_eq!(parse_timeout("500m"), Some(Duration::from_millis(500)));
        assert_eq!(parse_timeout("10000u"), Some(Duration::from_millis(10)));
        assert_eq!(parse_timeout("10000n"), Some(Duration::from_micros(10)));
        for text in ["", "S", "5", "-1S", "999999999S", "5x", "5€"] {
            assert_eq!(parse_timeout(text), None, "{text}");
        }
    }
}
