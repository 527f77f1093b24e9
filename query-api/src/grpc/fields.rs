//! Fields that questions have.

use std::time::Duration;

use depot_domain::VersionToken;
use depot_grpc::{Call, Fields};
use depot_proto::v1;

use crate::{
    queries::PageLimit,
    visibility::{AtLeast, DEFAULT_WAIT, MAX_WAIT},
};

/// What an answer needs to get back to the caller before its deadline.
const WAY_BACK: Duration = Duration::from_millis(100);

/// Reads what questions have in common.
pub trait QuestionFields {
    /// `page_size`, 0 for the default.
    fn page_size(&mut self, size: i32) -> PageLimit;

    /// `limit`, 0 for the default.
    fn limit(&mut self, limit: i32) -> PageLimit;

    /// The version that the answer must not be older than, with the wait for it.
    fn at_least(&mut self, at_least: Option<v1::AtLeast>, call: &Call) -> Option<AtLeast>;

    fn version(&mut self, field: &str, text: &str) -> Option<VersionToken>;

    /// At most the longest wait, and never so long that the caller is gone when the answer comes.
    fn wait(&mut self, field: &str, wait: Option<prost_types::Duration>, call: &Call) -> Duration;
}

impl QuestionFields for Fields {
    fn page_size(&mut self, size: i32) -> PageLimit {
        page_limit(self, "page_size", size)
    }

    fn limit(&mut self, limit: i32) -> PageLimit {
        page_limit(self, "limit", limit)
    }

    fn at_least(&mut self, at_least: Option<v1::AtLeast>, call: &Call) -> Option<AtLeast> {
        let v1::AtLeast { min_version, wait } = at_least?;
        let wait = self.wait("at_least.wait", wait, call);
        let version = self.version("at_least.min_version", &min_version)?;
        Some(AtLeast { version, wait })
    }

    fn version(&mut self, field: &str, text: &str) -> Option<VersionToken> {
        self.optional(field, text, str::parse)
    }

    fn wait(&mut self, field: &str, wait: Option<prost_types::Duration>, call: &Call) -> Duration {
        let given =
            wait.and_then(|wait| self.take(field, Duration::try_from(wait).map_err(|_| "is negative")));
        let left = call.time_left().map(|left| left.saturating_sub(WAY_BACK));
        let wait = given.or(left).unwrap_or(DEFAULT_WAIT).min(MAX_WAIT);
        left.map_or(wait, |left| left.min(wait))
    }
}

fn page_limit(fields: &mut Fields, field: &str, limit: i32) -> PageLimit {
    if limit == 0 {
        return PageLimit::default();
    }
    fields
        .take(field, PageLimit::parse(limit.into()))
        .unwrap_or_default()
}
