//! What is between the services: the outbox and Kafka.

use crate::pipeline::{
    picture::{StageName, StageState, Unit},
    stage::{Crew, Judged, Verdict, World, degraded_if, figure, told, worse},
};

/// Shards of an outbox: a constant of its schema.
const SHARDS: f64 = 64.0;
/// A row is published within milliseconds. The gauge is some seconds old.
const OLD_SECONDS: f64 = 10.0;
const VERY_OLD_SECONDS: f64 = 60.0;

pub fn outbox(world: &World<'_>) -> Judged {
    let (commands, files) = (world.command_api, world.uploader);
    let both = |name| added(commands.sum(name, &[]), files.sum(name, &[]));
    let published = "depot_outbox_published_total";
    let oldest = "depot_outbox_oldest_unpublished_seconds";
    let oldest = larger(commands.max(oldest), files.max(oldest));
    let epoch = "depot_outbox_epoch_max";
    let silent = || (StageState::Down, Some("no command-api tells of it".to_owned()));
    let verdict = match commands.beats().next() {
        None => silent(),
        Some(_) => worse(of_one("command-api", commands), of_one("uploader", files)),
    };
    Judged {
        name: StageName::Outbox,
        title: "outbox",
        source: "crates/outbox/src/relay.rs",
        verdict,
        figures: vec![
            figure(
                "rows",
                "waiting",
                Unit::Count,
                both("depot_outbox_unpublished_rows"),
            ),
            figure("oldest_seconds", "oldest", Unit::Seconds, oldest),
            figure(
                "published_per_second",
                "published",
                Unit::PerSecond,
                added(commands.rate(published, &[]), files.rate(published, &[])),
            ),
            figure(
                "parked",
                "parked",
                Unit::Count,
                both("depot_outbox_parked_aggregates"),
            ),
            figure("shards_held", "shards held", Unit::Count, shards(commands)),
            figure("epoch_max", "epoch", Unit::Count, commands.max(epoch)),
        ],
        settings: Vec::new(),
        instances: Vec::new(),
    }
}

/// Of the outbox of one service.
fn of_one(service: &str, crew: Crew<'_>) -> Verdict {
    let parked = crew.sum("depot_outbox_parked_aggregates", &[]).unwrap_or(0.0);
    let is_parked = degraded_if(parked > 0.0, || {
        format!(
            "Kafka refused events of {parked} aggregates of {service} for good: they wait for `depot outbox resume`"
        )
    });
    let held = shards(crew);
    let unheld = SHARDS - held.unwrap_or(SHARDS);
    let is_unheld = degraded_if(unheld > 0.0, || {
        format!("nobody publishes {unheld} of {service}'s {SHARDS} shards")
    });
    let seconds = crew.max("depot_outbox_oldest_unpublished_seconds").unwrap_or(0.0);
    let rows = crew.sum("depot_outbox_unpublished_rows", &[]).unwrap_or(0.0);
    let waits = || format!("{rows} rows of {service} wait for Kafka, the oldest for {seconds:.0} s");
    let is_old = if seconds > VERY_OLD_SECONDS {
        (StageState::Down, Some(waits()))
    } else {
        degraded_if(seconds > OLD_SECONDS, waits)
    };
    worse(worse(is_old, is_parked), is_unheld)
}

fn shards(crew: Crew<'_>) -> Option<f64> {
    crew.sum("depot_outbox_shards_held", &[])
}

pub fn kafka(world: &World<'_>) -> Judged {
    let told = told(
        "depot_kafka_up",
        "depot_kafka_answer_seconds",
        &[world.command_api, world.projector, world.uploader],
    );
    Judged {
        name: StageName::Kafka,
        title: "Kafka",
        source: "schemas/src/topics.rs",
        verdict: told.verdict,
        figures: vec![told.answer],
        settings: Vec::new(),
        instances: Vec::new(),
    }
}

fn added(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(|one, other| one + other)
}

fn larger(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}
