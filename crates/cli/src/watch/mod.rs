//! `depot watch`: the changes of items as they reach the views, by the stream `WatchItems` of query-api.
//!
//! In order of reading: `follow.rs`, which goes on after a cut; `stream.rs`, one call; `change.rs`, what is printed.

mod change;
mod error;
mod follow;
mod stream;

use std::process::ExitCode;

use depot_service::problem::chain;
use serde_json::{Map, json};
use uuid::Uuid;

use self::{
    error::WatchError,
    follow::{Ended, Watching},
};
use crate::{help, interrupt::Interrupt, output};

const EXIT_CODES: &str = "\
Exit codes:
  0  ended: by ^C, after --count changes, or since nobody reads the output any more
  1  query-api was away for longer than --patience: --from goes on from there
  2  wrong usage
  3  changes after the token of --from are not kept any more, or it is of another installation
  4  refused: the token, its role, or a value

Where it can be gone on from is printed on standard error at the beginning and at the end; with --json every line has it. The token
comes from DEPOT_TOKEN, the address from GRPC_PUBLIC_URL.";

/// Prints a line for each change of an item, from now on or from where an earlier one ended, without gap or double.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot watch --tag blue",
    "depot watch --owner alice --count 1 --json",
]))]
pub struct Arguments {
    /// Only this item; may be given several times.
    #[arg(long = "id", value_name = "ITEM")]
    ids: Vec<Uuid>,
    /// Only items of this owner.
    #[arg(long)]
    owner: Option<String>,
    /// Only items that have this tag after the change.
    #[arg(long)]
    tag: Option<String>,
    /// Go on where an earlier one ended, which said where.
    #[arg(long, value_name = "RESUME_TOKEN")]
    from: Option<String>,
    /// End after so many changes.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How long query-api may be away.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let interrupt = Interrupt::watch();
    let mut watching = Watching::from(arguments);
    let follow = follow::follow(arguments, &mut watching);
    let ended = interrupt.token().run_until_cancelled(Box::pin(follow)).await;
    let token = watching.token.as_deref();
    match ended {
        Some(Err(error)) => fail(arguments.json, &error, token),
        Some(Ok(Ended::Unread)) => ExitCode::SUCCESS,
        Some(Ok(Ended::Counted)) | None => {
            say_where(token);
            ExitCode::SUCCESS
        }
    }
}

fn fail(is_json: bool, error: &WatchError, token: Option<&str>) -> ExitCode {
    let member = Map::from_iter([("resume_token".to_owned(), json!(token))]);
    let ended = output::fail_with(is_json, &chain(error), error.exit_code(), member);
    say_where(token);
    ended
}

fn say_where(token: Option<&str>) {
    if let Some(token) = token {
        eprintln!("to go on from here: --from {token}");
    }
}
