//! `depot saga`: where sagas stand, and setting a stuck one going.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    admin_client::{AdminClient, AdminError},
    help,
    operator::{self, AFTER_HELP, cell, finish, members, path, table},
};

/// Looks at sagas, and sets going what is stuck.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(AFTER_HELP, &["depot saga list --state stuck"]))]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List sagas, by name and id.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot saga list --saga upload --state running --step awaiting_file"]))]
    List {
        /// `upload` or `item_deletion`.
        #[arg(long)]
        saga: Option<String>,
        /// running, compensating, completed, compensated or stuck.
        #[arg(long)]
        state: Option<String>,
        /// The step at which it stands, for example `awaiting_file`.
        #[arg(long)]
        step: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show one: its step, what that waits for and until when, and the upload or item that it is about.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot saga show upload 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f"]))]
    Show {
        saga: String,
        id: Uuid,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Set a stuck saga going: it asks again at once, and counts its attempts anew.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot saga resume upload 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f"]))]
    Resume {
        saga: String,
        id: Uuid,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::List {
            saga,
            state,
            step,
            limit,
            json,
        } => {
            let query = [("saga", saga), ("state", state), ("step", step)];
            let query: Vec<_> = query
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.as_deref()?)))
                .collect();
            finish(*json, list(&query, *limit as usize).await, listed)
        }
        Command::Show { saga, id, json } => finish(*json, show(saga, *id).await, shown),
        Command::Resume { saga, id, json } => finish(*json, resume(saga, *id).await, |_| {
            format!("{saga} {id} goes on\n")
        }),
    }
}

async fn list(query: &[(&str, &str)], limit: usize) -> Result<Value, AdminError> {
    let client = AdminClient::from_settings()?;
    operator::pages(&client, "list sagas", "sagas", query, limit).await
}

async fn show(saga: &str, id: Uuid) -> Result<Value, AdminError> {
    let client = AdminClient::from_settings()?;
    let path = path(&["sagas", saga, &id.to_string()], &[]);
    operator::get(&client, "show a saga", &path).await
}

async fn resume(saga: &str, id: Uuid) -> Result<Value, AdminError> {
    let client = AdminClient::from_settings()?;
    let path = path(&["sagas", saga, &id.to_string(), "resume"], &[]);
    operator::post(&client, "resume a saga", &path, &json!({})).await
}

fn listed(answer: &Value) -> String {
    let sagas = answer["sagas"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = sagas.iter().map(|saga| {
        [
            "saga",
            "id",
            "state",
            "step",
            "attempts",
            "deadline",
            "updated_at",
        ]
        .map(|member| cell(&saga[member]))
    });
    let names = ["SAGA", "ID", "STATE", "STEP", "ATTEMPTS", "DEADLINE", "UPDATED"];
    let mut text = table(names, rows);
    if answer["has_more"] == true {
        text.push_str("there are more: narrow the filter, or raise --limit\n");
    }
    text
}

fn shown(saga: &Value) -> String {
    let known = [
        "saga",
        "id",
        "state",
        "step",
        "meaning",
        "deadline",
        "attempts",
        "started_at",
        "updated_at",
    ];
    let about = &saga["subject"];
    let mut text = members(saga, &known);
    if about.is_object() {
        text.push_str(&format!("about            {}\n", cell(&about["kind"])));
        text.push_str(&members(about, &["owner", "item_id", "status", "version"]));
    }
    text
}
