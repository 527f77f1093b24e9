use std::collections::BTreeMap;

use anyhow::Result;

use super::{
    Row,
    commands::{CLIENTS, Limit, best_connections, saturate, targets},
};
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::{Installation, backing_services},
    tools::vegeta,
};

const NAME: &str = "command-latency";
const PLAIN: &str = "limit-plain";
const BEST: &str = "limit-best";
const OURS: &str = "ours";

pub const ROW: Row = Row {
    name: NAME,
    about: "Latency of an accepted command at half of the rate of the slower of ours and pgbench's plain way, all \
            services running. Limits: pgbench --rate with the plain way and with the best single statement, each \
            latency from the moment it was due. Ours: vegeta at the constant rate.",
    measures: &[PLAIN, OURS, BEST],
    peers: &[],
    goals: &[goal(PLAIN), goal(BEST)],
    run: |bench| Box::pin(run(bench)),
};

const fn goal(limit: &'static str) -> Goal {
    Goal {
        ours: (OURS, "p99_ms"),
        against: (limit, "p99_ms"),
        bound: Bound::AtMost(2.0),
    }
}

async fn run(bench: &Bench) -> Result<()> {
    let installation = Installation::start(&[]).await?;
    let limit = Limit::like(&installation).await?;
    let (rate, clients) = half_rate(bench, &installation, &limit).await?;
    installation.settle().await?;
    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        let plain = limit.plain.at_rate(clients, rate, bench.steady());
        bench.measure(place(PLAIN), backing_services(), plain).await?;

        let ours = vegeta(targets(&installation), rate, bench.steady());
        bench.measure(place(OURS), installation.watched(), ours).await?;
        installation.settle().await?;

        let best = limit.best.at_rate(clients, rate, bench.steady());
        bench.measure(place(BEST), backing_services(), best).await?;
    }
    Ok(())
}

/// Half of what the slowest takes at its best, and the number of clients of the plain way at its best.
async fn half_rate(bench: &Bench, installation: &Installation, limit: &Limit) -> Result<(f64, usize)> {
    let attempt = |clients| limit.plain.saturate(clients, bench.trial());
    let clients = bench.best_clients(NAME, PLAIN, &CLIENTS, attempt).await?;
    let connections = best_connections(bench, NAME, OURS, installation).await?;
    let place = |what| Place {
        row: NAME,
        round: 0,
        what,
    };
    let ours = saturate(installation, connections, bench.steady());
    let ours = bench.measure(place("ours-at-most"), Vec::new(), ours).await?;
    let plain = limit.plain.saturate(clients, bench.steady());
    let plain = bench.measure(place("plain-at-most"), Vec::new(), plain).await?;
    let rate = |found: &BTreeMap<String, f64>| found.get("per_second").copied().unwrap_or_default();
    Ok((
        (rate(&ours.values).min(rate(&plain.values)) / 2.0).floor(),
        clients,
    ))
}
