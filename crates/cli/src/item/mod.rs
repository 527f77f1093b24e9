//! `depot item`: items by the public APIs, one at a time. Writes go to command-api under an idempotency key, reads to query-api.

pub mod asking;
pub mod content;
mod create;
mod delete;
pub mod error;
pub mod get;
mod history;
mod list;
pub mod pages;
pub mod print;
mod update;
pub mod write;

use std::process::ExitCode;

use clap::Subcommand;

pub use print::what;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  no answer that counts, or the views do not have that version yet: the same command may be given again
  2  wrong usage
  3  there is no such item, it is deleted, or it is of another version by now
  4  refused: the token, its role, or a value

The token comes from DEPOT_TOKEN (`depot token`), the addresses from COMMAND_PUBLIC_URL and QUERY_PUBLIC_URL.";

/// Creates, shows, lists, changes and deletes items.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::with_examples(EXIT_CODES, &[
    "depot item create --name 'A bicycle' --tag blue",
    "depot item list --tag blue",
]))]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create an item, and print it.
    Create(create::Arguments),
    /// Show an item, in a version that you have seen or a later one.
    Get(get::Arguments),
    /// List items by filters, the newest first.
    List(list::Arguments),
    /// Change some of an item, or replace all of its content, and print it.
    Update(update::Arguments),
    /// Delete an item. Its files go with it; its history stays.
    Delete(delete::Arguments),
    /// Show who changed an item, when, to which version; the newest change first.
    History(history::Arguments),
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Create(arguments) => create::run(arguments).await,
        Command::Get(arguments) => get::run(arguments).await,
        Command::List(arguments) => list::run(arguments).await,
        Command::Update(arguments) => update::run(arguments).await,
        Command::Delete(arguments) => delete::run(arguments).await,
        Command::History(arguments) => history::run(arguments).await,
    }
}
