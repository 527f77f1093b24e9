//! One letter, and which are meant.

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::operator::{cell, members, path};

/// Which letters are meant; what is left out restricts nothing.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Of the group that failed, for example depot.saga.
    #[arg(long)]
    group: Option<String>,
    /// Read first from this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Of this class of reasons, for example `invalid_data`.
    #[arg(long)]
    reason: Option<String>,
    /// With this key.
    #[arg(long)]
    key: Option<String>,
    /// Last failed at this moment or later: RFC 3339, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Last failed before this moment.
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
}

impl Which {
    pub fn query(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("group", &self.group),
            ("topic", &self.topic),
            ("reason", &self.reason),
            ("key", &self.key),
            ("failed_from", &self.from),
            ("failed_before", &self.before),
        ];
        all.into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect()
    }

    pub fn members(&self) -> Map<String, Value> {
        let query = self.query().into_iter();
        query
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    }
}

/// What names a letter.
#[derive(Debug, Clone)]
pub struct LetterName([String; 4]);

impl FromStr for LetterName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
        let parts = parts.try_into().ok();
        let is_number = |text: &str| text.parse::<i64>().is_ok();
        parts
            .filter(|[_, _, partition, offset]: &[String; 4]| is_number(partition) && is_number(offset))
            .map(Self)
            .ok_or_else(|| {
                "a letter is named GROUP/TOPIC/PARTITION/OFFSET, as `depot dlq list` prints it".to_owned()
            })
    }
}

impl LetterName {
    /// The name of a letter in a list.
    pub fn of(letter: &Value) -> String {
        ["group", "topic", "partition", "offset"]
            .map(|member| cell(&letter[member]))
            .join("/")
    }

    pub fn path(&self, verb: Option<&str>) -> String {
        let mut segments = vec!["dlq"];
        segments.extend(self.0.iter().map(String::as_str));
        segments.extend(verb);
        path(&segments, &[])
    }
}

/// A letter for people: what is known of it, its headers, and its value.
pub fn shown(letter: &Value) -> String {
    let known = [
        "group",
        "topic",
        "partition",
        "offset",
        "key",
        "state",
        "reason",
        "detail",
        "attempts",
        "first_failed_at",
        "failed_at",
        "dlq_topic",
        "dlq_partition",
        "dlq_offset",
    ];
    let mut text = members(letter, &known);
    text.push_str("headers\n");
    for header in letter["headers"].as_array().into_iter().flatten() {
        let value = if header["text"].is_null() {
            format!("base64 {}", cell(&header["base64"]))
        } else {
            cell(&header["text"])
        };
        text.push_str(&format!("  {} = {value}\n", cell(&header["name"])));
    }
    let value = if letter["value_text"].is_null() {
        format!("base64 {}", cell(&letter["value_base64"]))
    } else {
        cell(&letter["value_text"])
    };
    text.push_str(&format!("value\n  {value}\n"));
    text
}
