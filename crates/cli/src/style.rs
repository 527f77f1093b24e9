//! The one style of the tool, asked of every command: a new one cannot miss it.

use std::fs;

use clap::{Command, CommandFactory as _, Parser as _};

use crate::Arguments;

/// The tool and all its commands, each with what is typed for it (`depot dlq list`).
fn all() -> Vec<(String, Command)> {
    fn add(command: &Command, before: &str, all: &mut Vec<(String, Command)>) {
        let name = format!("{before}{}", command.get_name());
        all.push((name.clone(), command.clone()));
        for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
            add(one, &format!("{name} "), all);
        }
    }
    let mut all_commands = Vec::new();
    add(&Arguments::command(), "", &mut all_commands);
    all_commands
}

fn is_leaf(command: &Command) -> bool {
    command.get_subcommands().next().is_none()
}

fn end_of_help(command: &Command) -> String {
    command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Examples at the end of a help.
fn examples(end: &str) -> Vec<String> {
    let behind = end.split_once("\n\nExample").map(|(_, examples)| examples);
    let lines = behind.unwrap_or_default().lines().skip(1);
    lines.map(|line| line.trim().to_owned()).collect()
}

/// The words of a line as a shell has them, up to what it does with the output.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted, mut is_begun) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (is_quoted, is_begun) = (!is_quoted, true),
            ' ' if !is_quoted => {
                if std::mem::take(&mut is_begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            '>' | '|' if !is_quoted => break,
            c => {
                is_begun = true;
                word.push(c);
            }
        }
    }
    if is_begun {
        words.push(word);
    }
    words
}

#[test]
fn clap_finds_nothing_wrong_with_the_commands() {
    Arguments::command().debug_assert();
}

#[test]
fn every_help_ends_with_an_example_of_that_command_which_can_be_typed() {
    let all = all();
    assert!(all.len() > 45, "only {} commands were found", all.len());
    for (name, command) in all {
        let examples = examples(&end_of_help(&command));
        assert!(!examples.is_empty(), "{name}: no example at the end of its help");
        for example in examples {
            assert!(
                example.starts_with(&name),
                "{name}: `{example}` is of another command"
            );
            if let Err(error) = Arguments::try_parse_from(words(&example)) {
                panic!("{name}: `{example}` is not understood: {error}");
            }
        }
    }
}

#[test]
fn every_help_says_what_it_does_and_has_the_exit_codes() {
    for (name, command) in all() {
        assert!(command.get_about().is_some(), "{name} does not say what it does");
        let end = end_of_help(&command);
        for code in ["Exit codes", "\n  0 ", "\n  1 ", "\n  2 "] {
            assert!(end.contains(code), "{name}: {code:?} is missing in:\n{end}");
        }
    }
}

#[test]
fn what_prints_data_prints_it_as_json_too() {
    for (name, command) in all().into_iter().filter(|(_, command)| is_leaf(command)) {
        // A script for a shell is no data.
        let has_json = command
            .get_arguments()
            .any(|argument| argument.get_id() == "json");
        assert_eq!(has_json, name != "depot completions", "{name}");
    }
}

#[test]
fn the_document_of_the_tool_has_every_command_and_every_exit_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tool.md");
    let document = fs::read_to_string(path).unwrap();
    for (name, command) in all().into_iter().filter(|(_, command)| is_leaf(command)) {
        assert!(
            document.contains(&format!("`{name}")),
            "{name} is not in docs/tool.md"
        );
        for line in end_of_help(&command).lines() {
            let is_code =
                line.starts_with("  ") && line.trim_start().starts_with(|c: char| c.is_ascii_digit());
            let Some(code) = line.split_whitespace().next().filter(|_| is_code) else {
                continue;
            };
            let row = format!("\n| {code} |");
            assert!(
                document.contains(&row),
                "{name}: exit code {code} is not in docs/tool.md"
            );
        }
    }
}

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(
        words("depot x --name 'A b' > out"),
        ["depot", "x", "--name", "A b"]
    );
    assert_eq!(words("a '' b"), ["a", "", "b"]);
}
