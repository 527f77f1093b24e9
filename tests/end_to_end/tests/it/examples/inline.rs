//! Commands in the text of the pages: the tool and make know what they name. They are not executed; blocks are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use depot_end_to_end::built_program;

use super::page::{pages, root};
use crate::documents::{prose, quoted};

/// What is between backticks on any page and begins with that word, with the page.
fn commands(program: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        let named = prose(&text).flat_map(quoted).filter_map(|code| {
            let rest = code.strip_prefix(program)?;
            rest.starts_with(' ').then(|| rest.trim().to_owned())
        });
        found.extend(named.map(|command| (page.clone(), command)));
    }
    found
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !text.starts_with('-')
}

#[tokio::test]
async fn the_tool_knows_each_command_and_option_that_a_page_names() {
    let mut helps = BTreeMap::new();
    let mut faults = BTreeSet::new();
    let commands = commands("depot");
    for (page, command) in &commands {
        let parts: Vec<_> = command.split_whitespace().collect();
        // `depot saga resume upload ID`: the command has two words at most, what follows is told to it.
        let words: Vec<_> = parts
            .iter()
            .take(2)
            .take_while(|part| is_word(part))
            .copied()
            .collect();
        if !helps.contains_key(&words) {
            let arguments = [&words[..], &["--help"]].concat();
            let mut tool = tokio::process::Command::new(built_program("depot").unwrap());
            let said = tool.args(&arguments).output().await.unwrap();
            let help = said
                .status
                .success()
                .then(|| String::from_utf8(said.stdout).unwrap());
            helps.insert(words.clone(), help);
        }
        let Some(help) = &helps[&words] else {
            faults.insert(format!("{page}: `depot {command}`: there is no such command"));
            continue;
        };
        let options = parts.iter().filter(|part| part.starts_with("--"));
        for option in options.map(|part| part.split('=').next().unwrap()) {
            let is_known = help
                .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
                .any(|known| known == option);
            if !is_known {
                faults.insert(format!("{page}: `depot {command}`: has no {option}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    // Whether the check still looks.
    assert!(
        commands.len() > 100,
        "only {} commands were found",
        commands.len()
    );
}

#[test]
fn make_has_each_target_that_a_page_names() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let targets: BTreeSet<_> = makefile
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(target, _)| target)
        .filter(|target| is_word(target))
        .collect();
    let commands = commands("make");
    for (page, command) in &commands {
        let named = command.split_whitespace().filter(|part| is_word(part));
        for target in named {
            assert!(
                targets.contains(target),
                "{page}: `make {command}`: there is no {target}"
            );
        }
    }
    assert!(commands.len() > 50, "only {} commands were found", commands.len());
}
