//! `depot load`: items from NDJSON or CSV through command-api, many at once, and again from where it was cut off.
//!
//! Each row is sent under a key that is made of the load's id and the row's number, so a row that is sent twice is one item. A
//! journal says up to which row all are settled. In order of reading: `journey.rs`; `rows.rs` with `ndjson.rs` and `csv_rows.rs`;
//! `key.rs`; `send.rs`; `journal.rs`, `failed.rs`, `progress.rs`.

mod csv_rows;
mod error;
mod failed;
mod journal;
mod journey;
mod key;
mod ndjson;
mod progress;
mod rows;
mod send;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory as _, ValueEnum, error::ErrorKind};
use depot_service::problem::chain;
use serde::Serialize;
use serde_json::{Map, json};

use self::{
    error::LoadError,
    journey::{Loaded, Plan},
    key::LoadId,
};
use crate::{help, output};

const ALL_ITEMS: u8 = 0;
const ROWS_FAILED: u8 = 3;

const EXIT_CODES: &str = "\
Exit codes:
  0    every row is an item
  1    something did not answer in time: the same command goes on from there
  2    wrong usage
  3    all rows are settled, but some were not accepted, which --failed lists; or the journal does not allow to go on
  4    refused: the token, its role, a setting, or the file itself
  130  interrupted (^C): the same command goes on from there

A row is sent under an idempotency key of the load's id and the row's number, and the journal says up to which row all are settled.
So after a kill the same command creates nothing twice, within 23 hours: that long command-api knows the keys for certain.

NDJSON has an object a line, as `depot item create --from` takes it. CSV has the names in its first row: name, description, status,
tags (with ; between them), and a column attributes.NAME for each attribute, which is a text. An empty field is left out.

The token comes from DEPOT_TOKEN, the address from COMMAND_PUBLIC_URL.";

/// Creates an item for each row of a file.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot load items.ndjson",
    "depot load items.csv --at-once 32",
    "depot load - --format csv --load-id spring --journal spring.depot-load",
]))]
pub struct Arguments {
    /// The file, or `-` for standard input.
    file: PathBuf,
    /// What the rows are; unless told, by the file's ending, and NDJSON from standard input.
    #[arg(long)]
    format: Option<Format>,
    /// Rows that are under way at once.
    #[arg(long, value_name = "ROWS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    at_once: u16,
    /// What the load is known by, instead of its content: loaded twice under one id, a row is one item.
    #[arg(long, value_name = "ID")]
    load_id: Option<LoadId>,
    /// Where to keep how far it is: FILE.depot-load unless told. From standard input nothing is kept unless told, which needs
    /// --load-id too.
    #[arg(long, value_name = "PATH")]
    journal: Option<PathBuf>,
    /// Where rows go that are not accepted, with why: FILE.depot-load.failed unless told, and load.failed from standard input.
    #[arg(long, value_name = "PATH")]
    failed: Option<PathBuf>,
    /// How long something that does not answer, or is busy, is asked again.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(..=86_400))]
    patience: u64,
    /// Go on though the load was cut off more than 23 hours ago. Rows that were under way then may become a second item.
    #[arg(long)]
    late: bool,
    /// Print what came of it as one JSON object, and nothing on the way.
    #[arg(long)]
    json: bool,
}

/// What the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A JSON object a line.
    Ndjson,
    /// Comma-separated values, with names in the first row.
    Csv,
}

