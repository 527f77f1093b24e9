use std::time::Duration;

use anyhow::{Context as _, Result};
use depot_test_stack::settings;
use redis::AsyncCommands as _;

use super::{Row, items::visible_items};
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::{Installation, backing_services},
    load::{ReadItems, closed},
    measurement::Found,
    tools::redis_get,
};

const NAME: &str = "item-over-redis";
const LIMIT: &str = "limit";
const OURS: &str = "ours";
const CLIENTS: [usize; 4] = [4, 8, 16, 32];
const CONNECTIONS: [usize; 5] = [8, 16, 32, 64, 128];
const ITEMS: u64 = 500;

pub const ROW: Row = Row {
    name: NAME,
    about: "Items read over REST with query-api's own cache off, each of 500 in turn, so that no two reads are joined and each is \
            one of Redis (`reads_of_redis`). Limit: redis-benchmark's GET of such a value, with the best number of \
            clients.",
    measures: &[LIMIT, OURS],
    peers: &[],
    goals: &[Goal {
        ours: (OURS, "per_second"),
        against: (LIMIT, "per_second"),
        bound: Bound::AtLeast(0.4),
    }],
    run: |bench| Box::pin(run(bench)),
};

async fn run(bench: &Bench) -> Result<()> {
    let reads = Reads::new().await?;
    let requests = bench.sized(100_000, 400_000);
    let attempt = |clients| reads.bare(clients, requests / 2);
    let clients = bench.best_clients(NAME, LIMIT, &CLIENTS, attempt).await?;
    let attempt = |connections| reads.over_rest(connections, bench.trial());
    let connections = bench.best_clients(NAME, OURS, &CONNECTIONS, attempt).await?;
    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        let limit = reads.bare(clients, requests);
        bench.measure(place(LIMIT), backing_services(), limit).await?;
        let ours = reads.over_rest(connections, bench.steady());
        bench
            .measure(place(OURS), reads.installation.watched(), ours)
            .await?;
    }
    Ok(())
}

/// Items that are in Redis, and an installation whose query-api keeps none itself.
pub struct Reads {
    pub installation: Installation,
    requests: ReadItems,
    key: String,
}

impl Reads {
    pub async fn new() -> Result<Self> {
        let installation = Installation::start(&[("LOCAL_CACHE_TTL_MS", "0")]).await?;
        let ids = visible_items(&installation, ITEMS).await?;
        let key = key_of(&installation, &ids[0]).await?;
        let query = Installation::address(&installation.depot.query_url());
        let requests = ReadItems::new(&query, &installation.token, ids);
        Ok(Self {
            installation,
            requests,
            key,
        })
    }

    /// GET of such a value, by redis-benchmark.
    pub async fn bare(&self, clients: usize, requests: usize) -> Result<Found> {
        redis_get(settings().redis_addr(), &self.key, clients, requests).await
    }

    /// With how many of the reads Redis has had: one each, or the cache was not off.
    pub async fn over_rest(&self, connections: usize, lasting: Duration) -> Result<Found> {
        let (before, requests) = (hits().await?, self.requests.clone());
        let query = Installation::address(&self.installation.depot.query_url());
        let load = closed(&query, connections, lasting, move |number, request| {
            requests.write(number, request)
        });
        let found = load.await?.found(connections);
        Ok(found.and("reads_of_redis", (hits().await? - before) as f64))
    }
}

async fn hits() -> Result<u64> {
    let mut connection = connect().await?;
    let info: String = redis::cmd("INFO")
        .arg("stats")
        .query_async(&mut connection)
        .await?;
    let line = info.lines().find_map(|line| line.strip_prefix("keyspace_hits:"));
    Ok(line.context("INFO has keyspace_hits")?.trim().parse()?)
}

async fn connect() -> Result<redis::aio::MultiplexedConnection> {
    let client = redis::Client::open(format!("redis://{}", settings().redis_addr()))?;
    Ok(client.get_multiplexed_async_connection().await?)
}

/// Where the projector or a read has put the item.
async fn key_of(installation: &Installation, id: &str) -> Result<String> {
    let mut connection = connect().await?;
    let pattern = format!("{}*{id}", installation.depot.backing.redis_prefix);
    let keys: Vec<String> = connection.keys(&pattern).await?;
    keys.into_iter()
        .next()
        .with_context(|| format!("Redis has no {pattern}"))
}
