use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{sync::watch, task::JoinSet};

use super::Connection;
use crate::{latencies::Latencies, measurement::Found};

const CURVE_STEP: Duration = Duration::from_millis(500);

/// What came of a load.
#[derive(Debug, Default)]
pub struct Load {
    pub seconds: f64,
    /// Answers by their status.
    pub answers: BTreeMap<u16, u64>,
    pub latencies: Latencies,
    /// Requests begun a second, over time.
    pub curve: Vec<(f64, f64)>,
}

/// Keeps each of the connections busy with one request at a time until the time is over. `write` puts the n-th request,
/// head and body, into an empty buffer; no number comes twice.
pub async fn closed(
    address: &str,
    connections: usize,
    lasting: Duration,
    write: impl Fn(u64, &mut Vec<u8>) + Send + Sync + 'static,
) -> Result<Load> {
    let (write, number) = (Arc::new(write), Arc::new(AtomicU64::new(0)));
    let mut ready = Vec::new();
    for _ in 0..connections {
        ready.push(Connection::open(address).await?);
    }
    let began = Instant::now();
    let mut workers = JoinSet::new();
    for connection in ready {
        let (write, number) = (Arc::clone(&write), Arc::clone(&number));
        workers.spawn(async move { keep_busy(connection, began + lasting, &number, &*write).await });
    }
    let (stop, stopped) = watch::channel(());
    let curve = tokio::spawn(draw(Arc::clone(&number), began, stopped));
    let mut load = Load::default();
    while let Some(worker) = workers.join_next().await {
        let worker = worker??;
        for (status, count) in worker.answers {
            *load.answers.entry(status).or_default() += count;
        }
        load.latencies.extend(worker.latencies);
    }
    load.seconds = began.elapsed().as_secs_f64();
    drop(stop);
    load.curve = curve.await?;
    Ok(load)
}

/// Requests begun a second, step by step, until the sender is gone.
async fn draw(number: Arc<AtomicU64>, began: Instant, mut stop: watch::Receiver<()>) -> Vec<(f64, f64)> {
    let (mut points, mut before) = (Vec::new(), (0.0, 0));
    while tokio::time::timeout(CURVE_STEP, stop.changed()).await.is_err() {
        let now = (began.elapsed().as_secs_f64(), number.load(Ordering::Relaxed));
        points.push((now.0, (now.1 - before.1) as f64 / (now.0 - before.0)));
        before = now;
    }
    points
}

async fn keep_busy(
    mut connection: Connection,
    until: Instant,
    number: &AtomicU64,
    write: &impl Fn(u64, &mut Vec<u8>),
) -> Result<Load> {
    let (mut load, mut request) = (Load::default(), Vec::new());
    while Instant::now() < until {
        request.clear();
        write(number.fetch_add(1, Ordering::Relaxed), &mut request);
        let sent = Instant::now();
        let status = connection.exchange(&request).await?;
        load.latencies.push(sent.elapsed());
        *load.answers.entry(status).or_default() += 1;
    }
    Ok(load)
}

impl Load {
    /// Answers that say it is done.
    pub fn done(&self) -> u64 {
        let good = self
            .answers
            .iter()
            .filter(|(status, _)| (200..300).contains(*status));
        good.map(|(_, count)| count).sum()
    }

    /// `per_second` counts only what was done; everything else is `refused`.
    pub fn found(mut self, connections: usize) -> Found {
        let (all, done) = (self.latencies.count() as f64, self.done() as f64);
        let [p50, p99, max] = self.latencies.percentiles([50.0, 99.0, 100.0]);
        Found::values([
            ("connections", connections as f64),
            ("per_second", done / self.seconds),
            ("refused", all - done),
            ("p50_ms", p50),
            ("p99_ms", p99),
            ("max_ms", max),
        ])
        .with_curve("latency_ms_by_percentile", self.latencies.curve())
        .with_curve("per_second_over_time", self.curve)
    }
}
