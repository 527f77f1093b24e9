//! `If-Match` (RFC 9110, section 13.1.1).

use depot_service::problem::Problem;
use http::{HeaderMap, header::IF_MATCH};

use super::problems;
use crate::commands::Precondition;

/// What the request says about the version that it means.
///
/// # Errors
/// The problem `invalid-header` for what is neither `*` nor a list of entity tags.
pub fn if_match(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let invalid = || {
        Problem::invalid_header(
            "If-Match",
            "Send `*` or entity tags such as \"7\", in double quotes.",
        )
    };
    let mut tags = None;
    for value in headers.get_all(IF_MATCH) {
        let text = value.to_str().map_err(|_| invalid())?.trim();
        if text == "*" {
            return Ok(Precondition::Exists);
        }
        tags.get_or_insert_with(Vec::new)
            .extend(strong_tags(text).ok_or_else(invalid)?);
    }
    Ok(tags.map_or(Precondition::None, Precondition::OneOf))
}

/// The problem `precondition-required` where nothing was said.
pub fn required(precondition: Precondition) -> Result<Precondition, Problem> {
    match precondition {
        Precondition::None => {
            let detail = "Send If-Match with the ETag that you read, or `*` for any version.";
            Err(Problem::of(&problems::PRECONDITION_REQUIRED).with_detail(detail))
        }
        some => Ok(some),
    }
}

/// The opaque parts of the strong tags in a list; a weak tag never matches. None if it is no list of tags.
fn strong_tags(mut text: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    loop {
        text = text.trim_start();
        let (weak, rest) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (opaque, rest) = rest.strip_prefix('"')?.split_once('"')?;
        if !weak {
            tags.push(opaque.to_owned());
        }
        text = rest.trim_start();
        match text.strip_prefix(',') {
            Some(rest) => text = rest,
            None if text.is_empty() => return Some(tags),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(values: &[&str]) -> Option<Precondition> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, value.parse().unwrap());
        }
        if_match(&headers).ok()
    }

    fn tags(tags: &[&str]) -> Option<Precondition> {
        Some(Precondition::OneOf(
            tags.iter().map(|&tag| tag.to_owned()).collect(),
        ))
    }

    #[test]
    fn lists_repeated_headers_and_the_star_are_read() {
        assert_eq!(parsed(&[]), Some(Precondition::None));
        assert_eq!(parsed(&["*"]), Some(Precondition::Exists));
        assert_eq!(parsed(&["\"1\""]), tags(&["1"]));
        assert_eq!(
            parsed(&["\"1\" , \"a,b\"", "\"1.7\""]),
            tags(&["1", "a,b", "1.7"])
        );
    }

    #[test]
    fn a_weak_tag_matches_nothing() {
        assert_eq!(parsed(&["W/\"1\""]), tags(&[]));
        assert_eq!(parsed(&["W/\"1\", \"2\""]), tags(&["2"]));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for bad in ["7", "\"7", "\"1\" \"2\"", "\"1\",", "", "w/\"1\""] {
            assert_eq!(parsed(&[bad]), None, "{bad}");
        }
    }
}
