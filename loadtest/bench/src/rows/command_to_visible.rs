use std::{io::Write as _, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{
    Row,
    bare_hops::BareHops,
    commands::{best_connections, saturate},
};
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::{Installation, backing_services},
    latencies::Latencies,
    load::{Connection, CreateItems, paced},
    measurement::Found,
};

const NAME: &str = "command-to-visible";
const LIMIT: &str = "limit";
const OURS: &str = "ours";
/// Commands that are under way at a time, at most: fewer than the reads that query-api lets wait, and so many that few of them
/// wait for another one's end, which would be counted as their own latency.
const WORKERS: usize = 256;

pub const ROW: Row = Row {
    name: NAME,
    about: "From the moment at which a command is due to be sent until query-api has answered a read of its version \
            (`min_version`, `Prefer: wait`), at a third of the top rate of accepted commands. Limit: the bare hops \
            (commit, produce to consume, upsert), one after the other in one program, one at a time.",
    measures: &[LIMIT, OURS],
    peers: &[],
    goals: &[goal("p50_ms", 1.5), goal("p99_ms", 3.0)],
    run: |bench| Box::pin(run(bench)),
};

const fn goal(figure: &'static str, bound: f64) -> Goal {
    Goal {
        ours: (OURS, figure),
        against: (LIMIT, figure),
        bound: Bound::AtMost(bound),
    }
}

async fn run(bench: &Bench) -> Result<()> {
    let installation = Installation::start(&[]).await?;
    let hops = BareHops::new().await?;
    let connections = best_connections(bench, NAME, OURS, &installation).await?;
    let top = Place {
        row: NAME,
        round: 0,
        what: "ours-at-most",
    };
    let most = saturate(&installation, connections, bench.steady());
    let most = bench.measure(top, Vec::new(), most).await?;
    let rate = (most.values.get("per_second").context("no rate")? / 3.0).floor();
    installation.settle().await?;
    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        let limit = hops.one_after_the_other(bench.steady());
        bench.measure(place(LIMIT), backing_services(), limit).await?;
        let ours = visible(&installation, rate, bench.steady());
        bench.measure(place(OURS), installation.watched(), ours).await?;
        installation.settle().await?;
    }
    Ok(())
}

/// The connections of a client that reads its own writes.
struct Client {
    commands: Connection,
    queries: Connection,
    request: Vec<u8>,
}

/// Commands at a rate, each until its version is read.
pub(super) async fn visible(installation: &Installation, rate: f64, lasting: Duration) -> Result<Found> {
    let commands = Installation::address(&installation.depot.command_url());
    let queries = Installation::address(&installation.depot.query_url());
    let mut clients = Vec::new();
    for _ in 0..WORKERS {
        clients.push(Client {
            commands: Connection::open(&commands).await?,
            queries: Connection::open(&queries).await?,
            request: Vec::new(),
        });
    }
    let items = Arc::new(CreateItems::new(&commands, &installation.token));
    let token = Arc::new(installation.token.clone());
    let work = move |client, number| {
        let (items, token) = (Arc::clone(&items), Arc::clone(&token));
        async move { write_and_read(client, &items, &token, number).await }
    };
    let latencies = paced(clients, rate, lasting, work).await?;
    Ok(found(latencies).and("rate", rate))
}

async fn write_and_read(mut client: Client, items: &CreateItems, token: &str, number: u64) -> Result<Client> {
    client.request.clear();
    items.write(number, &mut client.request);
    let status = client.commands.exchange(&client.request).await?;
    ensure!(status == 201, "the command is answered {status}");
    let version = client
        .commands
        .header("etag")
        .context("no etag")?
        .trim_matches('"');
    let created: Value = serde_json::from_slice(client.commands.body())?;
    let id = created["id"].as_str().context("no id")?;
    client.request.clear();
    write!(
        client.request,
        "GET /api/v1/items/{id}?min_version={version} HTTP/1.1\r\nhost: depot\r\nauthorization: Bearer {token}\r\n\
         prefer: wait=20\r\n\r\n"
    )?;
    let status = client.queries.exchange(&client.request).await?;
    ensure!(status == 200, "the read is answered {status}");
    Ok(client)
}

pub(super) fn found(mut latencies: Latencies) -> Found {
    let [p50, p99, max] = latencies.percentiles([50.0, 99.0, 100.0]);
    Found::values([
        ("events", latencies.count() as f64),
        ("p50_ms", p50),
        ("p99_ms", p99),
        ("max_ms", max),
    ])
    .with_curve("latency_ms_by_percentile", latencies.curve())
}
