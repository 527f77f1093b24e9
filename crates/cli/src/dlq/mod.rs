//! `depot dlq`: what no handler could take, looked at, brought back, given up.

mod letter;

use std::process::ExitCode;

use clap::{ArgGroup, Subcommand};
use serde_json::{Map, Value, json};

use self::letter::{LetterName, Which};
use crate::{
    admin_client::{AdminClient, AdminError},
    help,
    operator::{self, AFTER_HELP, cell, finish, table},
};

/// Looks at dead letters, brings them back to the group that failed, or gives them up.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(AFTER_HELP, &["depot dlq list", "depot dlq redrive --group depot.saga --dry-run"]))]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List dead letters, the one that failed longest ago first.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot dlq list --group depot.saga --reason saga_fault --from 2026-01-31T12:00:00Z --json"]))]
    List {
        #[command(flatten)]
        which: Which,
        /// open, redriving, redriven, discarded, or any.
        #[arg(long, default_value = "open")]
        state: String,
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show one with its reason, headers and bytes.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot dlq show depot.saga/depot.files.v1/3/1207"]))]
    Show {
        /// As `list` prints it: GROUP/TOPIC/PARTITION/OFFSET.
        letter: LetterName,
        /// Print one JSON object, in which bytes are base64.
        #[arg(long)]
        json: bool,
    },
    /// Bring open letters back to the retry topic of the group that failed, and of no other, oldest first.
    ///
    /// Mend the cause before. What fails again is open again, with one more attempt. Asked twice, a letter is sent once.
    #[command(
        after_help = help::with_examples(AFTER_HELP, &["depot dlq redrive --group depot.saga --rate 10"]),
        group = ArgGroup::new("meant").required(true).multiple(true)
            .args(["letter", "all", "group", "topic", "reason", "key", "from", "before"]),
    )]
    Redrive {
        /// One letter, as `list` prints it.
        #[arg(conflicts_with_all = ["all", "dry_run", "rate", "group", "topic", "reason", "key", "from", "before"])]
        letter: Option<LetterName>,
        #[command(flatten)]
        which: Which,
        /// Every open letter of every group that has a retry topic.
        #[arg(long, conflicts_with_all = ["group", "topic", "reason", "key", "from", "before"])]
        all: bool,
        /// Letters a second.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        rate: u32,
        /// Only count what it would be.
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Give open letters up. They stay in their topics, and are open no more.
    #[command(
        after_help = help::with_examples(AFTER_HELP, &["depot dlq discard --key 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f --note 'made by a test'"]),
        group = ArgGroup::new("meant").required(true).multiple(true)
            .args(["letter", "group", "topic", "reason", "key", "from", "before"]),
    )]
    Discard {
        /// One letter, as `list` prints it.
        #[arg(conflicts_with_all = ["dry_run", "group", "topic", "reason", "key", "from", "before"])]
        letter: Option<LetterName>,
        #[command(flatten)]
        which: Which,
        /// Why, in words, for the audit.
        #[arg(long)]
        note: String,
        /// Only count what it would be.
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::List {
            which,
            state,
            limit,
            json,
        } => finish(*json, list(which, state, *limit).await, listed),
        Command::Show { letter, json } => finish(*json, show(letter).await, letter::shown),
        Command::Redrive {
            letter,
            which,
            rate,
            dry_run,
            json,
            ..
        } => {
            let body = json!({ "filter": which.members(), "rate": rate, "dry_run": dry_run });
            let answer = change("redrive", letter.as_ref(), &body, &Value::Object(Map::new())).await;
            finish(*json, answer, |answer| counted("redrive", answer))
        }
        Command::Discard {
            letter,
            which,
            note,
            dry_run,
            json,
        } => {
            let body = json!({ "filter": which.members(), "note": note, "dry_run": dry_run });
            let answer = change("discard", letter.as_ref(), &body, &json!({ "note": note })).await;
            finish(*json, answer, |answer| counted("discard", answer))
        }
    }
}

async fn list(which: &Which, state: &str, limit: u32) -> Result<Value, AdminError> {
    let client = AdminClient::from_settings()?;
    let mut query = which.query();
    if state != "any" {
        query.push(("state", state));
    }
    operator::pages(&client, "list dead letters", "dlq", &query, limit as usize).await
}

async fn show(letter: &LetterName) -> Result<Value, AdminError> {
    let client = AdminClient::from_settings()?;
    operator::get(&client, "show a dead letter", &letter.path(None)).await
}

/// Does `verb` with what a filter names, or with the one letter.
async fn change(
    verb: &'static str,
    letter: Option<&LetterName>,
    of_filter: &Value,
    of_one: &Value,
) -> Result<Value, AdminError> {
    let client = AdminClient::from_settings()?;
    match letter {
        Some(letter) => operator::post(&client, verb, &letter.path(Some(verb)), of_one).await,
        None => operator::post(&client, verb, &operator::path(&["dlq", verb], &[]), of_filter).await,
    }
}

fn listed(answer: &Value) -> String {
    let letters = answer["letters"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let rows = letters.iter().map(|letter| {
        [
            LetterName::of(letter),
            cell(&letter["key"]),
            cell(&letter["reason"]),
            cell(&letter["attempts"]),
            cell(&letter["failed_at"]),
            cell(&letter["state"]),
        ]
    });
    let mut text = table(["LETTER", "KEY", "REASON", "ATTEMPTS", "FAILED", "STATE"], rows);
    if answer["has_more"] == true {
        text.push_str("there are more: narrow the filter, or raise --limit\n");
    }
    text
}

fn counted(verb: &str, answer: &Value) -> String {
    let count = cell(&answer["count"]);
    match (verb, answer["dry_run"] == true) {
        (_, true) => format!("{count} open letters are meant; nothing was changed\n"),
        ("redrive", _) => format!("{count} letters go back to their groups\n"),
        (_, false) => format!("{count} letters discarded\n"),
    }
}
