//! `depot projection`: the versions of the views. One serves; another one is built beside it from the whole log, compared with
//! it, and switched to; the old one stands by until it is dropped.
//!
//! In order of reading: `rebuild.rs`, `checksum.rs`, `switch.rs`, `rollback.rs`, `drop.rs`, `status.rs`; `api.rs` is what the
//! projector is asked for.

mod api;
mod checksum;
mod drop;
mod progress;
mod rebuild;
mod rollback;
mod status;
mod switch;

use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use self::api::Projector;
use crate::{admin_client::AdminError, help, operator, output};

const AFTER_HELP: &str = "\
Exit codes:
  0  done; of rebuild: built, and every row is as in the one that serves
  1  no answer that counts: the same command may be given again, and goes on
  2  wrong usage
  3  there is no such thing, or its state does not allow it; of rebuild: rows differ, or an event cannot be applied
  4  refused: the token, its role, or a value

The token comes from DEPOT_TOKEN and needs the role admin (`depot token --role admin`), the address from PROJECTOR_ADMIN_URL:
the admin port of any projector of the release whose views are to be built. What each state means, and when to do what, is in
docs/operations.md.";

/// Looks at the versions of the views, builds one anew beside the one that serves, and switches.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(AFTER_HELP, &["depot projection status", "depot projection rebuild"]))]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all versions: their states, how far each is, and what it could not apply.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot projection status --rows"]))]
    Status {
        /// Count the rows of each view, which reads them all.
        #[arg(long)]
        rows: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Build a new version from the whole log, beside the one that serves, and compare the two. Goes on with one that is being
    /// built; interrupted, the building goes on without it.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot projection rebuild"]))]
    Rebuild {
        /// Pass events that cannot be applied, though the version that serves has applied them. See `status` first.
        #[arg(long)]
        skip_poison: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Answer readers from a version that was built, once it is as far as the one that serves.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot projection switch 2 --wait 60"]))]
    Switch {
        projection: i32,
        /// Also where the two were not compared, or differ on purpose.
        #[arg(long)]
        accept_differences: bool,
        /// Try for so long, where it is behind.
        #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3_600))]
        wait: u64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Answer readers from the version that served before.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot projection rollback --wait 60"]))]
    Rollback {
        /// Try for so long, where it is behind.
        #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3_600))]
        wait: u64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Feed a version no more that does not serve, and remove its rows. Goes on where it was interrupted.
    #[command(after_help = help::with_examples(AFTER_HELP, &["depot projection drop 1"]))]
    Drop {
        projection: i32,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Status { rows, json } => finish(*json, status::run(*rows).await, status::text),
        Command::Rebuild { skip_poison, json } => {
            finish(*json, rebuild::run(*skip_poison).await, rebuild::text)
        }
        Command::Switch {
            projection,
            accept_differences,
            wait,
            json,
        } => {
            let switched = switch::run(*projection, *accept_differences, *wait).await;
            finish(*json, switched, switch::text)
        }
        Command::Rollback { wait, json } => finish(*json, rollback::run(*wait).await, switch::text),
        Command::Drop { projection, json } => finish(*json, drop::run(*projection).await, drop::text),
    }
}

/// What a command has to say, and whether it did all that it was for.
struct Outcome<T> {
    answer: T,
    is_complete: bool,
}

impl<T> Outcome<T> {
    fn complete(answer: T) -> Self {
        Self {
            answer,
            is_complete: true,
        }
    }
}

/// Prints the outcome, as one line of JSON or by `text`, and ends.
fn finish<T: Serialize>(
    is_json: bool,
    outcome: Result<Outcome<T>, AdminError>,
    text: impl FnOnce(&T) -> String,
) -> ExitCode {
    let Outcome { answer, is_complete } = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return operator::fail(is_json, &error),
    };
    let exit_code = if is_complete { 0 } else { operator::NOT_SO };
    match is_json {
        true => output::end_json(&answer, exit_code),
        false => output::end(&text(&answer), exit_code),
    }
}
