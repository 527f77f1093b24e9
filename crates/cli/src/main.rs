//! `depot`: what a person or a script does with an installation. The environment is that of the services.
//!
//! A file or folder a command. What they share: `rest/` and `admin_client.rs` ask the services, `output.rs` and `help.rs` are the
//! one style in which they end and explain themselves, held to it by `style.rs`.

mod admin_client;
mod aggregate;
mod buckets;
mod completions;
mod demo;
mod dlq;
mod doctor;
mod healthcheck;
mod help;
mod interrupt;
mod item;
mod load;
mod log;
mod migrate;
mod operator;
mod outbox;
mod output;
mod projection;
mod recovery;
mod rest;
mod restore;
mod saga;
mod settings;
#[cfg(test)]
mod style;
mod sweep;
mod token;
mod topics;
mod trace;
mod upload;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::{
    help::{EXIT_CODES, with_examples},
    output::{OnlyJson, finish},
};

const AFTER_HELP: &str = "\
Exit codes of every command:
  0    done
  1    not done, or no answer that counts: mostly, the same command may be given again
  2    wrong usage
  3    there is no such thing, or its state does not allow it
  4    refused: the token, its role, a setting, or a value
  130  interrupted (^C), where that does not end it in order
`sweep`, `doctor` and `trace` have some of their own; each command's --help has its codes.

With --json, standard output is one JSON object, or one a line where the end is not known before; what else there is to say goes to
standard error. Nothing is coloured that is no terminal, nor with NO_COLOR. docs/tool.md has all commands.";

/// Works with a Depot installation. Settings come from the environment and, in development, from `.env`.
#[derive(Debug, Parser)]
#[command(
    name = "depot", version, arg_required_else_help = true,
    after_help = with_examples(AFTER_HELP, &[
        "depot item create --name 'A bicycle' --tag blue",
        "depot load items.ndjson",
        "depot doctor",
    ]),
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a bearer token, and nothing else.
    Token(token::Arguments),
    /// Create, show, list, change and delete items.
    Item(item::Arguments),
    /// Create, show and list what declared aggregates have, and give them commands.
    Aggregate(aggregate::Arguments),
    /// Follow the changes of items as they reach the views, and go on after a cut without gap or double.
    Watch(watch::Arguments),
    /// Import items from NDJSON or CSV, and go on with an import that was cut off without creating one twice.
    Load(load::Arguments),
    /// Send a file to an item, in parts where it is large, and go on with one that was cut off.
    Upload(upload::Arguments),
    /// Create roles and schemas, and apply the migrations that are pending.
    #[command(after_help = with_examples(EXIT_CODES, &["depot migrate"]))]
    Migrate(OnlyJson),
    /// List every migration and whether it is applied.
    #[command(after_help = with_examples(EXIT_CODES, &["depot migrate-status --json"]))]
    MigrateStatus(OnlyJson),
    /// Take back the newest migration of each schema. Its data is lost: refused in production.
    #[command(after_help = with_examples(EXIT_CODES, &["depot migrate-down"]))]
    MigrateDown(OnlyJson),
    /// Create the topics that are missing, and check those that are there.
    #[command(after_help = with_examples(EXIT_CODES, &["depot topics"]))]
    Topics(OnlyJson),
    /// Create the buckets that are missing, with their CORS rules.
    #[command(after_help = with_examples(EXIT_CODES, &["depot buckets"]))]
    Buckets(OnlyJson),
    /// Look at the whole installation, and say what is wrong and what mends it.
    Doctor(doctor::Arguments),
    /// Say where an item, an upload, an event or a request's key is, since when, and what it waits for.
    Trace(trace::Arguments),
    /// Find what does not add up between object store, receipts, sagas and accounts, and mend it.
    Sweep(sweep::Arguments),
    /// Look at dead letters, bring them back to the group that failed, or give them up.
    Dlq(dlq::Arguments),
    /// Look at sagas, and set going what is stuck.
    Saga(saga::Arguments),
    /// Look at command-api's outbox, and resume aggregates that are parked.
    Outbox(outbox::Arguments),
    /// Look at the versions of the views, build one anew beside the one that serves, and switch.
    Projection(projection::Arguments),
    /// After the log was lost: have everything go on in a new one, and the state told to it once more.
    Log(log::Arguments),
    /// After the database was set back to an earlier point: have versions of a new epoch given out.
    Restore(restore::Arguments),
    /// Drive the main job on the running services, and print how long each hop took.
    Demo(demo::Arguments),
    /// Ask a service on this host whether it is ready: the health check of containers.
    Healthcheck(healthcheck::Arguments),
    /// Print what a shell needs to complete commands and options.
    Completions(completions::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    depot_service::install_crypto_provider();
    match Arguments::parse().command {
        Command::Token(arguments) => token::run(&arguments),
        Command::Item(arguments) => item::run(&arguments).await,
        Command::Aggregate(arguments) => aggregate::run(&arguments).await,
        Command::Watch(arguments) => watch::run(&arguments).await,
        Command::Load(arguments) => load::run(&arguments).await,
        Command::Upload(arguments) => upload::run(&arguments).await,
        Command::Migrate(OnlyJson { json }) => finish(json, migrate::up().await, migrate::applied_text),
        Command::MigrateStatus(OnlyJson { json }) => {
            finish(json, migrate::status().await, migrate::status_text)
        }
        Command::MigrateDown(OnlyJson { json }) => finish(json, migrate::down().await, migrate::status_text),
        Command::Topics(OnlyJson { json }) => topics::run(json).await,
        Command::Buckets(OnlyJson { json }) => finish(json, buckets::run().await, buckets::text),
        Command::Doctor(arguments) => doctor::run(&arguments).await,
        Command::Trace(arguments) => trace::run(&arguments).await,
        Command::Sweep(arguments) => sweep::run(&arguments).await,
        Command::Dlq(arguments) => dlq::run(&arguments).await,
        Command::Saga(arguments) => saga::run(&arguments).await,
        Command::Outbox(arguments) => outbox::run(&arguments).await,
        Command::Projection(arguments) => projection::run(&arguments).await,
        Command::Log(arguments) => log::run(&arguments).await,
        Command::Restore(arguments) => restore::run(&arguments).await,
        Command::Demo(arguments) => demo::run(&arguments).await,
        Command::Healthcheck(arguments) => healthcheck::run(&arguments).await,
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
    }
}
