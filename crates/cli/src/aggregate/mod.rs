//! `depot aggregate`: declared aggregates by the public APIs, whatever they are called. What is there depends on what the
//! installation declares (`docs/your-own-aggregate.md`); the tool asks for it by its name in the path.

mod body;
mod create;
mod list;
mod perform;
mod print;
mod show;

use std::process::ExitCode;

use clap::Subcommand;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  no answer that counts, or the views do not have that version yet: the same command may be given again
  2  wrong usage
  3  there is no such thing or no such command, its state does not allow it, or it is of another version by now
  4  refused: the token, its role, or a value

The token comes from DEPOT_TOKEN (`depot token`), the addresses from COMMAND_PUBLIC_URL and QUERY_PUBLIC_URL.";

/// Creates, shows and lists what declared aggregates have, and gives them commands.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::with_examples(EXIT_CODES, &[
    "depot aggregate create orders --body '{\"customer\": \"alice\"}'",
    "depot aggregate list orders",
]))]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create one, and print it.
    Create(create::Arguments),
    /// Give one a command, and print it as it is then.
    Do(perform::Arguments),
    /// Show one, in a version that you have seen or a later one.
    Show(show::Arguments),
    /// List your own, the newest first.
    List(list::Arguments),
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Create(arguments) => create::run(arguments).await,
        Command::Do(arguments) => perform::run(arguments).await,
        Command::Show(arguments) => show::run(arguments).await,
        Command::List(arguments) => list::run(arguments).await,
    }
}
