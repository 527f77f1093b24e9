use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use depot_schemas::{Entity, header, topics::PARTITIONS};
use depot_test_stack::{TestTopics, settings};
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::{Row, commands::targets};
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::{Installation, backing_services},
    kafka::{self, Counting, Listener, now_micros},
    latencies::Latencies,
    measurement::Found,
    tools::vegeta,
};

const NAME: &str = "commit-to-kafka";
const LIMIT: &str = "limit";
const OURS: &str = "ours";
const DEBEZIUM: &str = "peer-debezium";
const WATERMILL: &str = "peer-watermill";
const PLAIN: &str = "peer-plain-relay";
const RATE: f64 = 500.0;

pub const ROW: Row = Row {
    name: NAME,
    about: "From the commit of a command (Postgres' own commit timestamp) to its event being consumed from Kafka, at 500 \
            commands a second, one command-api, all services running. Limit: from the call that produces the same \
            message to its being consumed, at 500 a second, with the relay's lingering.",
    measures: &[LIMIT, OURS],
    peers: &[DEBEZIUM, WATERMILL, PLAIN],
    goals: &[
        goal("p50_ms", LIMIT, 1.5),
        goal("p99_ms", LIMIT, 3.0),
        goal("p50_ms", DEBEZIUM, 1.0),
        goal("p50_ms", WATERMILL, 1.0),
        goal("p50_ms", PLAIN, 1.0),
    ],
    run: |bench| Box::pin(run(bench)),
};

const fn goal(figure: &'static str, against: &'static str, bound: f64) -> Goal {
    Goal {
        ours: (OURS, figure),
        against: (against, figure),
        bound: Bound::AtMost(bound),
    }
}

async fn run(bench: &Bench) -> Result<()> {
    let installation = Installation::start(&[]).await?;
    let bare = TestTopics::create(PARTITIONS).await?;
    let lasting = bench.steady();
    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        let topic = bare.names().events(Entity::Items);
        bench
            .measure(place(LIMIT), backing_services(), round_trip(&topic, lasting))
            .await?;

        let ours = commit_to_kafka(&installation, lasting);
        bench.measure(place(OURS), installation.watched(), ours).await?;
        installation.settle().await?;
        for peer in ROW.peers {
            let arguments = ["latency".to_owned(), format!("{RATE}"), "30".to_owned()];
            bench.measure_peer(NAME, round, peer, &arguments).await?;
        }
    }
    Ok(())
}

/// Commands at the row's rate, to the first command-api; their events are published by all that there are.
pub(super) async fn commit_to_kafka(installation: &Installation, lasting: Duration) -> Result<Found> {
    let topic = installation.depot.topics().events(Entity::Items);
    let listener = Listener::start(&topic).await?;
    let from: i64 = sqlx::query_scalar("SELECT last_value FROM command.outbox_id_seq")
        .fetch_one(&installation.depot.database)
        .await?;
    let accepted = vegeta(targets(installation), RATE, lasting).await?;
    let refused = accepted.get("refused")?;
    ensure!(
        refused == 0.0,
        "{refused} commands were not accepted at {RATE} a second"
    );
    let consumed = listener.end().await?;
    let committed: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT event_id, (extract(epoch FROM pg_xact_commit_timestamp((xid % 4294967296)::text::xid)) * 1000000)::bigint
         FROM command.outbox WHERE id > $1",
    )
    .bind(from)
    .fetch_all(&installation.depot.database)
    .await
    .context("Postgres is to run with track_commit_timestamp=on")?;
    let committed = committed.into_iter().map(|(id, at)| (id.to_string(), at));
    between(&committed.collect(), &consumed)
}

/// Kafka's own, at the same rate.
async fn round_trip(topic: &str, lasting: Duration) -> Result<Found> {
    let listener = Listener::start(topic).await?;
    let producer: BaseProducer<Counting> =
        kafka::settings(settings().kafka_brokers()).create_with_context(Counting::default())?;
    let (mut sent, value) = (HashMap::new(), "x".repeat(500));
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / RATE));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let began = Instant::now();
    while began.elapsed() < lasting {
        pace.tick().await;
        let id = Uuid::now_v7().to_string();
        let headers = OwnedHeaders::new().insert(Header {
            key: header::ID,
            value: Some(&id),
        });
        sent.insert(id.clone(), now_micros());
        let record = BaseRecord::to(topic).key(&id).payload(&value).headers(headers);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
    }
    let flushed = tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(30)));
    flushed.await??;
    between(&sent, &listener.end().await?)
}

/// Times between what began and what ended, all of it.
fn between(begun: &HashMap<String, i64>, ended: &HashMap<String, i64>) -> Result<Found> {
    let mut latencies = Latencies::default();
    for (id, begin) in begun {
        let end = ended
            .get(id)
            .with_context(|| format!("{id} was never consumed"))?;
        latencies.push(Duration::from_micros((end - begin).max(0) as u64));
    }
    ensure!(latencies.count() > 0, "nothing was sent");
    let [p50, p99, max] = latencies.percentiles([50.0, 99.0, 100.0]);
    Ok(Found::values([
        ("events", latencies.count() as f64),
        ("p50_ms", p50),
        ("p99_ms", p99),
        ("max_ms", max),
    ])
    .with_curve("latency_ms_by_percentile", latencies.curve()))
}
