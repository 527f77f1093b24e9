use anyhow::Result;

use super::{Row, backlog::Backlog};
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::backing_services,
};

const NAME: &str = "relay-memory";
const OURS: &str = "ours";
const DEBEZIUM: &str = "peer-debezium";

pub const ROW: Row = Row {
    name: NAME,
    about: "Memory of the process that publishes, while it drains a backlog. Ours: the most that was resident of \
            command-api (`rss_peak_bytes`: its idle base and what draining added). Peer: Debezium with the smallest heap \
            that keeps 90 % of its rate.",
    measures: &[OURS],
    peers: &[DEBEZIUM],
    goals: &[Goal {
        ours: (OURS, "rss_peak_bytes"),
        against: (DEBEZIUM, "rss_peak_bytes"),
        bound: Bound::AtMost(0.05),
    }],
    run: |bench| Box::pin(run(bench)),
};

async fn run(bench: &Bench) -> Result<()> {
    let mut backlog = Backlog::of(bench.sized(100_000, 300_000) as u64).await?;
    for round in bench.rounds() {
        let place = Place {
            row: NAME,
            round,
            what: OURS,
        };
        bench.measure(place, backing_services(), backlog.drain()).await?;
        let arguments = ["heap".to_owned(), "0.9".to_owned()];
        bench.measure_peer(NAME, round, DEBEZIUM, &arguments).await?;
    }
    Ok(())
}
