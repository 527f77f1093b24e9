use anyhow::Result;
use depot_end_to_end::Service;
use depot_schemas::topics::PARTITIONS;

use super::{Row, commit_to_kafka::commit_to_kafka, projector_catch_up::CatchUp};
use crate::{
    bench::{Bench, Place},
    installation::{Installation, backing_services},
};

const NAME: &str = "instances";

pub const ROW: Row = Row {
    name: NAME,
    about: "commit-to-kafka with 1, 2 and 3 instances of command-api, which share the shards of the outbox, and \
            projector-catch-up over 100,000 events by 1, 2 and 3 projectors, which share the partitions. All on one machine, so \
            what is added is processes, not processors. Reported.",
    measures: &[
        "latency-of-1",
        "catch-up-by-1",
        "latency-of-2",
        "catch-up-by-2",
        "latency-of-3",
        "catch-up-by-3",
    ],
    peers: &[],
    goals: &[],
    run: |bench| Box::pin(run(bench)),
};

async fn run(bench: &Bench) -> Result<()> {
    let installation = Installation::start(&[]).await?;
    let events = bench.sized(30_000, 100_000) as u64;
    let mut projector = CatchUp::over(PARTITIONS, events).await?;
    let mut others = Vec::new();
    for instances in 1..=3 {
        if instances > 1 {
            others.push(installation.depot.start_another(Service::CommandApi).await?);
        }
        installation.settle_shards(instances).await?;
        let (latency, catch_up) = (
            format!("latency-of-{instances}"),
            format!("catch-up-by-{instances}"),
        );
        for round in bench.rounds() {
            let place = |what| Place {
                row: NAME,
                round,
                what,
            };
            let published = commit_to_kafka(&installation, bench.steady());
            bench
                .measure(place(&latency), installation.watched(), published)
                .await?;
            installation.settle().await?;
            let built = projector.build_anew_by(instances);
            bench.measure(place(&catch_up), backing_services(), built).await?;
        }
    }
    Ok(())
}
