//! The process: its parts, its probes, its end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use depot_consumer::{ConsumerError, ConsumerSettings, DeadLetters};
use depot_kafka_client::{BrokerWatch, BrokerWatchError};
use depot_retry::Delays;
use depot_schemas::{Entity, topics::Topics};
use depot_service::{
    auth::{Door, KeysError, TokenVerifier},
    database::{self, Plans},
    health::{Readiness, ReadyState},
    problem::chain,
    process::{self, Process},
    shutdown::{DrainError, DrainPolicy, Shutdown},
    startup::{Clearance, DatabaseCheck, ServiceRole, StartUp},
};
use depot_topics::{KafkaCheck, KafkaCheckError, LogEnds};
use futures::FutureExt as _;
use rdkafka::error::KafkaError;
use tokio_util::sync::CancellationToken;

use crate::{
    cache_upkeep::CacheUpkeep,
    config::Config,
    history_partitions::HistoryPartitions,
    metrics,
    projections::projected,
    rebuild::{self, Feeding, Overview, Pipelines, ProjectionDesk, Supervisor},
    redis_writer::RedisWriter,
    shared_writes::SharingSettings,
    vitals,
};

/// Beyond this the rest costs more in time to visibility than it saves in transactions.
const LONGEST_REST: Duration = Duration::from_millis(5);

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
    #[error("Kafka cannot be watched")]
    BrokerWatch(#[from] BrokerWatchError),
    #[error("the client that asks Kafka where its logs end cannot be made")]
    LogEnds(#[source] KafkaError),
    #[error("the keys of tokens cannot be read")]
    Keys(#[from] KeysError),
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

        let pool = database::connect(&config.database, "projector", Plans::Kept)?;
        process.metrics.watch_pool(&pool);
        let checked = pool.clone();
        process
            .readiness
            .check("database", move || database::check(checked.clone()));

        let topics = Topics::new(&config.kafka.topic_prefix);
        let mut startup = StartUp::new(config.process.startup_wait);
        let database = startup.check(DatabaseCheck::new(pool.clone(), ServiceRole::Projector));
        let kafka = startup.check(KafkaCheck::new(&config.kafka, used_topics(&topics))?);

        let watched = topics.events(Entity::Items);
        let watch = BrokerWatch::new(&config.kafka.brokers, client_settings(&config), watched)?;

        let redis = Arc::new(RedisWriter::new(&config.redis, config.cache)?);
        let interval = config.cache.upkeep_interval;
        let upkeep = CacheUpkeep::new(pool.clone(), Arc::clone(&redis), interval);
        let partitions = HistoryPartitions::new(pool.clone(), config.history);
        let pipelines = Pipelines {
            pool: pool.clone(),
            topics: topics.clone(),
            redis,
            upkeep: upkeep.clone(),
            sharing: SharingSettings {
                lanes: config.lanes,
                max_events: config.batch_records,
                longest_rest: LONGEST_REST,
            },
            settings: consumer_settings(&config, &topics),
            dead_letters: DeadLetters::new(&config.kafka.brokers, &client_settings(&config))
                .map_err(BuildError::DeadLetters)?,
            shutdown: process.shutdown.clone(),
        };
        let feeding = Feeding::default();
        let checked = feeding.clone();
        process
            .readiness
            .check("events", move || std::future::ready(checked.check()));
        let work = Work {
            cleared: database.and(&kafka),
            supervisor: Supervisor::new(pool.clone(), pipelines, feeding),
            upkeep,
        };

        let admin = process::bind(config.process.bind, config.process.admin_port).await?;
        let admin_address = admin.local_addr().map_err(BuildError::Address)?;
        // Those who come here are few, and all of this house.
        let door = Door::without_limit(TokenVerifier::with_keys(&config.jwt)?);
        let keeping = door.verifier().keep_keys(process.shutdown.last_token());
        process.shutdown.spawn_last("token keys", keeping);
        let ends = LogEnds::new(&config.kafka).map_err(BuildError::LogEnds)?;
        let overview = Overview::new(pool.clone(), topics, ends);
        let desk = ProjectionDesk::new(door, pool, overview, process.shutdown.token());
        let told = process.heartbeat(vitals::vitals(&config));
        process.serve_admin_with(&config.process, admin, rebuild::routes(desk).merge(told));
        startup.run(&process);
        process
            .shutdown
            .spawn("Kafka watch", watch.run(process.shutdown.token()));
        let state = process.readiness.part("projector");
        process
            .shutdown
            .spawn_critical("projector", work.begin(state, process.shutdown.token()));
        // No condition of readiness: what has no partition of its own is stored all the same.
        let keeping = database.then(process.shutdown.token(), partitions.run(process.shutdown.token()));
        process.shutdown.spawn("history partitions", keeping.map(drop));
        process.complete();
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
    let subscribed = projected().map(|entity| topics.events(entity));
    let mut settings = ConsumerSettings::new(&config.kafka.brokers, topics.group("projector"), subscribed);
    settings.redrive_topic = Some(topics.redriven("projector"));
    // Whichever version of the views serves, its letters are the projector's.
    settings.dead_letter_group = Some(topics.group("projector"));
    settings.max_batch_records = config.batch_records;
    settings.client_settings = client_settings(config);
    // Its end has to fit into the process's.
    settings.drain_deadline = config.process.drain.deadline.mul_f64(0.8);
    settings
}

/// What is read, and where dead letters of it go.
fn used_topics(topics: &Topics) -> Vec<String> {
    let mut used = vec![topics.redriven("projector")];
    for entity in projected() {
        used.extend([topics.events(entity), topics.dead_letters(entity)]);
    }
    used
}

/// The work of the process.
struct Work {
    cleared: Clearance,
    supervisor: Supervisor,
    upkeep: CacheUpkeep,
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
        state.ready();
        // The upkeep ends with the consumers, also when one has failed and the process is to end with it.
        let ends = stop.child_token();
        let consuming = async {
            let ended = self.supervisor.run(stop).await;
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
