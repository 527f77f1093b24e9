use anyhow::Result;
use depot_schemas::topics::PARTITIONS;

use super::{
    Row,
    growth::{self, Grows, fill},
    prepared_views::PreparedViews,
    projector_catch_up::CatchUp,
};
use crate::{bench::Bench, measurement::Found};

/// Sessions of psql, so that sizes are compared and not their numbers.
const SESSIONS: usize = 4;

pub const ROW: Row = growth::row::<GrownViews>(
    "projector-catch-up over 100,000 events with 1,000, 100,000 and 1,000,000 other items in the views.",
);

struct GrownViews {
    catch_up: CatchUp,
    prepared: PreparedViews,
}

impl Grows for GrownViews {
    const NAME: &'static str = "growth-of-catch-up";

    async fn with(bench: &Bench, behind: i64) -> Result<Self> {
        let mut catch_up = CatchUp::over(PARTITIONS, bench.sized(30_000, 100_000) as u64).await?;
        catch_up.build_anew().await?;
        let pool = catch_up.installation.depot.database.clone();
        let prepared = PreparedViews::of(&pool).await?;
        for pool in [pool, prepared.database.owner_pool().await] {
            fill(&pool, behind).await?;
        }
        Ok(Self { catch_up, prepared })
    }

    async fn limit(&mut self, _bench: &Bench) -> Result<Found> {
        self.prepared.upsert(SESSIONS).await
    }

    async fn ours(&mut self, _bench: &Bench) -> Result<Found> {
        self.catch_up.build_anew().await
    }
}
