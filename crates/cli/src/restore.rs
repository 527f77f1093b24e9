//! `depot restore raise`: after the database was set back to an earlier point.

use std::process::ExitCode;

use clap::Subcommand;
use depot_migrate::recovery;
use serde_json::{Value, json};

use crate::{
    help,
    recovery::{AFTER_HELP, Owner, StepFailure, finish},
    settings,
};

/// Has versions of a new epoch given out, so that none of those that went with the restore comes again.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(AFTER_HELP, &["depot restore raise"]))]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Raise the restore epoch: once, after each restore of command-api's database to an earlier point, and before the services
    /// are started. They then tell the state to the log once more, and what went with the restore to be gone.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot restore raise"]))]
    Raise {
        /// Even if a service seems to be connected, as where a pooler keeps connections open.
        #[arg(long)]
        force: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Raise { force, json } => finish(*json, raise(*force).await, shown),
    }
}

async fn raise(force: bool) -> Result<Value, StepFailure> {
    let owner = settings::read(Owner::read)?.options()?;
    let raised = recovery::raise_epoch(&owner, force).await?;
    Ok(json!({ "epoch": raised.epoch, "is_another_cluster": raised.is_another_cluster }))
}

fn shown(raised: &Value) -> String {
    let mut text = format!("versions are of epoch {} from now on\n", raised["epoch"]);
    if raised["is_another_cluster"] == true {
        text.push_str("the database is in another cluster: what the outboxes hold is published once more\n");
    }
    text.push_str("start the services; `depot log show` tells how far the state has been told once more\n");
    text
}
