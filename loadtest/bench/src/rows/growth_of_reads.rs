use anyhow::Result;

use super::{
    Row,
    growth::{self, Grows},
    item_over_redis::Reads,
    items::fill_view,
};
use crate::{bench::Bench, measurement::Found, processes::Watched};

/// Of both, so that sizes are compared and not numbers of clients.
const CLIENTS: usize = 16;

pub const ROW: Row =
    growth::row::<Reads>("item-over-redis with 1,000, 100,000 and 1,000,000 items in the view.");

impl Grows for Reads {
    const NAME: &'static str = "growth-of-reads";

    async fn with(_bench: &Bench, behind: i64) -> Result<Self> {
        let reads = Self::new().await?;
        fill_view(&reads.installation, behind).await?;
        Ok(reads)
    }

    async fn limit(&mut self, bench: &Bench) -> Result<Found> {
        self.bare(CLIENTS, bench.sized(100_000, 400_000)).await
    }

    async fn ours(&mut self, bench: &Bench) -> Result<Found> {
        self.over_rest(CLIENTS, bench.steady()).await
    }

    fn watched(&self) -> Vec<Watched> {
        self.installation.watched()
    }
}
