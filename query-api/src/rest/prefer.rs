//! `Prefer: wait=SECONDS` (RFC 7240) and `Preference-Applied`.

use std::time::Duration;

use axum::response::Response;
use depot_domain::VersionToken;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::visibility::{AtLeast, DEFAULT_WAIT, MAX_WAIT};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The version that a request names, with the wait that it prefers.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub at_least: Option<AtLeast>,
    /// What is answered in `Preference-Applied`.
    applied: Option<Duration>,
}

impl Wanted {
    /// A preference that cannot be understood is ignored, as its RFC says; one that is too long is cut.
    pub fn of(min_version: Option<VersionToken>, headers: &HeaderMap) -> Self {
        let preferred = wait(headers).map(|wait| wait.min(MAX_WAIT));
        let at_least = min_version.map(|version| AtLeast {
            version,
            wait: preferred.unwrap_or(DEFAULT_WAIT),
        });
        Self {
            at_least,
            applied: preferred.filter(|_| at_least.is_some()),
        }
    }

    /// The answer, with what became of the preference.
    pub fn applied(self, mut response: Response) -> Response {
        if let Some(wait) = self.applied
            && let Ok(value) = HeaderValue::try_from(format!("wait={}", wait.as_secs()))
        {
            response.headers_mut().insert(PREFERENCE_APPLIED, value);
        }
        response
    }
}

/// The first `wait` of all the `Prefer` headers, in whole seconds.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|preference| {
            let (name, value) = preference.split(';').next()?.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("wait") {
                return None;
            }
            let seconds = value.trim().trim_matches('"');
            let digits = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
            // More digits than a number has are still a wish for a long wait.
            digits.then(|| Duration::from_secs(seconds.parse().unwrap_or(u64::MAX)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_of(values: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, HeaderValue::from_static(value));
        }
        wait(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_found_among_other_preferences() {
        assert_eq!(wait_of(&["wait=5"]), Some(5));
        assert_eq!(wait_of(&["respond-async, WAIT = \"7\"; x=1"]), Some(7));
        assert_eq!(wait_of(&["return=minimal", "wait=2, wait=9"]), Some(2));
        assert_eq!(wait_of(&["wait=99999999999999999999"]), Some(u64::MAX));
    }

    #[test]
    fn what_is_no_wait_is_ignored() {
        for value in [
            "wait",
            "wait=",
            "wait=-1",
            "wait=1.5",
            "wait=x",
            "waiting=3",
            "=",
            ";;",
        ] {
            assert_eq!(wait_of(&[value]), None, "{value}");
        }
    }
}
