use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use depot_test_stack::settings;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than a busy moment of the broker.
const STANDSTILL: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const CURVE_STEP: Duration = Duration::from_millis(500);

/// A topic, of which only the ends of its partitions are asked for.
#[derive(Clone)]
pub struct Log {
    consumer: Arc<BaseConsumer>,
    topic: String,
    partitions: i32,
}

/// How a log grew: from the moment at which the first messages of it were seen.
#[derive(Debug)]
pub struct Growth {
    /// Those that came after the first look that saw any, and how long they took.
    pub messages: i64,
    pub seconds: f64,
    /// Messages a second, over time.
    pub curve: Vec<(f64, f64)>,
}

impl Growth {
    pub fn per_second(&self) -> f64 {
        self.messages as f64 / self.seconds
    }
}

impl Log {
    pub async fn of(topic: String) -> Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", settings().kafka_brokers())
            .set("group.id", "bench-looks-on")
            .create()?;
        let consumer = Arc::new(consumer);
        let (asked, name) = (Arc::clone(&consumer), topic.clone());
        let metadata =
            tokio::task::spawn_blocking(move || asked.fetch_metadata(Some(&name), TIMEOUT)).await??;
        let partitions = metadata
            .topics()
            .first()
            .context("no such topic")?
            .partitions()
            .len();
        Ok(Self {
            consumer,
            topic,
            partitions: partitions as i32,
        })
    }

    /// Messages that every replica has, of all partitions.
    pub async fn end(&self) -> Result<i64> {
        let log = self.clone();
        tokio::task::spawn_blocking(move || {
            (0..log.partitions).try_fold(0, |sum, partition| {
                let (_, high) = log.consumer.fetch_watermarks(&log.topic, partition, TIMEOUT)?;
                Ok(sum + high)
            })
        })
        .await?
    }

    /// Looks on until so many messages have come after `from`.
    ///
    /// # Errors
    /// None came for a minute.
    pub async fn grows(&self, from: i64, messages: i64) -> Result<Growth> {
        let mut changed = (Instant::now(), from);
        let mut first: Option<(Instant, i64)> = None;
        let (mut curve, mut drawn) = (Vec::new(), (Instant::now(), from));
        loop {
            let (now, end) = (Instant::now(), self.end().await?);
            if end > changed.1 {
                changed = (now, end);
            } else if now - changed.0 > STANDSTILL {
                bail!(
                    "{} stands at {end}, {} are to come",
                    self.topic,
                    from + messages - end
                );
            }
            let Some((began, seen)) = first else {
                if end > from {
                    first = Some((now, end));
                    drawn = (now, end);
                }
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            if now - drawn.0 >= CURVE_STEP || end >= from + messages {
                let rate = (end - drawn.1) as f64 / (now - drawn.0).as_secs_f64();
                curve.push(((now - began).as_secs_f64(), rate));
                drawn = (now, end);
            }
            if end >= from + messages {
                return Ok(Growth {
                    messages: end - seen,
                    seconds: (now - began).as_secs_f64(),
                    curve,
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
