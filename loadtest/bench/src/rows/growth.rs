//! What the rows about growth have in common: the same measure at several sizes, and how much dearer the largest is.

use anyhow::{Context as _, Result};

use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    measurement::Found,
};

/// The measure that says how many times the rate at the smallest size is that of the largest.
pub const GROWTH: &str = "growth";

/// Ours may grow dearer by 1.2 times as much as the bare measure does.
pub const GOAL: Goal = Goal {
    ours: (GROWTH, "ours"),
    against: (GROWTH, "limit"),
    bound: Bound::AtMost(1.2),
};

/// Rows behind what is measured, and how that is called in the names of measures.
pub fn sizes(bench: &Bench) -> [(&'static str, i64); 3] {
    match bench.quick {
        true => [("least", 1_000), ("middle", 10_000), ("most", 100_000)],
        false => [("least", 1_000), ("middle", 100_000), ("most", 1_000_000)],
    }
}

/// Compares `limit-least` with `limit-most`, and `ours-least` with `ours-most`, of every round.
pub async fn compare(bench: &Bench, row: &str) -> Result<()> {
    for round in bench.rounds() {
        let rate = |what: &str| {
            let found = bench.results.read(row, round, what)?;
            let found = found.with_context(|| format!("{what} of round {round} is missing"))?;
            found.values.get("per_second").copied().context("no rate")
        };
        let growth = Found::values([
            ("limit", rate("limit-least")? / rate("limit-most")?),
            ("ours", rate("ours-least")? / rate("ours-most")?),
        ]);
        let place = Place {
            row,
            round,
            what: GROWTH,
        };
        bench.measure(place, Vec::new(), async { Ok(growth) }).await?;
    }
    Ok(())
}
