use anyhow::Result;

use super::{
    Row,
    commands::{Limit, saturate},
    growth::{self, Grows, fill},
};
use crate::{bench::Bench, installation::Installation, measurement::Found, processes::Watched};

/// Of both, so that sizes are compared and not numbers of clients.
const CLIENTS: usize = 16;

pub const ROW: Row = growth::row::<Commands>(
    "accepted-commands with 1,000, 100,000 and 1,000,000 items, answers and rows of views there already; the limit is \
            the best single statement on a database with as many.",
);

struct Commands {
    installation: Installation,
    limit: Limit,
}

impl Grows for Commands {
    const NAME: &'static str = "growth-of-commands";

    async fn with(_bench: &Bench, behind: i64) -> Result<Self> {
        let installation = Installation::start(&[]).await?;
        let limit = Limit::like(&installation).await?;
        fill(&installation.depot.database, behind).await?;
        fill(&limit.database.owner_pool().await, behind).await?;
        Ok(Self { installation, limit })
    }

    async fn limit(&mut self, bench: &Bench) -> Result<Found> {
        self.limit.best.saturate(CLIENTS, bench.steady()).await
    }

    async fn ours(&mut self, bench: &Bench) -> Result<Found> {
        saturate(&self.installation, CLIENTS, bench.steady()).await
    }

    fn watched(&self) -> Vec<Watched> {
        self.installation.watched()
    }

    async fn settle(&self) -> Result<()> {
        self.installation.settle().await
    }
}
