use anyhow::Result;

use super::{Row, backlog::Backlog, projector_catch_up::CatchUp};
use crate::{
    bench::{Bench, Place},
    installation::backing_services,
};

const NAME: &str = "partitions";

pub const ROW: Row = Row {
    name: NAME,
    about: "A backlog of 200,000 rows drained into topics of 1, 6 and 24 partitions, and a projector that catches up over \
            100,000 events in as many. Reported; the default is 6.",
    measures: &[
        "drain-1",
        "catch-up-1",
        "drain-6",
        "catch-up-6",
        "drain-24",
        "catch-up-24",
    ],
    peers: &[],
    goals: &[],
    run: |bench| Box::pin(run(bench)),
};

async fn run(bench: &Bench) -> Result<()> {
    for partitions in [1, 6, 24] {
        let (drain, catch_up) = (format!("drain-{partitions}"), format!("catch-up-{partitions}"));
        let rows = bench.sized(50_000, 200_000) as u64;
        let mut backlog = Backlog::into_partitions(partitions, rows).await?;
        let events = bench.sized(30_000, 100_000) as u64;
        let mut projector = CatchUp::over(partitions, events).await?;
        for round in bench.rounds() {
            let place = |what| Place {
                row: NAME,
                round,
                what,
            };
            bench
                .measure(place(&drain), backing_services(), backlog.drain())
                .await?;
            bench
                .measure(place(&catch_up), backing_services(), projector.build_anew())
                .await?;
        }
    }
    Ok(())
}
