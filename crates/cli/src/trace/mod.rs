//! `depot trace`: where an item, an upload, an event, or what a request asked for is, since when, and what it waits for.
//!
//! It asks the stores themselves, and no service: the one that does not answer may be what is looked for. Nothing is
//! written: the role in the database has no right to, Redis is only read, and the clients of Kafka are members of no
//! group and commit nothing. What does not answer is told as that, and the rest is looked at all the same.
//!
//! `subject.rs` finds what an id names, `survey.rs` asks the stores, each in a file of its own, in the order in which an event
//! passes them, and `verdict.rs` says what follows.

mod cache;
mod database;
mod dead_letters;
mod events;
mod groups;
mod hop;
mod keys;
mod log;
mod moment;
mod named_event;
mod outbox;
mod parked;
mod partitioner;
mod print;
mod receipts;
mod saga;
mod search;
mod state;
mod subject;
mod survey;
mod verdict;
mod views;

use std::{process::ExitCode, time::Duration};

use serde::Serialize;
use time::OffsetDateTime;

use self::{
    database::Database,
    hop::{Hop, HopState, NotSeen},
    log::Log,
    subject::Subject,
    verdict::{Standing, Verdict},
};
use crate::{help, output};

const SETTLED: u8 = 0;
const NOT_ALL_SEEN: u8 = 1;
const NOT_THERE: u8 = 3;
const ON_ITS_WAY: u8 = 5;
const STUCK: u8 = 6;

const AFTER_HELP: &str = "\
Exit codes:
  0  found, and nothing is waited for
  1  something could not be looked at; of what was, nothing needs a person
  2  wrong usage
  3  nothing here has this id
  5  on its way: something is waited for that comes by itself
  6  stuck: a person has to do something; the last line says what

An id that names an item or an upload is not looked for among events, unless --kind says so; among idempotency keys of
everybody for a second only, unless --principal names one.

The database is asked as OPERATOR_DATABASE_URL says, a role that only reads; Kafka and Redis by the settings of the
services (KAFKA_BROKERS, TOPIC_PREFIX, REDIS_ADDR, REDIS_KEY_PREFIX and so on). Nothing is changed anywhere.";

/// Says where something is: follows an item, an upload, an event or an idempotency key through all stores.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(AFTER_HELP, &[
    "depot trace 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f",
    "depot trace order-4711 --kind key --principal alice",
]))]
pub struct Arguments {
    /// The id of an item, an upload or an event (`ce_id`), or an idempotency key.
    id: String,
    /// Look for this only.
    #[arg(long)]
    kind: Option<Kind>,
    /// Whose idempotency key it is: the subject of the token that sent it.
    #[arg(long, value_name = "SUB")]
    principal: Option<String>,
    /// How long the log is read at most, each time that an event is looked for in it.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    scan_seconds: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What an id may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Item,
    Upload,
    Event,
    /// An idempotency key.
    Key,
}

/// Whom to ask.
struct Stores {
    /// The database, where unqualified names are those of the schema `command`.
    command: Database,
    /// The same for `uploader`.
    uploader: Database,
    log: Log,
    /// How long the log is read for an event.
    scan: Duration,
}

/// One thing that the id names, and how it stands.
struct Traced {
    subject: Subject,
    hops: Vec<Hop>,
    verdict: Verdict,
}

/// All that was found.
struct Report {
    id: String,
    traced: Vec<Traced>,
    not_seen: Vec<NotSeen>,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let report = trace(arguments).await;
    let exit_code = exit_code(&report);
    match arguments.json {
        true => output::end_json(&print::json(&report, exit_code), exit_code),
        false => output::end(&print::text(&report, OffsetDateTime::now_utc()), exit_code),
    }
}

async fn trace(arguments: &Arguments) -> Report {
    let (command, log) = tokio::join!(Database::open("command"), Log::open());
    let uploader = command.beside("uploader").await;
    let mut stores = Stores {
        command,
        uploader,
        log,
        scan: Duration::from_secs(arguments.scan_seconds),
    };
    let principal = arguments.principal.as_deref();
    let found = subject::find(&mut stores, &arguments.id, arguments.kind, principal).await;
    let mut traced = Vec::new();
    for subject in found.subjects {
        let hops = survey::hops(&mut stores, &subject).await;
        let verdict = verdict::of(&subject.title, &hops, OffsetDateTime::now_utc());
        traced.push(Traced {
            subject,
            hops,
            verdict,
        });
    }
    stores.log.close().await;
    Report {
        id: arguments.id.clone(),
        traced,
        not_seen: found.not_seen,
    }
}

fn exit_code(report: &Report) -> u8 {
    let stands = |standing| {
        let mut traced = report.traced.iter();
        traced.any(|traced| traced.verdict.standing == standing)
    };
    let is_unseen = |traced: &Traced| traced.hops.iter().any(|hop| hop.state == HopState::Unknown);
    let is_all_seen = report.not_seen.is_empty() && !report.traced.iter().any(is_unseen);
    match report.traced.is_empty() {
        _ if stands(Standing::Stuck) => STUCK,
        _ if !is_all_seen => NOT_ALL_SEEN,
        true => NOT_THERE,
        false if stands(Standing::OnItsWay) => ON_ITS_WAY,
        false => SETTLED,
    }
}
