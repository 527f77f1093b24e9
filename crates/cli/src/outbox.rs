//! `depot outbox`: what waits to be published, and resuming what Kafka refused.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    admin_client::{AdminClient, AdminError},
    help,
    operator::{self, AFTER_HELP, cell, finish, members, path, table},
};

/// Looks at command-api's outbox, and resumes aggregates that are parked.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(AFTER_HELP, &["depot outbox show"]))]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how much waits, since when, and what is parked because Kafka refused it.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot outbox show --json"]))]
    Show {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Have a parked aggregate's events published, in order. What Kafka refuses again is parked again.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot outbox resume 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f"]))]
    Resume {
        /// The aggregate's id, as `show` prints it.
        aggregate: Uuid,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Show { json } => finish(*json, show().await, shown),
        Command::Resume { aggregate, json } => finish(*json, resume(*aggregate).await, |_| {
            format!("{aggregate} will be published\n")
        }),
    }
}

async fn show() -> Result<Value, AdminError> {
    let client = AdminClient::from_settings()?;
    operator::get(&client, "show the outbox", &path(&["outbox"], &[])).await
}

async fn resume(aggregate: Uuid) -> Result<Value, AdminError> {
    let client = AdminClient::from_settings()?;
    let path = path(&["outbox", "parked", &aggregate.to_string(), "resume"], &[]);
    operator::post(&client, "resume an aggregate", &path, &json!({})).await
}

fn shown(outbox: &Value) -> String {
    let mut text = members(outbox, &["rows", "is_capped", "oldest_at"]);
    let parked = outbox["parked"].as_array().map(Vec::as_slice).unwrap_or_default();
    if parked.is_empty() {
        text.push_str("nothing is parked\n");
        return text;
    }
    let rows = parked.iter().map(|one| {
        [
            "aggregate_id",
            "rows",
            "parked_at",
            "is_resume_requested",
            "reason",
        ]
        .map(|m| cell(&one[m]))
    });
    text.push_str(&table(["PARKED", "ROWS", "SINCE", "RESUMING", "REASON"], rows));
    text
}
