//! The examples of README.md and docs: each is executed by a test, shows what is printed, or is listed with the reason why not.

pub mod backup;
mod contracts;
mod inline;
mod operations;
pub mod page;
mod partitioning;
mod privacy;
mod profiling;
pub mod shell;

use std::{collections::BTreeMap, fs, io::Write as _};

use self::page::{Block, blocks, pages, root};

/// Who executes the blocks with a mark: page, mark, file, and what that file has that looks for them.
const EXECUTED: [(&str, &str, &str, &str); 19] = [
    (
        "README.md",
        "tested",
        "tests/end_to_end/tests/it/readme.rs",
        "fn the_examples_of_the_readme_do_what_they_say(",
    ),
    (
        "docs/backup.md",
        "tested",
        "tests/end_to_end/tests/it/examples/backup.rs",
        "fn views_are_built_again_in_their_place_as_the_page_says(",
    ),
    (
        "docs/contracts.md",
        "tested: import",
        "tests/end_to_end/tests/it/examples/contracts.rs",
        "only(\"tested: import\")",
    ),
    (
        "docs/contracts.md",
        "tested: answer",
        "tests/end_to_end/tests/it/examples/contracts.rs",
        "only(\"tested: answer\")",
    ),
    (
        "docs/operations.md",
        "tested: stream",
        "tests/end_to_end/tests/it/examples/operations.rs",
        "marked(PAGE, \"tested: stream\")",
    ),
    (
        "docs/operations.md",
        "tested: operators",
        "tests/end_to_end/tests/it/examples/operations.rs",
        "marked(PAGE, \"tested: operators\")",
    ),
    (
        "docs/operations.md",
        "tested: projection",
        "tests/end_to_end/tests/it/examples/operations.rs",
        "marked(PAGE, \"tested: projection\")",
    ),
    (
        "docs/operations.md",
        "tested: pipeline",
        "tests/end_to_end/tests/it/examples/operations.rs",
        "marked(PAGE, \"tested: pipeline\")",
    ),
    (
        "docs/operations.md",
        "tested: notifications",
        "tests/end_to_end/tests/it/store_notifications.rs",
        "marked(\"docs/operations.md\", \"tested: notifications\")",
    ),
    (
        "docs/operations.md",
        "tested: clamd",
        "uploader/tests/it/daemons.rs",
        "<!-- tested: clamd -->",
    ),
    (
        "docs/partitioning.md",
        "tested: drain",
        "tests/end_to_end/tests/it/examples/partitioning.rs",
        "marked(PAGE, \"tested: drain\")",
    ),
    (
        "docs/partitioning.md",
        "tested: switched",
        "tests/end_to_end/tests/it/examples/partitioning.rs",
        "marked(PAGE, \"tested: switched\")",
    ),
    (
        "docs/privacy.md",
        "tested: access",
        "tests/end_to_end/tests/it/examples/privacy.rs",
        "marked(PAGE, \"tested: access\")",
    ),
    (
        "docs/privacy.md",
        "tested: erasure",
        "tests/end_to_end/tests/it/examples/privacy.rs",
        "marked(PAGE, \"tested: erasure\")",
    ),
    (
        "docs/profiling.md",
        "tested",
        "tests/end_to_end/tests/it/examples/profiling.rs",
        "fn profiles_are_taken_as_the_page_says(",
    ),
    (
        "docs/runbook.md",
        "rehearsed: first",
        "tests/end_to_end/tests/it/runbook/page.rs",
        "(\"first\", None)",
    ),
    (
        "docs/runbook.md",
        "rehearsed: see",
        "tests/end_to_end/tests/it/runbook/page.rs",
        "(\"see\", Some(section))",
    ),
    (
        "docs/runbook.md",
        "rehearsed: mend",
        "tests/end_to_end/tests/it/runbook/page.rs",
        "(\"mend\", Some(section))",
    ),
    (
        "docs/tool.md",
        "tested",
        "tests/end_to_end/tests/it/tool_document.rs",
        "fn the_examples_of_the_tools_document_do_what_they_say(",
    ),
];
/// Commands of an engine or a cluster, of any page: with the programs that they call put in place of those, by real loaders.
const CHECKED: (&str, &str, &str) = ("checked", "deploy/check/documents.py", "<!-- checked -->");
/// What the exhibits tell, of which each compares its own block.
const EXHIBITS: (&str, &str, &str) = ("docs/outbox.md", "exhibit: ", "tests/exhibits/tests/it/story.rs");
/// Whose blocks are steps, each of which says itself where it goes; and who takes them.
const STEPS: (&str, &str, &str) = (
    "docs/your-own-aggregate.md",
    "tests/end_to_end/tests/it/own_aggregate.rs",
    "your-own-aggregate.md",
);
/// Where the examples are listed that nothing executes, under a heading of their own.
const LIST: (&str, &str) = ("docs/contracts.md", "## Examples");
const MOST_LISTED: usize = 5;

/// What becomes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Executed,
    Checked,
    Compared,
    Printed,
    Diagram,
    Listed,
}

