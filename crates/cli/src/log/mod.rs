//! `depot log`: what there is to do where the log was lost, and telling the state to it once more.

mod places;
mod progress;

use std::process::ExitCode;

use clap::Subcommand;
use depot_migrate::recovery::{self, NewLog};
use depot_service::config::KafkaConfig;
use serde_json::{Value, json};

use self::places::{Compared, compare};
use crate::{
    admin_client::{AdminClient, AdminError},
    help,
    operator::{self, members, path, table},
    recovery::{Owner, StepFailure, finish},
    settings,
};

/// Has everything go on in a log that was made anew, and the state told to it once more.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(operator::AFTER_HELP, &["depot log show"]))]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// After Kafka was lost and its topics were made anew: have the views go on at the beginning of the new log, what the
    /// outboxes still hold published into it, and the state told to it, once the services are started.
    #[command(after_help = help::with_examples(crate::recovery::AFTER_HELP, &["depot log restart --dry-run"]))]
    Restart {
        /// Even if no place of the views is outside of its log, or a service seems to be connected.
        #[arg(long)]
        force: bool,
        /// Only show where the views go on, and what the log has.
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Have the state of every item and upload told to the log once more, and wait until it is. Services run meanwhile; views that
    /// are right do not change by it.
    #[command(after_help = help::with_examples(operator::AFTER_HELP, &["depot log republish --dry-run"]))]
    Republish {
        /// Only show how much it would be.
        #[arg(long)]
        dry_run: bool,
        /// Do not wait: `show` tells how far it has come.
        #[arg(long)]
        no_wait: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show how far the state has been told once more.
    #[command(after_help = help::with_examples(operator::AFTER_HELP, &["depot log show --json"]))]
    Show {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Restart { force, dry_run, json } => {
            finish(*json, restart(*force, *dry_run).await, shown_places)
        }
        Command::Republish {
            dry_run: true, json, ..
        } => operator::finish(*json, show().await, |run| format!("{}\n", progress::amount(run))),
        Command::Republish { no_wait, json, .. } => {
            operator::finish(*json, republish(!*no_wait).await, shown_run)
        }
        Command::Show { json } => operator::finish(*json, show().await, shown_run),
    }
}

async fn restart(force: bool, dry_run: bool) -> Result<Value, StepFailure> {
    let (owner, kafka) = settings::read(|reader| (Owner::read(reader), KafkaConfig::read(reader)))?;
    let owner = owner.options()?;
    let stored = recovery::stored_places(&owner).await?;
    let compared = compare(settings::kafka_client(&kafka), stored).await?;
    let is_lost = compared.iter().any(Compared::is_outside);
    if !dry_run {
        if !is_lost && !force {
            return Err(StepFailure::NothingLost);
        }
        let logs: Vec<NewLog> = compared.iter().map(Compared::as_new).collect();
        recovery::begin_log_anew(&owner, &logs, force).await?;
    }
    let places: Vec<Value> = compared.iter().map(Compared::as_json).collect();
    Ok(json!({ "is_lost": is_lost, "dry_run": dry_run, "places": places }))
}

async fn show() -> Result<Value, AdminError> {
    let client = AdminClient::from_settings()?;
    operator::get(&client, "look at the republish", &path(&["republish"], &[])).await
}

async fn republish(wait: bool) -> Result<Value, AdminError> {
    let client = AdminClient::from_settings()?;
    let path = path(&["republish"], &[]);
    let begun = operator::post(&client, "have the state told once more", &path, &json!({})).await?;
    if wait {
        progress::follow(&client, &path, begun).await
    } else {
        Ok(begun)
    }
}

fn shown_places(restarted: &Value) -> String {
    let places = restarted["places"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let rows = places.iter().map(|place| {
        ["topic", "partition", "next_offset", "first", "end", "is_outside"]
            .map(|name| operator::cell(&place[name]))
    });
    let mut text = table(["TOPIC", "PARTITION", "NEXT", "LOG FROM", "TO", "OUTSIDE"], rows);
    text.push_str(match (&restarted["dry_run"], &restarted["is_lost"]) {
        (Value::Bool(true), Value::Bool(true)) => "the log is another one than the views have read\n",
        (Value::Bool(true), _) => "every place is inside its log\n",
        _ => "all go on at the beginning; start the services, and see `depot log show`\n",
    });
    text
}

fn shown_run(run: &Value) -> String {
    members(
        run,
        &[
            "run_id",
            "reason",
            "requested_by",
            "requested_at",
            "stage",
            "items",
            "uploads",
            "lost",
            "epoch",
            "finished_at",
        ],
    )
}
