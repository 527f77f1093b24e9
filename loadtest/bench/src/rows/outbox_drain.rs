use anyhow::Result;

use super::{Row, backlog::Backlog};
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::backing_services,
};

const NAME: &str = "outbox-drain";
const LIMIT: &str = "limit";
const OURS: &str = "ours";
const DEBEZIUM: &str = "peer-debezium";
const WATERMILL: &str = "peer-watermill";
const PLAIN: &str = "peer-plain-relay";

pub const ROW: Row = Row {
    name: NAME,
    about: "A backlog of 1,000,000 rows of the outbox published, events a second from the first seen in Kafka to the \
            last. Limit: COPY of the same rows, with the same headers, piped into a bare librdkafka producer (acks=all, \
            idempotence, the relay's lingering, compression and batches). Ours: the relay of one command-api.",
    measures: &[LIMIT, OURS],
    peers: &[DEBEZIUM, WATERMILL, PLAIN],
    goals: &[
        goal(LIMIT, 0.7),
        goal(DEBEZIUM, 5.0),
        goal(WATERMILL, 1.0),
        goal(PLAIN, 1.0),
    ],
    run: |bench| Box::pin(run(bench)),
};

const fn goal(against: &'static str, bound: f64) -> Goal {
    Goal {
        ours: (OURS, "per_second"),
        against: (against, "per_second"),
        bound: Bound::AtLeast(bound),
    }
}

async fn run(bench: &Bench) -> Result<()> {
    let mut backlog = Backlog::of(bench.sized(100_000, 1_000_000) as u64).await?;
    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        bench
            .measure(place(LIMIT), backing_services(), backlog.drain_bare())
            .await?;
        bench
            .measure(place(OURS), backing_services(), backlog.drain())
            .await?;
        for peer in ROW.peers {
            let arguments = ["drain".to_owned(), backlog.rows().to_string()];
            bench.measure_peer(NAME, round, peer, &arguments).await?;
        }
    }
    Ok(())
}
