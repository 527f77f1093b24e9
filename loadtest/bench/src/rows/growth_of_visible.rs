use anyhow::Result;

use super::{
    Row,
    bare_hops::BareHops,
    command_to_visible::visible,
    growth::{self, Figure, Grows, fill},
};
use crate::{bench::Bench, installation::Installation, measurement::Found, processes::Watched};

/// Commands a second: few enough for any machine.
const RATE: f64 = 100.0;

pub const ROW: Row = growth::row::<Visible>(
    "command-to-visible at 100 commands a second with 1,000, 100,000 and 1,000,000 items, answers and rows of views \
            there already; the bare hops on a database with as many.",
);

struct Visible {
    installation: Installation,
    hops: BareHops,
}

impl Grows for Visible {
    const NAME: &'static str = "growth-of-visible";
    const FIGURE: Figure = Figure::P50;

    async fn with(_bench: &Bench, behind: i64) -> Result<Self> {
        let (installation, hops) = (Installation::start(&[]).await?, BareHops::new().await?);
        fill(&installation.depot.database, behind).await?;
        fill(&hops.database.owner_pool().await, behind).await?;
        Ok(Self { installation, hops })
    }

    async fn limit(&mut self, bench: &Bench) -> Result<Found> {
        self.hops.one_after_the_other(bench.steady()).await
    }

    async fn ours(&mut self, bench: &Bench) -> Result<Found> {
        visible(&self.installation, RATE, bench.steady()).await
    }

    fn watched(&self) -> Vec<Watched> {
        self.installation.watched()
    }

    async fn settle(&self) -> Result<()> {
        self.installation.settle().await
    }
}
