use anyhow::Result;

use super::{Row, backlog::Backlog, growth};
use crate::{
    bench::{Bench, Place},
    installation::backing_services,
};

const NAME: &str = "growth-of-drain";
/// Ten times what the other rows have behind them.
const FACTOR: i64 = 10;

pub const ROW: Row = Row {
    name: NAME,
    about: "outbox-drain of 200,000 rows with 10,000, 1,000,000 and 10,000,000 published rows before them that are not \
            dropped yet.",
    measures: &[
        "limit-least",
        "ours-least",
        "limit-middle",
        "ours-middle",
        "limit-most",
        "ours-most",
        growth::GROWTH,
    ],
    peers: &[],
    goals: &[growth::GOAL],
    run: |bench| Box::pin(run(bench)),
};

async fn run(bench: &Bench) -> Result<()> {
    for (size, behind) in growth::sizes(bench) {
        let rows = bench.sized(50_000, 200_000) as u64;
        let mut backlog = Backlog::behind(behind * FACTOR, rows).await?;
        let (limit, ours) = (format!("limit-{size}"), format!("ours-{size}"));
        for round in bench.rounds() {
            let place = |what| Place {
                row: NAME,
                round,
                what,
            };
            bench
                .measure(place(&limit), backing_services(), backlog.drain_bare())
                .await?;
            bench
                .measure(place(&ours), backing_services(), backlog.drain())
                .await?;
        }
    }
    growth::compare(bench, NAME).await
}
