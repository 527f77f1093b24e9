//! What is read page by page: some of it as one document, or all of it as it comes.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    asking::Asking,
    error::{ItemError, fail},
};
use crate::{
    operator, output,
    rest::{Rest, path},
};

/// The most that the API has on a page.
const PAGE: u32 = 200;

/// How much of a list is read.
#[derive(Debug, clap::Args)]
pub struct Extent {
    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Go on behind an earlier list, which said where with the same filter and sort.
    #[arg(long)]
    cursor: Option<String>,
    /// Read all of it, page by page, and print each as it comes.
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
}

/// What is read.
pub struct List<'a> {
    pub asking: &'a Asking,
    pub doing: &'static str,
    /// Behind `/api/v1`.
    pub segments: Vec<&'a str>,
    /// The member of the answer that has the entries.
    pub member: &'a str,
    pub query: Vec<(&'static str, &'a str)>,
    /// How long to wait for the version that the query names.
    pub prefer: Option<String>,
}

impl List<'_> {
    /// Prints it, by `rows` for people, and ends.
    pub async fn print(
        &self,
        extent: &Extent,
        is_json: bool,
        mut rows: impl FnMut(&[Value], Names) -> String,
    ) -> ExitCode {
        if !extent.all {
            return match self.document(extent).await {
                Ok(document) if is_json => output::end_json(&document, 0),
                Ok(document) => {
                    let entries = document[self.member].as_array().map(Vec::as_slice);
                    let rows = rows(entries.unwrap_or_default(), Names::Shown);
                    output::end(&(rows + &rest_of(&document)), 0)
                }
                Err(error) => fail(is_json, &error),
            };
        }
        let mut names = Names::Shown;
        let streamed = self.stream(extent, |entries| match is_json {
            true => entries.iter().map(|entry| format!("{entry}\n")).collect(),
            false => rows(entries, std::mem::replace(&mut names, Names::LeftOut)),
        });
        match streamed.await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(is_json, &error),
        }
    }

    async fn page(&self, rest: &Rest, size: u32, cursor: Option<&str>) -> Result<Page, ItemError> {
        let size = size.to_string();
        let mut query = self.query.clone();
        query.push(("limit", &size));
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let path = path(&self.segments, &query);
        let answer = self
            .asking
            .ask(rest, self.doing, &path, self.prefer.as_deref())
            .await?;
        let mut document = answer.json()?;
        match document.get_mut(self.member).map(Value::take) {
            Some(Value::Array(entries)) => Ok(Page {
                entries,
                next: document["next_cursor"].as_str().map(str::to_owned),
            }),
            _ => Err(answer.without(self.member).into()),
        }
    }

    /// Up to the limit, as the API's document of one page.
    async fn document(&self, extent: &Extent) -> Result<Value, ItemError> {
        let rest = Rest::from_settings()?;
        let (mut entries, mut next) = (Vec::new(), extent.cursor.clone());
        loop {
            let left = extent.limit - u32::try_from(entries.len()).unwrap_or(extent.limit);
            let mut page = self.page(&rest, left.min(PAGE), next.as_deref()).await?;
            entries.append(&mut page.entries);
            next = page.next;
            if next.is_none() || entries.len() >= extent.limit as usize {
                return Ok(json!({ self.member: entries, "next_cursor": next }));
            }
        }
    }

    /// All of it, printed by `text` page by page; no more than a page is held. It ends early where nobody reads it any more.
    async fn stream(
        &self,
        extent: &Extent,
        mut text: impl FnMut(&[Value]) -> String,
    ) -> Result<(), ItemError> {
        let rest = Rest::from_settings()?;
        let mut next = extent.cursor.clone();
        loop {
            let page = self.page(&rest, PAGE, next.as_deref()).await?;
            let is_read = output::write(&text(&page.entries)).map_err(ItemError::Output)?;
            next = page.next;
            if next.is_none() || !is_read {
                return Ok(());
            }
        }
    }
}

struct Page {
    entries: Vec<Value>,
    next: Option<String>,
}

/// Whether the columns' names stand above the rows: not above those of later pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    Shown,
    LeftOut,
}

/// Rows of a page.
pub fn table<const N: usize>(
    columns: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    names: Names,
) -> String {
    let table = operator::table(columns, rows);
    match (names, table.split_once('\n')) {
        (Names::LeftOut, Some((_, rows))) => rows.to_owned(),
        _ => table,
    }
}

/// Where a list goes on that has an end before the end.
fn rest_of(document: &Value) -> String {
    match document["next_cursor"].as_str() {
        Some(cursor) => format!("there are more: raise --limit, or give --all, or --cursor {cursor}\n"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_page_has_the_names() {
        let rows = || [["1".to_owned(), "a".to_owned()]];
        assert_eq!(table(["ID", "NAME"], rows(), Names::Shown), "ID  NAME\n1   a\n");
        assert_eq!(table(["ID", "NAME"], rows(), Names::LeftOut), "1   a\n");
        assert_eq!(table(["ID", "NAME"], [], Names::LeftOut), "");
    }

    #[test]
    fn a_list_that_has_more_says_how_to_see_it() {
        assert_eq!(rest_of(&json!({ "next_cursor": null })), "");
        assert!(rest_of(&json!({ "next_cursor": "abc" })).contains("--cursor abc"));
    }
}
