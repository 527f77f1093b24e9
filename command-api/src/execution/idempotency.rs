//! The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07) and what a repeat is recognised by.

use aws_lc_rs::digest;
use depot_service::problem::Problem;
use http::{HeaderMap, HeaderName};

/// The most characters of a key.
const MAX_KEY: usize = 255;
const NAME: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of a request, none if it has none: a string as in RFC 8941 (`"…"`), or bare.
///
/// # Errors
/// The problem `invalid-header` for a key that is empty, too long, sent twice, or of other characters.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::invalid_header("Idempotency-Key", "Send it once."));
    }
    let parsed = value.to_str().ok().and_then(|text| parse(text.trim()));
    match parsed.filter(|key| (1..=MAX_KEY).contains(&key.len())) {
        Some(key) => Ok(Some(key)),
        None => Err(Problem::invalid_header(
            "Idempotency-Key",
            "Send 1 to 255 visible ASCII characters: in double quotes, or bare without quotes, commas and semicolons.",
        )),
    }
}

fn parse(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let bare = text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"\\,;".contains(&b));
        return bare.then(|| text.to_owned());
    };
    let mut key = String::new();
    let mut rest = quoted.chars();
    loop {
        match rest.next()? {
            '"' => break,
            '\\' => key.push(rest.next().filter(|c| matches!(c, '"' | '\\'))?),
            c @ ' '..='~' => key.push(c),
            _ => return None,
        }
    }
    rest.as_str().is_empty().then_some(key)
}

/// Whether a text that was sent without a header, as a member of a document, can be a key.
pub fn is_key(text: &str) -> bool {
    (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

/// The key of a line that names none, of a request with that key. Nobody can send it: it is no ASCII.
pub fn of_line(key: &str, line: u64) -> String {
    format!("{key}·{line}")
}

/// SHA-256 over method, path, `If-Match` and body, each preceded by its length, so that no two requests run together.
pub fn fingerprint(method: &str, path: &str, if_match: &[u8], body: &[u8]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [method.as_bytes(), path.as_bytes(), if_match, body] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(NAME, value.parse().unwrap());
        key(&headers).ok().flatten()
    }

    #[test]
    fn a_quoted_and_a_bare_key_are_the_same() {
        assert_eq!(read("\"8e03978e-40d5\"").as_deref(), Some("8e03978e-40d5"));
        assert_eq!(read("8e03978e-40d5").as_deref(), Some("8e03978e-40d5"));
        assert_eq!(read(r#""a \"b\" \\c""#).as_deref(), Some(r#"a "b" \c"#));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "x".repeat(256);
        for bad in ["", "\"\"", "\"open", "a b", "a,b", "\"a\";p=1", r#""a\b""#, &long] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let mut twice = HeaderMap::new();
        twice.append(NAME, "a".parse().unwrap());
        twice.append(NAME, "a".parse().unwrap());
        assert!(key(&twice).is_err());
    }

    #[test]
    fn keys_of_lines_are_each_their_own_and_none_that_is_sent() {
        assert_ne!(of_line("a", 11), of_line("a1", 1));
        assert_ne!(of_line("a", 1), of_line("a", 2));
        assert!(!is_key(&of_line("a", 1)));
        for (text, is_one) in [
            ("a", true),
            ("a \"b\"", true),
            ("", false),
            ("a\n", false),
            ("ä", false),
        ] {
            assert_eq!(is_key(text), is_one, "{text:?}");
        }
        assert!(is_key(&"x".repeat(255)) && !is_key(&"x".repeat(256)));
    }

    #[test]
    fn parts_of_a_fingerprint_do_not_run_together() {
        assert_ne!(
            fingerprint("POST", "/a", b"", b"b"),
            fingerprint("POST", "/ab", b"", b"")
        );
        assert_ne!(
            fingerprint("PUT", "/a", b"\"1\"", b""),
            fingerprint("PUT", "/a", b"", b"\"1\"")
        );
    }
}
