//! What the operators' commands have in common: paths, output, and how they end.

use std::process::ExitCode;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    admin_client::{AdminClient, AdminError},
    output, rest,
};

/// The end of each command's help.
pub const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  no answer that counts: the same command may be given again
  2  wrong usage
  3  there is no such thing, or its state does not allow it
  4  refused: the token, its role, or a value

The token comes from DEPOT_TOKEN and needs the role admin (`depot token --role admin`), the address from
COMMAND_PUBLIC_URL. Every change is written to the audit under the token's subject.";

const TRY_AGAIN: u8 = 1;
/// There is no such thing, or its state does not allow it.
pub const NOT_SO: u8 = 3;
const REFUSED: u8 = 4;

/// The path of these segments with that query, each escaped.
pub fn path(segments: &[&str], query: &[(&str, &str)]) -> String {
    rest::path(&[&["admin"], segments].concat(), query)
}

pub async fn get(client: &AdminClient, doing: &'static str, path: &str) -> Result<Value, AdminError> {
    client.ask(doing, client.request(Method::GET, path)).await
}

/// Asks for a change, under a key of this call's own.
pub async fn post(
    client: &AdminClient,
    doing: &'static str,
    path: &str,
    body: &Value,
) -> Result<Value, AdminError> {
    let key = uuid::Uuid::now_v7().to_string();
    let request = client
        .request(Method::POST, path)
        .header("Idempotency-Key", key)
        .json(body);
    client.ask(doing, request).await
}

/// Up to `limit` entries of a list, which is read page by page, and whether there are more.
pub async fn pages(
    client: &AdminClient,
    doing: &'static str,
    list: &str,
    query: &[(&str, &str)],
    limit: usize,
) -> Result<Value, AdminError> {
    const PAGE: usize = 200;
    let (mut entries, mut cursor): (Vec<Value>, Option<String>) = (Vec::new(), None);
    let member = if list == "dlq" { "letters" } else { list };
    loop {
        let size = PAGE.min(limit - entries.len()).max(1).to_string();
        let mut query = query.to_vec();
        query.push(("limit", &size));
        if let Some(cursor) = &cursor {
            query.push(("cursor", cursor));
        }
        let mut page = get(client, doing, &path(&[list], &query)).await?;
        if let Some(found) = page[member].as_array_mut() {
            entries.append(found);
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || entries.len() >= limit {
            return Ok(json!({ member: entries, "has_more": cursor.is_some() }));
        }
    }
}

/// Prints what was answered, as one line of JSON or by `text`, and ends.
pub fn finish(
    is_json: bool,
    answer: Result<Value, AdminError>,
    text: impl FnOnce(&Value) -> String,
) -> ExitCode {
    match answer {
        Ok(answer) if is_json => output::end_json(&answer, 0),
        Ok(answer) => output::end(&text(&answer), 0),
        Err(error) => fail(is_json, &error),
    }
}

/// Prints why there is no answer that counts, and ends.
pub fn fail(is_json: bool, error: &AdminError) -> ExitCode {
    output::fail(is_json, &depot_service::problem::chain(error), exit_code(error))
}

fn exit_code(error: &AdminError) -> u8 {
    match error {
        AdminError::Away { .. } | AdminError::Answer { .. } => TRY_AGAIN,
        AdminError::Settings(_) => REFUSED,
        AdminError::Refused { status, problem, .. } => match *status {
            status if status.is_server_error() || problem == "request-in-progress" => TRY_AGAIN,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => TRY_AGAIN,
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => NOT_SO,
            _ => REFUSED,
        },
    }
}

/// A value as it stands in a table: text without its quotes, `-` for none.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        // A line is a row, whatever a message holds.
        Value::String(text) => text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect(),
        other => other.to_string(),
    }
}

/// Rows in columns, under their names.
pub fn table<const N: usize>(names: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut all = vec![names.map(str::to_owned)];
    all.extend(rows);
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            all.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    all.iter().map(line).collect()
}

/// Members of an object, a line each.
pub fn members(value: &Value, names: &[&str]) -> String {
    let line = |name: &&str| format!("{name:16} {}\n", cell(&value[*name]));
    names.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn what_stands_in_a_path_or_a_query_is_escaped() {
        let path = path(&["dlq", "a/b", "c d", "0"], &[("key", "x&y=z"), ("from", "1+1")]);
        assert_eq!(path, "/api/v1/admin/dlq/a%2Fb/c%20d/0?key=x%26y%3Dz&from=1%2B1");
    }
}
