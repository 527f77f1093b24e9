use anyhow::Result;
use depot_end_to_end::Service;

use super::{
    Row,
    commands::{CLIENTS, Limit, best_connections, saturate},
};
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::{Installation, backing_services},
};

const NAME: &str = "accepted-commands";
const PLAIN: &str = "limit-plain";
const BEST: &str = "limit-best";
const OURS: &str = "ours";
const ALONE: &str = "ours-alone";

pub const ROW: Row = Row {
    name: NAME,
    about: "Commands accepted a second: `POST /api/v1/items`, token and Idempotency-Key checked, key, item, event and \
            answer committed. Limits: pgbench with the same rows, as one transaction a command with a round trip a \
            statement (limit-plain), and as the best single statement (limit-best), each with its best number of \
            clients. Ours: all services running (ours), and command-api alone without relay, projector and \
            uploader (ours-alone), with the best number of connections.",
    measures: &[PLAIN, OURS, BEST, ALONE],
    peers: &[],
    goals: &[
        goal(OURS, PLAIN, 3.0),
        goal(OURS, BEST, 1.0),
        goal(ALONE, PLAIN, 3.0),
        goal(ALONE, BEST, 1.0),
    ],
    run: |bench| Box::pin(run(bench)),
};

const fn goal(ours: &'static str, limit: &'static str, bound: f64) -> Goal {
    Goal {
        ours: (ours, "per_second"),
        against: (limit, "per_second"),
        bound: Bound::AtLeast(bound),
    }
}

async fn run(bench: &Bench) -> Result<()> {
    let whole = Installation::start(&[]).await?;
    let alone = Installation::start(&[("RELAY_ENABLED", "false"), ("SAGA_ENABLED", "false")]).await?;
    let others = [Service::Projector, Service::Uploader, Service::QueryApi];
    let alone = alone.without(&others).await?;
    let limit = Limit::like(&whole).await?;

    let attempt = |clients| limit.plain.saturate(clients, bench.trial());
    let plain_clients = bench.best_clients(NAME, PLAIN, &CLIENTS, attempt).await?;
    let attempt = |clients| limit.best.saturate(clients, bench.trial());
    let best_clients = bench.best_clients(NAME, BEST, &CLIENTS, attempt).await?;
    let alone_connections = best_connections(bench, NAME, ALONE, &alone).await?;
    let connections = best_connections(bench, NAME, OURS, &whole).await?;
    whole.settle().await?;

    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        let plain = limit.plain.saturate(plain_clients, bench.steady());
        bench.measure(place(PLAIN), backing_services(), plain).await?;

        let ours = saturate(&whole, connections, bench.steady());
        bench.measure(place(OURS), whole.watched(), ours).await?;
        whole.settle().await?;

        let best = limit.best.saturate(best_clients, bench.steady());
        bench.measure(place(BEST), backing_services(), best).await?;

        let ours = saturate(&alone, alone_connections, bench.steady());
        bench.measure(place(ALONE), alone.watched(), ours).await?;
    }
    Ok(())
}
