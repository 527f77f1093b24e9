//! `depot`: what a person or a script does with an installation. The environment is that of the services.

mod admin_client;
mod buckets;
mod demo;
mod dlq;
mod doctor;
mod healthcheck;
mod log;
mod migrate;
mod operator;
mod outbox;
mod projection;
mod recovery;
mod restore;
mod saga;
mod settings;
mod sweep;
mod token;
mod topics;
mod trace;
mod upload;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Works with a Depot installation. Settings come from the environment and, in development, from `.env`.
#[derive(Debug, Parser)]
#[command(name = "depot", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a bearer token, and nothing else.
    Token(token::Arguments),
    /// Create roles and schemas, and apply the migrations that are pending.
    Migrate,
    /// List every migration and whether it is applied.
    MigrateStatus,
    /// Take back the newest migration of each schema. Its data is lost: refused in production.
    MigrateDown,
    /// Create the topics that are missing, and check those that are there.
    Topics,
    /// Create the buckets that are missing, with their CORS rules.
    Buckets,
    /// Send a file to an item, in parts where it is large, and go on with one that was cut off.
    Upload(upload::Arguments),
    /// Find what does not add up between object store, receipts, sagas and accounts, and mend it.
    Sweep(sweep::Arguments),
    /// Look at the whole installation, and say what is wrong and what mends it.
    Doctor(doctor::Arguments),
    /// Look at dead letters, bring them back to the group that failed, or give them up.
    Dlq(dlq::Arguments),
    /// Look at sagas, and set going what is stuck.
    Saga(saga::Arguments),
    /// Look at command-api's outbox, and resume aggregates that are parked.
    Outbox(outbox::Arguments),
    /// After the log was lost: have everything go on in a new one, and the state told to it once more.
    Log(log::Arguments),
    /// After the database was set back to an earlier point: have versions of a new epoch given out.
    Restore(restore::Arguments),
    /// Say where an item, an upload, an event or a request's key is, since when, and what it waits for.
    Trace(trace::Arguments),
    /// Look at the versions of the views, build one anew beside the one that serves, and switch.
    Projection(projection::Arguments),
    /// Drive the main job on the running services, and print how long each hop took.
    Demo(demo::Arguments),
    /// Ask a service on this host whether it is ready: the health check of containers.
    Healthcheck(healthcheck::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    depot_service::install_crypto_provider();
    match Arguments::parse().command {
        // Scripts tell its outcomes apart.
        Command::Upload(arguments) => return Ok(upload::run(&arguments).await),
        Command::Sweep(arguments) => return Ok(sweep::run(&arguments).await),
        Command::Doctor(arguments) => return Ok(doctor::run(&arguments).await),
        Command::Dlq(arguments) => return Ok(dlq::run(&arguments).await),
        Command::Saga(arguments) => return Ok(saga::run(&arguments).await),
        Command::Outbox(arguments) => return Ok(outbox::run(&arguments).await),
        Command::Log(arguments) => return Ok(log::run(&arguments).await),
        Command::Restore(arguments) => return Ok(restore::run(&arguments).await),
        Command::Trace(arguments) => return Ok(trace::run(&arguments).await),
        Command::Projection(arguments) => return Ok(projection::run(&arguments).await),
        Command::Healthcheck(arguments) => return Ok(healthcheck::run(&arguments).await),
        Command::Token(arguments) => token::run(&arguments),
        Command::Migrate => migrate::up().await,
        Command::MigrateStatus => migrate::status().await,
        Command::MigrateDown => migrate::down().await,
        Command::Topics => topics::run().await,
        Command::Buckets => buckets::run().await,
        Command::Demo(arguments) => demo::run(&arguments).await,
    }?;
    Ok(ExitCode::SUCCESS)
}
