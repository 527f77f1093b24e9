//! The public REST APIs as `depot item` and `depot load` use them: with the token of DEPOT_TOKEN, each call with a deadline, and
//! what may pass repeated under the same idempotency key.

mod client;
mod error;
mod patience;

use reqwest::Url;

pub use client::{Answer, Rest, Server};
pub use error::{Problem, RestError};
pub use patience::Patience;

/// The path of these segments under `/api/v1` with that query, each escaped.
pub fn path(segments: &[&str], query: &[(&str, &str)]) -> String {
    // Only what comes behind the address is used.
    let Ok(mut url) = Url::parse("http://api") else {
        return String::new();
    };
    if let Ok(mut all) = url.path_segments_mut() {
        all.extend(["api", "v1"]).extend(segments);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let query = url.query().map(|query| format!("?{query}"));
    format!("{}{}", url.path(), query.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn what_stands_in_a_path_or_a_query_is_escaped() {
        let path = path(&["items", "a/b", "c d"], &[("tag", "x&y=z"), ("tag", "1+1")]);
        assert_eq!(path, "/api/v1/items/a%2Fb/c%20d?tag=x%26y%3Dz&tag=1%2B1");
    }
}
