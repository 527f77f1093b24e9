//! What declared aggregates have, for people.

use std::process::ExitCode;

use serde_json::Value;

use crate::{
    item::{
        error::{ItemError, fail, fail_to_write},
        print::with_version,
    },
    operator::{cell, members},
    output,
    rest::Answer,
};

pub const NAMES: [&str; 4] = ["ID", "VERSION", "UPDATED", "STATE"];

/// A member a line, those of its state too.
pub fn one(shown: &Value) -> String {
    let mut text = members(shown, &["id", "owner"]);
    text.push_str(&line("version", &shown["version_token"]));
    text.push_str(&members(shown, &["created_at", "updated_at"]));
    for (name, value) in shown["state"].as_object().into_iter().flatten() {
        text.push_str(&line(name, value));
    }
    text
}

fn line(name: &str, value: &Value) -> String {
    format!("{name:16} {}\n", cell(value))
}

pub fn row(shown: &Value) -> [String; 4] {
    ["id", "version", "updated_at", "state"].map(|member| cell(&shown[member]))
}

/// Prints it as a command left it, or why nothing was written, and ends.
pub fn finish(is_json: bool, key: &str, answer: Result<Answer, ItemError>) -> ExitCode {
    let shown = answer.and_then(|answer| Ok(with_version(answer.json()?, answer.version)));
    match shown {
        Ok(shown) => end(is_json, &shown),
        Err(error) => fail_to_write(is_json, &error, key),
    }
}

/// Prints it as the views have it, or why not, and ends.
pub fn finish_reading(is_json: bool, shown: Result<Value, ItemError>) -> ExitCode {
    match shown {
        Ok(shown) => end(is_json, &shown),
        Err(error) => fail(is_json, &error),
    }
}

fn end(is_json: bool, shown: &Value) -> ExitCode {
    match is_json {
        true => output::end_json(shown, 0),
        false => output::end(&one(shown), 0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_has_its_own_members_and_those_of_its_state() {
        let shown = json!({
            "id": "1", "owner": "alice", "version": 2, "created_at": "c", "updated_at": "u",
            "state": {"status": "shipped", "lines": [1]},
        });
        let text = one(&with_version(shown.clone(), Some("2".to_owned())));
        for expected in [
            "id               1\n",
            "version          2\n",
            "status           shipped\n",
            "lines            [1]\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert_eq!(
            row(&shown),
            ["1", "2", "u", "{\"lines\":[1],\"status\":\"shipped\"}"]
        );
    }
}
