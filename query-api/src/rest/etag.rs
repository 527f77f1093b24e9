//! Entity tags of what the views show.

use http::{HeaderMap, HeaderValue, header::IF_NONE_MATCH};

/// The tag as a header's value.
pub fn value(tag: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(tag).ok()
}

/// Whether `If-None-Match` names `tag`, compared weakly (RFC 9110, 13.1.2).
pub fn none_match_names(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        // Our tags have no comma, so a tag that is cut here is none of ours.
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_strong() {
        let matches = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(value));
            none_match_names(&headers, "\"7\"")
        };
        for value in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            assert!(matches(value), "{value}");
        }
        for value in ["7", "\"77\"", "\"7-p2\"", ""] {
            assert!(!matches(value), "{value}");
        }
    }
}
