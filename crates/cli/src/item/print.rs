//! Items and their changes for people.

use serde_json::Value;

use crate::operator::{cell, members};

pub const ITEM_NAMES: [&str; 6] = ["ID", "VERSION", "STATUS", "OWNER", "UPDATED", "NAME"];
pub const CHANGE_NAMES: [&str; 5] = ["VERSION", "WHEN", "WHO", "WHAT", "CHANGED"];

/// The item with its version as `--version` and `--min-version` take it. The member `version` is only a number, which a database that
/// was set back gives out a second time.
pub fn with_version(mut item: Value, version: Option<String>) -> Value {
    if let (Some(members), Some(version)) = (item.as_object_mut(), version) {
        members.insert("version_token".to_owned(), version.into());
    }
    item
}

/// A member a line, and a line for each file.
pub fn item(item: &Value) -> String {
    let mut text = members(item, &["id", "name", "description", "status", "owner"]);
    text.push_str(&line("tags", &listed(&item["tags"])));
    text.push_str(&line("attributes", &cell(&item["attributes"])));
    text.push_str(&line("version", &cell(&item["version_token"])));
    text.push_str(&members(item, &["created_at", "updated_at"]));
    for file in item["files"].as_array().into_iter().flatten() {
        let of = |member: &str| cell(&file[member]);
        let file = format!(
            "{}  {}  {} bytes  upload {}",
            of("file_name"),
            of("content_type"),
            of("size_bytes"),
            of("upload_id")
        );
        text.push_str(&line("file", &file));
    }
    text
}

pub fn item_row(item: &Value) -> [String; 6] {
    ["id", "version", "status", "owner", "updated_at", "name"].map(|member| cell(&item[member]))
}

pub fn change_row(change: &Value) -> [String; 5] {
    [
        cell(&change["version"]),
        cell(&change["occurred_at"]),
        cell(&change["actor"]),
        what(&cell(&change["event_type"])),
        listed(&change["changed"]),
    ]
}

/// `created` of `depot.item.created.v1`.
pub fn what(event_type: &str) -> String {
    let short = event_type.strip_prefix("depot.item.");
    let short = short.and_then(|rest| rest.rsplit_once('.')).map(|(what, _)| what);
    short.unwrap_or(event_type).to_owned()
}

fn line(name: &str, text: &str) -> String {
    format!("{name:16} {text}\n")
}

fn listed(list: &Value) -> String {
    let words: Vec<String> = list.as_array().into_iter().flatten().map(cell).collect();
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_has_its_members_its_version_as_it_is_given_and_its_files() {
        let shown = json!({
            "id": "1", "name": "a\u{1b}[31m", "description": "", "status": "draft", "owner": "alice", "version": 7,
            "tags": ["x", "y"], "attributes": {"gears": 7}, "created_at": "c", "updated_at": "u",
            "files": [{"upload_id": "2", "file_name": "a.bin", "content_type": "t", "size_bytes": 3}],
        });
        let text = item(&with_version(shown, Some("497031.7".to_owned())));
        for expected in [
            "name             a [31m\n",
            "tags             x, y\n",
            "attributes       {\"gears\":7}\n",
            "version          497031.7\n",
            "file             a.bin  t  3 bytes  upload 2\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_change_says_what_happened() {
        assert_eq!(what("depot.item.file_attached.v1"), "file_attached");
        assert_eq!(what("something.else"), "something.else");
        let change = json!({"version": 2, "occurred_at": "t", "actor": "alice", "event_type": "depot.item.updated.v1", "changed": ["tags"]});
        assert_eq!(change_row(&change), ["2", "t", "alice", "updated", "tags"]);
    }
}