impl Format {
    fn by_ending(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

impl Arguments {
    fn is_standard_input(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    /// What is to be done, or why these arguments do not go together.
    fn plan(&self) -> Result<Plan, &'static str> {
        let is_standard_input = self.is_standard_input();
        let by_ending = match is_standard_input {
            true => Some(Format::Ndjson),
            false => Format::by_ending(&self.file),
        };
        let Some(format) = self.format.or(by_ending) else {
            return Err("the file ends in none of .ndjson, .jsonl and .csv: say by --format what it is");
        };
        if is_standard_input && self.journal.is_some() && self.load_id.is_none() {
            return Err(
                "--journal needs --load-id where rows come from standard input: they are not known before they are read",
            );
        }
        let beside = |ending: &str| {
            let mut name = OsString::from(&self.file);
            name.push(ending);
            PathBuf::from(name)
        };
        let (journal, failed) = match is_standard_input {
            true => (None, PathBuf::from("load.failed")),
            false => (Some(beside(".depot-load")), beside(".depot-load.failed")),
        };
        Ok(Plan {
            file: (!is_standard_input).then(|| self.file.clone()),
            format,
            at_once: self.at_once,
            load_id: self.load_id.clone(),
            journal: self.journal.clone().or(journal),
            failed: self.failed.clone().unwrap_or(failed),
            patience: std::time::Duration::from_secs(self.patience),
            is_late_allowed: self.late,
            is_shown: !self.json,
        })
    }
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let plan = match arguments.plan() {
        Ok(plan) => plan,
        Err(error) => {
            // As clap says what is wrong with single arguments; nothing is wrong with saying it to nobody.
            let error = crate::Arguments::command().error(ErrorKind::ArgumentConflict, error);
            drop(error.print());
            return ExitCode::from(2);
        }
    };
    let mut loaded = Loaded::default();
    match journey::travel(&plan, &mut loaded).await {
        Ok(()) => {
            let exit_code = if loaded.failed == 0 {
                ALL_ITEMS
            } else {
                ROWS_FAILED
            };
            match arguments.json {
                true => output::end_json(&loaded, exit_code),
                false => output::end(&text(&plan, &loaded), exit_code),
            }
        }
        Err(error) => fail(arguments.json, &plan, &error, &loaded),
    }
}

fn text(plan: &Plan, loaded: &Loaded) -> String {
    let mut text = format!("{} items", loaded.created);
    if loaded.rows == 0 && loaded.created > 0 {
        text.push_str(", all of an earlier run");
    }
    if loaded.failed > 0 {
        let path = plan.failed.display();
        text.push_str(&format!("; {} rows were not accepted, see {path}", loaded.failed));
    }
    text.push('\n');
    text
}

fn fail(is_json: bool, plan: &Plan, error: &LoadError, loaded: &Loaded) -> ExitCode {
    let loaded_members = match json!(loaded) {
        serde_json::Value::Object(members) => members,
        _ => Map::new(),
    };
    let ended = output::fail_with(is_json, &chain(error), error.exit_code(), loaded_members);
    if !is_json && error.may_go_on() {
        eprintln!("{} items so far. {}", loaded.created, how_to_go_on(plan, loaded));
    }
    ended
}

fn how_to_go_on(plan: &Plan, loaded: &Loaded) -> String {
    match &plan.journal {
        Some(_) => "The same command goes on from there.".to_owned(),
        // Nothing is remembered, but what was done is not done again.
        None => format!(
            "The same input with --load-id {} creates none of them again.",
            loaded.load_id
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn plan(line: &str) -> Result<Plan, &'static str> {
        let parsed = crate::Arguments::try_parse_from(line.split(' ')).unwrap();
        match parsed.command {
            crate::Command::Load(arguments) => arguments.plan(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_told_follows_from_the_file() {
        let found = plan("depot load a/items.CSV").unwrap();
        assert_eq!(found.format, Format::Csv);
        assert_eq!(
            found.journal.as_deref(),
            Some(Path::new("a/items.CSV.depot-load"))
        );
        assert_eq!(found.failed, Path::new("a/items.CSV.depot-load.failed"));
        assert_eq!(plan("depot load x.jsonl").unwrap().format, Format::Ndjson);
        assert_eq!(
            plan("depot load x.csv --format ndjson").unwrap().format,
            Format::Ndjson
        );
        let piped = plan("depot load -").unwrap();
        assert_eq!(
            (piped.file, piped.format, piped.journal),
            (None, Format::Ndjson, None)
        );
    }

    #[test]
    fn what_cannot_be_known_has_to_be_told() {
        assert!(plan("depot load items.txt").is_err());
        assert!(plan("depot load - --journal j").is_err());
        assert!(plan("depot load - --journal j --load-id spring").is_ok());
    }
}