/// Rows of the table: page and beginning of the block.
fn listed() -> Vec<(String, String)> {
    let (page, heading) = LIST;
    let text = fs::read_to_string(root().join(page)).unwrap();
    let section = text
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("## "));
    let rows = section.filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let page = cells.next()?.trim_matches('`').to_owned();
        // The table above says what the marks mean.
        if !page.ends_with(".md") {
            return None;
        }
        let begins = cells.next()?.trim_matches('`').to_owned();
        let reason = cells.next()?.trim_end_matches('|').trim();
        assert!(reason.len() > 20, "{page}, {begins}: {reason} is no reason");
        Some((page, begins))
    });
    rows.collect()
}

/// # Errors
/// That nothing becomes of it.
fn kind_of(page: &str, block: &Block, listed: &[(String, String)]) -> Result<Kind, String> {
    let is_text = block.language == "text";
    let Some(mark) = block.mark.as_deref() else {
        let mut rows = listed.iter();
        return match block.language.as_str() {
            "mermaid" => Ok(Kind::Diagram),
            "text" => Ok(Kind::Printed),
            "rust" | "proto" if page == STEPS.0 => Ok(Kind::Executed),
            _ if rows.any(|(of, begins)| of == page && block.text.starts_with(begins.as_str())) => {
                Ok(Kind::Listed)
            }
            language => Err(format!("is {language:?}, has no mark, and is not listed")),
        };
    };
    let is_executed = EXECUTED.iter().any(|(of, with, ..)| (*of, *with) == (page, mark));
    match mark {
        _ if is_executed && !is_text => Ok(Kind::Executed),
        mark if mark == CHECKED.0 && !is_text => Ok(Kind::Checked),
        mark if page == EXHIBITS.0 && mark.starts_with(EXHIBITS.1) && is_text => Ok(Kind::Compared),
        _ => Err(format!("nobody executes what is marked `{mark}`")),
    }
}

#[test]
fn every_example_is_executed_or_listed_with_its_reason() {
    let listed = listed();
    let mut faults = Vec::new();
    let mut counts = BTreeMap::new();
    for page in pages() {
        for block in blocks(&page) {
            match kind_of(&page, &block, &listed) {
                Ok(kind) => *counts.entry(kind).or_insert(0) += 1,
                Err(fault) => faults.push(format!("{page}, line {}: {fault}", block.line)),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let count = |kind| counts.get(&kind).copied().unwrap_or(0);
    assert_eq!(
        count(Kind::Listed),
        listed.len(),
        "each row is of one block: {listed:?}"
    );
    assert!(
        listed.len() <= MOST_LISTED,
        "too many are not executed: {listed:?}"
    );
    // Whether the check still looks.
    assert!(
        count(Kind::Executed) > 90 && count(Kind::Checked) > 15,
        "{counts:?}"
    );
    // Past the test harness, which keeps to itself what a test prints that passes.
    let told = format!("examples of README.md and docs: {counts:?}\n");
    std::io::stderr().write_all(told.as_bytes()).unwrap();
}

#[test]
fn every_mark_is_looked_for_by_the_test_that_is_named() {
    let source = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    for (page, mark, file, looks) in EXECUTED {
        assert!(
            blocks(page)
                .iter()
                .any(|block| block.mark.as_deref() == Some(mark)),
            "{page} has no block marked `{mark}`"
        );
        let source = source(file);
        let name = page.strip_prefix("docs/").unwrap_or(page);
        assert!(
            source.contains(looks) && source.contains(name),
            "{file} does not look for `{mark}` in {page}"
        );
    }
    assert!(source(CHECKED.1).contains(CHECKED.2) && source(STEPS.1).contains(STEPS.2));
    assert!(source(EXHIBITS.2).contains(EXHIBITS.0) && source(EXHIBITS.2).contains(EXHIBITS.1));
}

#[test]
fn what_nobody_executes_is_told() {
    let block = |language: &str, mark: Option<&str>| Block {
        line: 1,
        language: language.to_owned(),
        mark: mark.map(str::to_owned),
        text: "make demo".to_owned(),
    };
    let listed = [("docs/a.md".to_owned(), "make demo".to_owned())];
    let kind = |page, language, mark| kind_of(page, &block(language, mark), &listed);
    assert_eq!(kind("docs/a.md", "sh", None), Ok(Kind::Listed));
    assert_eq!(kind("docs/tool.md", "sh", Some("tested")), Ok(Kind::Executed));
    assert_eq!(kind("docs/a.md", "sh", Some("checked")), Ok(Kind::Checked));
    for (page, language, mark) in [
        ("docs/b.md", "sh", None),
        ("docs/b.md", "", None),
        ("docs/b.md", "sh", Some("tested")),
        ("docs/tool.md", "sh", Some("tested: by nobody")),
        // Printed, and marked as if it were run.
        ("docs/tool.md", "text", Some("tested")),
    ] {
        assert!(kind(page, language, mark).is_err(), "{page} {language} {mark:?}");
    }
}
