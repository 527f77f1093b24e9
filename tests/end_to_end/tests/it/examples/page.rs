//! The blocks of code of a document, each with the mark that stands before it.

use std::{fs, path::PathBuf};

/// A block as it stands in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Of its first line of text, from 1.
    pub line: usize,
    /// What stands behind the opening fence.
    pub language: String,
    /// What the comment right before it says: `tested` of `<!-- tested -->`.
    pub mark: Option<String>,
    pub text: String,
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// README.md and every page of docs, by their paths from the top. The records of decisions have no examples to be followed.
pub fn pages() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<_> = names
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    pages.push("README.md".to_owned());
    pages.sort();
    pages
}

pub fn blocks(page: &str) -> Vec<Block> {
    parse(&fs::read_to_string(root().join(page)).unwrap())
}

/// The blocks of a page with that mark.
///
/// # Panics
/// If there is none: then the test of them does not look any more.
pub fn marked(page: &str, mark: &str) -> Vec<Block> {
    let mut blocks = blocks(page);
    blocks.retain(|block| block.mark.as_deref() == Some(mark));
    assert!(!blocks.is_empty(), "{page} has no block marked `{mark}`");
    blocks
}

fn parse(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            before = line;
            continue;
        };
        // A block of a list is indented with it.
        let indent = line.len() - line.trim_start().len();
        let body: Vec<_> = lines
            .by_ref()
            .map(|(line, _)| line)
            .take_while(|line| line.trim() != "```")
            .map(|line| line.get(indent..).unwrap_or_default())
            .collect();
        let comment = before.trim().strip_prefix("<!-- ");
        blocks.push(Block {
            line: number + 1,
            language: language.to_owned(),
            mark: comment
                .and_then(|comment| comment.strip_suffix(" -->"))
                .map(str::to_owned),
            text: body.join("\n"),
        });
        before = "";
    }
    blocks
}

#[test]
fn each_block_of_a_page_is_found_with_the_mark_right_before_it() {
    let text = "a\n```sh\nno\n```\n<!-- tested -->\n```sh\na\n\nb\n```\n<!-- tested -->\n\n```text\nc\n```\n\
                - item\n\n  <!-- checked -->\n  ```yaml\n  d:\n    e\n  ```\n";
    let block = |line, language: &str, mark: Option<&str>, text: &str| Block {
        line,
        language: language.to_owned(),
        mark: mark.map(str::to_owned),
        text: text.to_owned(),
    };
    assert_eq!(
        parse(text),
        [
            block(3, "sh", None, "no"),
            block(7, "sh", Some("tested"), "a\n\nb"),
            block(14, "text", None, "c"),
            block(20, "yaml", Some("checked"), "d:\n  e"),
        ]
    );
}
