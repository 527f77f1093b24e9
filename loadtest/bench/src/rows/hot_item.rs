use anyhow::{Result, ensure};

use super::{Row, items::visible_item};
use crate::{
    bare::{BareServer, HotAnswer},
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::{Installation, backing_services},
    tools::wrk,
};

const NAME: &str = "hot-item-rest";
const LIMIT: &str = "limit";
/// With as many connections as ours has: latencies grow with them.
const LIKEWISE: &str = "limit-likewise";
const OURS: &str = "ours";
const CONNECTIONS: [usize; 5] = [8, 16, 32, 64, 128];

pub const ROW: Row = Row {
    name: NAME,
    about: "One item read again and again over REST, by wrk with the best number of connections. Limit: a bare axum \
            handler with the product's token check that answers the same bytes from memory, with its own best number \
            (limit) and with ours (limit-likewise, for the latencies). Ours: query-api.",
    measures: &[LIMIT, OURS, LIKEWISE],
    peers: &[],
    goals: &[
        Goal {
            ours: (OURS, "per_second"),
            against: (LIMIT, "per_second"),
            bound: Bound::AtLeast(0.8),
        },
        Goal {
            ours: (OURS, "p99_ms"),
            against: (LIKEWISE, "p99_ms"),
            bound: Bound::AtMost(1.5),
        },
    ],
    run: |bench| Box::pin(run(bench)),
};

async fn run(bench: &Bench) -> Result<()> {
    let installation = Installation::start(&[]).await?;
    let path = format!("/api/v1/items/{}", visible_item(&installation).await?);
    let url = format!("{}{path}", installation.depot.query_url());
    let answer = serde_json::to_vec(&answer_of(&installation, &path).await?)?;
    let bare = BareServer::start("bare-rest", &answer).await?;
    let bare_url = format!("http://{}{path}", bare.address);
    let token = &installation.token;
    let attempt = |connections| wrk(&url, token, connections, bench.trial());
    let connections = bench.best_clients(NAME, OURS, &CONNECTIONS, attempt).await?;
    let attempt = |connections| wrk(&bare_url, token, connections, bench.trial());
    let bare_connections = bench.best_clients(NAME, LIMIT, &CONNECTIONS, attempt).await?;
    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        let watched: Vec<_> = backing_services().into_iter().chain([bare.watched()?]).collect();
        let limit = wrk(&bare_url, token, bare_connections, bench.steady());
        bench.measure(place(LIMIT), watched.clone(), limit).await?;
        let ours = wrk(&url, token, connections, bench.steady());
        bench.measure(place(OURS), installation.watched(), ours).await?;
        let likewise = wrk(&bare_url, token, connections, bench.steady());
        bench.measure(place(LIKEWISE), watched, likewise).await?;
    }
    Ok(())
}

/// What the product answers, but for what HTTP itself adds.
async fn answer_of(installation: &Installation, path: &str) -> Result<HotAnswer> {
    let client = installation
        .depot
        .client("bench", depot_service::auth::Role::Writer);
    let answer = client.send(client.query(path)).await?;
    ensure!(answer.status.is_success(), "{path}: {answer:?}");
    let headers = answer.headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        !["date", "content-length", "connection", "transfer-encoding"].contains(&name)
    });
    Ok(HotAnswer {
        headers: headers
            .map(|(name, value)| anyhow::Ok((name.to_string(), value.to_str()?.to_owned())))
            .collect::<Result<_>>()?,
        body: String::from_utf8(answer.bytes.to_vec())?,
    })
}
