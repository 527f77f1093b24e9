use std::{
    str::FromStr as _,
    time::{Duration, Instant},
};

use anyhow::Result;
use depot_proto::v1::{GetItemRequest, query_service_client::QueryServiceClient};
use prost::Message as _;
use tokio::task::JoinSet;
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use super::{Row, items::visible_item};
use crate::{
    bare::BareServer,
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::{Installation, backing_services},
    latencies::Latencies,
    measurement::Found,
};

const NAME: &str = "item-over-grpc";
const LIMIT: &str = "limit";
const OURS: &str = "ours";
const CALLS: [usize; 4] = [8, 16, 32, 64];
/// Connections, over which the calls are spread.
const CONNECTIONS: usize = 4;

pub const ROW: Row = Row {
    name: NAME,
    about: "One item read again and again over gRPC, by a tonic client with the best number of calls at a time over four \
            connections. Limit: a bare tonic handler with the product's token check and the same message. Ours: \
            query-api.",
    measures: &[LIMIT, OURS],
    peers: &[],
    goals: &[Goal {
        ours: (OURS, "per_second"),
        against: (LIMIT, "per_second"),
        bound: Bound::AtLeast(0.8),
    }],
    run: |bench| Box::pin(run(bench)),
};

async fn run(bench: &Bench) -> Result<()> {
    let installation = Installation::start(&[]).await?;
    let id = visible_item(&installation).await?;
    let caller = Caller {
        authorization: MetadataValue::from_str(&format!("Bearer {}", installation.token))?,
        id,
    };
    let ours = installation.depot.grpc_url();
    let item = caller.once(&ours).await?;
    let bare = BareServer::start("bare-grpc", &item).await?;
    let limit = format!("http://{}", bare.address);
    let attempt = |calls| caller.keep_calling(&limit, calls, bench.trial());
    let limit_calls = bench.best_clients(NAME, LIMIT, &CALLS, attempt).await?;
    let attempt = |calls| caller.keep_calling(&ours, calls, bench.trial());
    let calls = bench.best_clients(NAME, OURS, &CALLS, attempt).await?;
    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        let watched = backing_services().into_iter().chain([bare.watched()?]).collect();
        let limit = caller.keep_calling(&limit, limit_calls, bench.steady());
        bench.measure(place(LIMIT), watched, limit).await?;
        let ours = caller.keep_calling(&ours, calls, bench.steady());
        bench.measure(place(OURS), installation.watched(), ours).await?;
    }
    Ok(())
}

/// Asks for one item, with a token.
#[derive(Clone)]
struct Caller {
    authorization: MetadataValue<Ascii>,
    id: String,
}

impl Caller {
    fn request(&self) -> Request<GetItemRequest> {
        let mut request = Request::new(GetItemRequest {
            id: self.id.clone(),
            at_least: None,
        });
        let authorization = self.authorization.clone();
        request.metadata_mut().insert("authorization", authorization);
        request
    }

    /// The item, encoded.
    async fn once(&self, url: &str) -> Result<Vec<u8>> {
        let mut client = QueryServiceClient::new(connect(url).await?);
        Ok(client
            .get_item(self.request())
            .await?
            .into_inner()
            .encode_to_vec())
    }

    async fn keep_calling(&self, url: &str, calls: usize, lasting: Duration) -> Result<Found> {
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS {
            channels.push(connect(url).await?);
        }
        let (began, mut running) = (Instant::now(), JoinSet::new());
        for call in 0..calls {
            let mut client = QueryServiceClient::new(channels[call % CONNECTIONS].clone());
            let caller = self.clone();
            running.spawn(async move {
                let mut latencies = Latencies::default();
                while began.elapsed() < lasting {
                    let sent = Instant::now();
                    client.get_item(caller.request()).await?;
                    latencies.push(sent.elapsed());
                }
                anyhow::Ok(latencies)
            });
        }
        let mut latencies = Latencies::default();
        while let Some(ended) = running.join_next().await {
            latencies.extend(ended??);
        }
        let seconds = began.elapsed().as_secs_f64();
        let [p50, p99] = latencies.percentiles([50.0, 99.0]);
        Ok(Found::values([
            ("calls_at_a_time", calls as f64),
            ("per_second", latencies.count() as f64 / seconds),
            ("p50_ms", p50),
            ("p99_ms", p99),
        ])
        .with_curve("latency_ms_by_percentile", latencies.curve()))
    }
}

async fn connect(url: &str) -> Result<Channel> {
    Ok(Endpoint::from_shared(url.to_owned())?.connect().await?)
}
