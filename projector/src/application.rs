//! The process: its parts, its probes, its end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use depot_consumer::{Consumer, ConsumerError, ConsumerSettings, DeadLetters};
use depot_retry::Delays;
use depot_schemas::{Entity, topics::Topics};
use depot_service::{
    database,
    health::{Readiness, ReadyState},
    problem::chain,
    process::{self, Process},
    shutdown::{DrainError, DrainPolicy, Shutdown},
    startup::{Clearance, DatabaseCheck, ServiceRole, StartUp},
};
use depot_topics::{KafkaCheck, KafkaCheckError};
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::{
    batch_store::BatchStore,
    cache_upkeep::CacheUpkeep,
    config::Config,
    history_partitions::HistoryPartitions,
    metrics,
    offsets::OffsetsTable,
    projector::Projector,
    redis_writer::RedisWriter,
    shared_writes::{SharedWrites, SharingSettings},
};

/// Why the process does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the metrics are not recorded")]
    Metrics(#[from] depot_service::metrics::MetricsError),
    #[error("the database is not usable")]
    Database(#[from] database::DatabaseError),
    #[error("REDIS_ADDR is not usable")]
    Redis(#[from] redis::RedisError),
    #[error("the admin port is not usable")]
    Bind(#[from] process::BindError),
    #[error("the admin port is not known")]
    Address(#[source] std::io::Error),
    #[error("the dead letters' producer cannot be made")]
    DeadLetters(#[source] ConsumerError),
    #[error("Kafka cannot be looked at")]
    KafkaCheck(#[from] KafkaCheckError),
}

/// A projector with its listeners open, not stopped yet.
#[derive(Debug)]
pub struct Application {
    process: Process,
    admin_address: SocketAddr,
    drain: DrainPolicy,
}

impl Application {
    /// Starts everything; nothing needs to be reachable yet, readiness tells what is waited for.
    ///
    /// # Errors
    /// [`BuildError`].
    pub async fn build(config: Config, shutdown: Shutdown) -> Result<Self, BuildError> {
        let process = Process::new(shutdown)?;
        metrics::describe();
        depot_consumer::describe_metrics();

        let pool = database::connect(&config.database, "projector")?;
        process.metrics.watch_pool(&pool);
        let checked = pool.clone();
        process
            .readiness
            .check("database", move || database::check(checked.clone()));

        let topics = Topics::new(&config.kafka.topic_prefix);
        let mut startup = StartUp::new(config.process.startup_wait);
        let database = startup.check(DatabaseCheck::new(pool.clone(), ServiceRole::Projector));
        let kafka = startup.check(KafkaCheck::new(&config.kafka, used_topics(&topics))?);

        let redis = Arc::new(RedisWriter::new(&config.redis, config.projection, config.cache)?);
        let upkeep = CacheUpkeep::new(
            pool.clone(),
            Arc::clone(&redis),
            config.projection,
            config.cache.upkeep_interval,
        );
        let partitions = HistoryPartitions::new(pool.clone(), config.history);
        let store = BatchStore::new(pool.clone(), config.projection, redis, upkeep.clone());
        let sharing = SharingSettings {
            lanes: config.lanes,
            max_events: config.batch_records,
        };
        let shared = SharedWrites::start(store.clone(), sharing, &process.shutdown);
        let work = Work {
            cleared: database.and(&kafka),
            settings: consumer_settings(&config, &topics),
            projector: Projector::new(topics, store, shared),
            offsets: OffsetsTable::new(pool, config.projection),
            dead_letters: DeadLetters::new(&config.kafka.brokers, &client_settings(&config))
                .map_err(BuildError::DeadLetters)?,
            upkeep,
            readiness: process.readiness.clone(),
        };

        let admin = process::bind(config.process.bind, config.process.admin_port).await?;
        let admin_address = admin.local_addr().map_err(BuildError::Address)?;
        process.serve_admin(&config.process, admin);
        startup.run(&process);
        let state = process.readiness.part("projector");
        process
            .shutdown
            .spawn_critical("projector", work.begin(state, process.shutdown.token()));
        // No condition of readiness: what has no partition of its own is stored all the same.
        let keeping = database.then(process.shutdown.token(), partitions.run(process.shutdown.token()));
        process.shutdown.spawn("history partitions", keeping.map(drop));
        Ok(Self {
            process,
            admin_address,
            drain: config.process.drain,
        })
    }

    /// Where the admin routes are served.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// What is waited for.
    pub fn readiness(&self) -> Readiness {
        self.process.readiness.clone()
    }

    /// Runs until a signal, a request or a fatal fault; batches under way are finished.
    ///
    /// # Errors
    /// [`DrainError`]: a part failed, or did not end in time.
    pub async fn run_until_stopped(self) -> Result<(), DrainError> {
        self.process.run_until_stopped(self.drain).await
    }
}

fn client_settings(config: &Config) -> Vec<(String, String)> {
    config
        .kafka
        .client_settings()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn consumer_settings(config: &Config, topics: &Topics) -> ConsumerSettings {
    let subscribed = [topics.events(Entity::Items), topics.events(Entity::Uploads)];
    let mut settings = ConsumerSettings::new(&config.kafka.brokers, topics.group("projector"), subscribed);
    settings.redrive_topic = Some(topics.redriven("projector"));
    settings.max_batch_records = config.batch_records;
    settings.client_settings = client_settings(config);
    // Its end has to fit into the process's.
    settings.drain_deadline = config.process.drain.deadline.mul_f64(0.8);
    settings
}

/// What is read, and where dead letters of it go.
fn used_topics(topics: &Topics) -> Vec<String> {
    vec![
        topics.events(Entity::Items),
        topics.events(Entity::Uploads),
        topics.redriven("projector"),
        topics.dead_letters(Entity::Items),
        topics.dead_letters(Entity::Uploads),
    ]
}

/// The work of the process.
struct Work {
    cleared: Clearance,
    settings: ConsumerSettings,
    projector: Projector,
    offsets: OffsetsTable,
    dead_letters: DeadLetters,
    upkeep: CacheUpkeep,
    readiness: Readiness,
}

impl Work {
    /// Nothing is read or written before the installation is known to be right.
    async fn begin(self, state: ReadyState, stop: CancellationToken) -> Result<(), ConsumerError> {
        state.waiting_for("the installation is not looked at to the end");
        let cleared = self.cleared.clone();
        let worked = cleared.then(stop.clone(), self.run(state, stop)).await;
        worked.unwrap_or(Ok(()))
    }

    async fn run(self, state: ReadyState, stop: CancellationToken) -> Result<(), ConsumerError> {
        if stop
            .run_until_cancelled(drain(&self.upkeep, &state))
            .await
            .is_none()
        {
            return Ok(());
        }
        let consumer = Consumer::start_batch(
            self.settings,
            self.projector,
            self.offsets,
            self.dead_letters,
            stop.clone(),
        )?;
        let handle = consumer.handle();
        self.readiness.check("events", move || {
            let waiting = handle.status().waiting_for();
            std::future::ready(if waiting.is_empty() {
                Ok(())
            } else {
                Err(waiting.join("; "))
            })
        });
        state.ready();
        // The upkeep ends with the consumer, also when that has failed and the process is to end with it.
        let ends = stop.child_token();
        let consuming = async {
            let ended = consumer.join().await;
            ends.cancel();
            ended
        };
        futures::join!(consuming, self.upkeep.run(ends.clone())).0
    }
}

/// Brings what an earlier process left pending to its end, before the first event.
async fn drain(upkeep: &CacheUpkeep, state: &ReadyState) {
    let mut delays = Delays::never_ending(Duration::from_millis(200), Duration::from_secs(5));
    while let Err(error) = upkeep.drain().await {
        let reason = chain(&error);
        tracing::warn!(
            error = reason,
            "cache entries of an earlier run are still pending"
        );
        state.waiting_for(format!("cache entries of an earlier run are pending: {reason}"));
        tokio::time::sleep(delays.next_delay().unwrap_or(Duration::from_secs(1))).await;
    }
}
