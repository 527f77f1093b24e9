use std::time::Duration;

use anyhow::{Context as _, Result};
use depot_end_to_end::Service;

use super::{
    Row,
    commands::{best_connections, saturate, targets},
};
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::Installation,
    measurement::{Found, Use},
    processes::Watch,
    tools::vegeta,
};

const NAME: &str = "cpu-and-memory";
const BUDGET: &str = "budget";
const OURS: &str = "ours";
const IDLE: Duration = Duration::from_secs(5);
const MIB: f64 = 1024.0 * 1024.0;

pub const ROW: Row = Row {
    name: NAME,
    about: "What a command costs all services from its acceptance until the views have it, in microseconds of processor time, \
            at a third of the top rate; and the resident memory of each service idle, as started, and at its peak under \
            that load. The budget is 40 MiB each, idle.",
    measures: &[BUDGET, OURS],
    peers: &[],
    goals: &[
        goal("command-api.idle_bytes"),
        goal("projector.idle_bytes"),
        goal("query-api.idle_bytes"),
        goal("uploader.idle_bytes"),
    ],
    run: |bench| Box::pin(run(bench)),
};

const fn goal(figure: &'static str) -> Goal {
    Goal {
        ours: (OURS, figure),
        against: (BUDGET, "idle_bytes"),
        bound: Bound::AtMost(1.0),
    }
}

async fn run(bench: &Bench) -> Result<()> {
    let rate = rate(bench).await?;
    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        let budget = async { Ok(Found::values([("idle_bytes", 40.0 * MIB)])) };
        bench.measure(place(BUDGET), Vec::new(), budget).await?;
        bench.measure(place(OURS), Vec::new(), whole(bench, rate)).await?;
    }
    Ok(())
}

async fn rate(bench: &Bench) -> Result<f64> {
    let installation = Installation::start(&[]).await?;
    let connections = best_connections(bench, NAME, OURS, &installation).await?;
    let top = Place {
        row: NAME,
        round: 0,
        what: "ours-at-most",
    };
    let most = saturate(&installation, connections, bench.steady());
    let most = bench.measure(top, Vec::new(), most).await?;
    Ok((most.values.get("per_second").context("no rate")? / 3.0).floor())
}

/// An installation of its own, so that idle is as started.
async fn whole(bench: &Bench, rate: f64) -> Result<Found> {
    let installation = Installation::start(&[]).await?;
    tokio::time::sleep(IDLE).await;
    let watch = Watch::start(installation.watched())?;
    let load = vegeta(targets(&installation), rate, bench.steady()).await?;
    installation.settle().await?;
    let uses = watch.end()?;
    let commands = rate * bench.steady().as_secs_f64();
    let mut found = Found::values([
        ("rate", rate),
        ("refused", load.get("refused")?),
        ("services_cpu_us_per_command", 0.0),
    ]);
    let per_command = |used: &Use| used.cpu_seconds * 1e6 / commands;
    let mut all = 0.0;
    for service in Service::ALL {
        let used = uses.get(service.name()).context("all services were watched")?;
        all += per_command(used);
        let name = |what: &str| format!("{}.{what}", service.name());
        found = found
            .and(&name("idle_bytes"), used.rss_before_bytes as f64)
            .and(&name("loaded_bytes"), used.rss_peak_bytes as f64)
            .and(&name("cpu_us_per_command"), per_command(used));
    }
    for server in ["postgres", "kafka", "redis"] {
        if let Some(used) = uses.get(server) {
            found = found.and(&format!("{server}.cpu_us_per_command"), per_command(used));
        }
    }
    found = found.and("services_cpu_us_per_command", all);
    found.processes = uses;
    Ok(found)
}
