//! What writes have in common: the key, the version that is meant, and the sending.

use std::process::ExitCode;

use depot_domain::VersionToken;
use reqwest::RequestBuilder;
use uuid::Uuid;

use super::{
    asking::Asking,
    error::{ItemError, fail_to_write},
    print,
};
use crate::{
    output,
    rest::{Answer, Rest, Server},
};

/// By what a write is recognised when it is repeated.
#[derive(Debug, clap::Args)]
pub struct Key {
    /// The idempotency key: asked for twice under the same key, it is done once. A new one unless told, which is printed on standard
    /// error, or with what went wrong.
    #[arg(long, value_parser = parse_key)]
    key: Option<String>,
}

/// As command-api takes it without quotes.
fn parse_key(text: &str) -> Result<String, String> {
    let is_legal = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,;".contains(&byte);
    match (1..=255).contains(&text.len()) && text.bytes().all(is_legal) {
        true => Ok(text.to_owned()),
        false => Err(
            "a key has 1 to 255 visible ASCII characters, and no quotes, commas, semicolons or backslashes"
                .to_owned(),
        ),
    }
}

impl Key {
    /// The key; a new one is told before anything is sent under it, so that it is known whatever happens then.
    pub fn chosen(&self, is_json: bool) -> String {
        match &self.key {
            Some(key) => key.clone(),
            None => {
                let key = Uuid::now_v7().to_string();
                if !is_json {
                    eprintln!("idempotency key: {key}");
                }
                key
            }
        }
    }
}

/// Which version a change is of.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Meant {
    /// The version that you have seen. If the item is of another one by now, nothing is changed (exit code 3).
    #[arg(long)]
    version: Option<VersionToken>,
    /// Whatever version it is of.
    #[arg(long)]
    latest: bool,
}

impl Meant {
    /// As `If-Match` has it.
    pub fn header(&self) -> String {
        self.version
            .map_or_else(|| "*".to_owned(), |version| version.etag())
    }
}

/// Sends a write until it has an answer that counts.
pub async fn send(
    doing: &'static str,
    key: &str,
    asking: &Asking,
    request: impl Fn(&Rest) -> RequestBuilder,
) -> Result<Answer, ItemError> {
    let rest = Rest::from_settings()?;
    let once = || {
        let request = request(&rest).header("Idempotency-Key", key);
        rest.send(doing, Server::CommandApi, request)
    };
    Ok(asking.patience().repeat(once).await?)
}

/// Prints the item as the command left it, and ends.
pub fn finish(is_json: bool, key: &str, answer: Result<Answer, ItemError>) -> ExitCode {
    let item = answer.and_then(|answer| Ok(print::with_version(answer.json()?, answer.version)));
    match item {
        Ok(item) if is_json => output::end_json(&item, 0),
        Ok(item) => output::end(&print::item(&item), 0),
        Err(error) => fail_to_write(is_json, &error, key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_that_a_header_takes() {
        assert_eq!(parse_key("load-1:2").as_deref(), Ok("load-1:2"));
        for wrong in ["", "a b", "a,b", "a\"b", "ä", &"x".repeat(256)] {
            assert!(parse_key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_version_that_is_meant_is_a_strong_tag() {
        let meant = |version: Option<&str>| Meant {
            version: version.map(|text| text.parse().unwrap()),
            latest: version.is_none(),
        };
        assert_eq!(meant(Some("7")).header(), "\"7\"");
        assert_eq!(meant(Some("497031.7")).header(), "\"497031.7\"");
        assert_eq!(meant(None).header(), "*");
    }
}
