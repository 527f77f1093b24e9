//! `depot-bench`: measures this system, the limits of what it stands on, and what others offer, in alternation.
//!
//! The backing services come from the environment, as tests have them: loadtest/bench.sh starts some of its own.

mod bare;
mod bench;
mod events;
mod goal;
mod installation;
mod kafka;
mod latencies;
mod load;
mod measurement;
mod peers;
mod processes;
mod profiles;
mod report;
mod rows;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use self::{
    bench::Bench,
    measurement::Results,
    rows::{GROWTH, ROWS, Row},
};

/// Measures this system, the limits of what it stands on, and what others offer, in alternation.
#[derive(Debug, Parser)]
#[command(name = "depot-bench", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name the rows, and what each measures.
    List,
    /// Measure rows, and write the report.
    Run(Run),
    /// Write summary, table and page from what was measured.
    Report(Report),
    /// A limit: produces what comes as a binary COPY, to a topic.
    #[command(hide = true)]
    BareProducer { topic: String },
    /// A limit: gives the answer that lies in a file to whoever has a token.
    #[command(hide = true)]
    BareRest { port: u16, answer: PathBuf },
    /// A limit: the same over gRPC, for an item.
    #[command(hide = true)]
    BareGrpc { port: u16, item: PathBuf },
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Only these, with commas between them.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// The rows that show how cost grows, instead of all the others.
    #[arg(long)]
    growth: bool,
    /// A short first reading: one round, small sizes.
    #[arg(long)]
    quick: bool,
    /// How often each measure is taken.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// In how many of the rounds peers are measured: each takes minutes.
    #[arg(long, default_value_t = 1)]
    peer_rounds: u32,
    /// Take flame graphs of the services meanwhile: loadtest/results/quick/profiles. It takes time from them, so it is for
    /// first readings alone.
    #[arg(long, requires = "quick")]
    profile: bool,
    /// Go on where a run ended, instead of measuring the rows anew.
    #[arg(long)]
    resume: bool,
}

#[derive(Debug, clap::Args)]
struct Report {
    /// Of the first reading.
    #[arg(long)]
    quick: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    depot_service::install_crypto_provider();
    match Arguments::parse().command {
        Command::List => {
            for row in ROWS.iter().chain(GROWTH) {
                println!(
                    "{}\n    {}\n    depot-bench run --rows {}",
                    row.name, row.about, row.name
                );
            }
            Ok(())
        }
        // What was started for a measurement ends with it, so a signal ends nothing else.
        Command::Run(arguments) => tokio::select! {
            ended = run(arguments) => ended,
            interrupted = interrupted() => {
                interrupted?;
                bail!("interrupted; --resume goes on from what was measured")
            }
        },
        Command::BareProducer { topic } => {
            let brokers = depot_test_stack::settings().kafka_brokers();
            let produce = move || kafka::bare_producer(std::io::stdin().lock(), brokers, &topic);
            println!("{}", tokio::task::spawn_blocking(produce).await??);
            Ok(())
        }
        Command::BareGrpc { port, item } => bare::serve_grpc(port, &item).await,
        Command::BareRest { port, answer } => bare::serve_rest(port, &answer).await,
        Command::Report(arguments) => report::write(&results(arguments.quick), &page(arguments.quick)),
    }
}

/// Returns at the first signal that asks the process to end.
async fn interrupted() -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn run(arguments: Run) -> Result<()> {
    ensure!(arguments.rounds > 0, "--rounds is at least 1");
    let rows = chosen(&arguments)?;
    if arguments.profile {
        profiles::ask();
    }
    let bench = Bench {
        results: results(arguments.quick),
        rounds: if arguments.quick { 1 } else { arguments.rounds },
        peer_rounds: if arguments.quick { 0 } else { arguments.peer_rounds },
        quick: arguments.quick,
    };
    kafka::warm_up(bench.warm_up()).await.context("warm Kafka up")?;
    let mut failed = Vec::new();
    for row in rows {
        if !arguments.resume {
            bench.results.clear(row.name)?;
        }
        if bench.is_complete(row)? {
            continue;
        }
        // A row that cannot be measured does not keep the others from it.
        if let Err(error) = (row.run)(&bench).await {
            eprintln!("{}: {error:#}", row.name);
            failed.push(row.name);
        }
    }
    report::write(&bench.results, &page(arguments.quick))?;
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

fn chosen(arguments: &Run) -> Result<Vec<&'static Row>> {
    if arguments.rows.is_empty() {
        return Ok(if arguments.growth { GROWTH } else { ROWS }.iter().collect());
    }
    let find = |name: &String| {
        let row = ROWS.iter().chain(GROWTH).find(|row| row.name == name);
        row.with_context(|| format!("no row is called {name}: see `depot-bench list`"))
    };
    arguments.rows.iter().map(find).collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A first reading is kept apart, so that it is never taken for a result.
fn results(quick: bool) -> Results {
    let folder = repository().join("loadtest/results");
    Results(if quick { folder.join("quick") } else { folder })
}

/// Where the page goes, with its plots beside it.
fn page(quick: bool) -> PathBuf {
    if quick {
        return results(true).0.join("performance-report.md");
    }
    repository().join("docs/performance-report.md")
}
