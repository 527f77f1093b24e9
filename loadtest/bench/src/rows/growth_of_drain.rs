use anyhow::Result;

use super::{
    Row,
    backlog::Backlog,
    growth::{self, Grows},
};
use crate::{bench::Bench, measurement::Found};

/// Ten times what the other rows have behind them.
const FACTOR: i64 = 10;

pub const ROW: Row = growth::row::<Backlog>(
    "outbox-drain of 200,000 rows with 10,000, 1,000,000 and 10,000,000 published rows before them that are not \
            dropped yet.",
);

impl Grows for Backlog {
    const NAME: &'static str = "growth-of-drain";

    async fn with(bench: &Bench, behind: i64) -> Result<Self> {
        let rows = bench.sized(50_000, 200_000) as u64;
        Self::behind(behind * FACTOR, rows).await
    }

    async fn limit(&mut self, _bench: &Bench) -> Result<Found> {
        self.drain_bare().await
    }

    async fn ours(&mut self, _bench: &Bench) -> Result<Found> {
        self.drain().await
    }
}
