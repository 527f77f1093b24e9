//! `docs/your-own-aggregate.md`, as somebody follows it who does what it says and nothing else.

use std::{collections::BTreeSet, fs, path::Path};

/// A block of the page, and where it goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub file: String,
    /// The line behind which it goes, without its indentation; none for a whole new file.
    pub behind: Option<String>,
    pub lines: Vec<String>,
}

/// The steps of a page, in their order. Blocks that do not say where they go are no steps.
pub fn steps(page: &str) -> Vec<Step> {
    let mut lines = page.lines();
    let mut steps = Vec::new();
    while let Some(line) = lines.next() {
        let Some((file, behind)) = place(line) else {
            continue;
        };
        assert_eq!(lines.next(), Some(""), "{line}: an empty line follows");
        let fence = lines.next().unwrap_or_default();
        assert!(
            fence.starts_with("```"),
            "{line}: a block follows, and not {fence:?}"
        );
        let block = lines.by_ref().take_while(|line| *line != "```");
        steps.push(Step {
            file: file.to_owned(),
            behind: behind.map(str::to_owned),
            lines: block.map(str::to_owned).collect(),
        });
    }
    steps
}

/// The file, and the line behind which.
fn place(line: &str) -> Option<(&str, Option<&str>)> {
    if let Some(file) = line.strip_prefix("New file **") {
        return Some((file.strip_suffix("**:")?, None));
    }
    let (behind, file) = line.strip_prefix("Behind `")?.split_once("` in `")?;
    Some((file.strip_suffix("`:")?, Some(behind)))
}

/// How many files are touched, and how many lines written.
pub fn count(steps: &[Step]) -> (usize, usize) {
    let files: BTreeSet<_> = steps.iter().map(|step| &step.file).collect();
    (files.len(), steps.iter().map(|step| step.lines.len()).sum())
}

impl Step {
    /// Takes the step in a copy of the tree.
    pub fn take(&self, tree: &Path) {
        let path = tree.join(&self.file);
        let Some(behind) = &self.behind else {
            assert!(!path.exists(), "{} is there already", self.file);
            fs::write(&path, self.lines.join("\n") + "\n").unwrap();
            return;
        };
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", self.file));
        let is_named = |line: &&str| line.trim() == behind;
        let found = text.lines().filter(is_named).count();
        assert_eq!(found, 1, "{} has `{behind}` {found} times", self.file);
        let mut all = Vec::new();
        for line in text.lines() {
            all.push(line);
            if is_named(&line) {
                all.extend(self.lines.iter().map(String::as_str));
            }
        }
        fs::write(&path, all.join("\n") + "\n").unwrap();
    }
}

#[test]
fn a_block_goes_where_the_line_above_it_says() {
    let page = "New file **a/b.rs**:\n\n```rust\none\n\ntwo\n```\n\nBehind `x;` in `c.rs`:\n\n```rust\nthree\n```\n\n```sh\nnone\n```\n";
    let steps = steps(page);
    let step = |file: &str, behind: Option<&str>, lines: &[&str]| Step {
        file: file.to_owned(),
        behind: behind.map(str::to_owned),
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
    };
    assert_eq!(
        steps,
        [
            step("a/b.rs", None, &["one", "", "two"]),
            step("c.rs", Some("x;"), &["three"])
        ]
    );
    assert_eq!(count(&steps), (2, 4));
}
