//! The process: its parts, its probes, its end.

use depot_service::database::Pool;
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use depot_consumer::{Consumer, ConsumerError, ConsumerSettings, DeadLetters, RetryTier, RetryTopics};
use depot_kafka_client::{BrokerWatch, BrokerWatchError};
use depot_object_store::{
    CopyConditions, Identity, InvalidAuthorities, ObjectStore, StoreWatch, StoreWatchError,
};
use depot_outbox::{Doorbell, Relay, RelayOptions};
use depot_retry::Delays;
use depot_schemas::{Entity, topics::Topics};
use depot_service::{
    auth::{Door, KeysError, TokenVerifier},
    config::S3Config,
    database::{self, Plans},
    health::{Readiness, ReadyState},
    problem,
    process::{self, Process},
    shutdown::{DrainError, DrainPolicy, Shutdown},
    startup::{Clearance, DatabaseCheck, ServiceRole, StartUp},
};
use depot_topics::{KafkaCheck, KafkaCheckError};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, AdminDesk},
    clamd::ClamdSettings,
    config::{Config, SweepConfig},
    derive_thumbnail::Thumbnails,
    files::Files,
    handler::UploadEvents,
    metrics,
    parked_keys::ParkedUploads,
    scanner::Scanner,
    sweep, vitals,
};

/// Why the process does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the metrics are not recorded")]
    Metrics(#[from] depot_service::metrics::MetricsError),
    #[error("the database is not usable")]
    Database(#[from] database::DatabaseError),
    #[error("the object store cannot be used")]
    Store(#[from] InvalidAuthorities),
    #[error("the keys of tokens cannot be read")]
    Keys(#[from] KeysError),
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
    #[error("the object store cannot be watched")]
    StoreWatch(#[from] StoreWatchError),
}

/// An uploader with its listener open, not stopped yet.
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

        let pool = database::connect(&config.database, "uploader", Plans::Usual)?;
        process.metrics.watch_pool(&pool);
        let checked = pool.clone();
        process
            .readiness
            .check("database", move || database::check(checked.clone()));

        let topics = Topics::new(&config.kafka.topic_prefix);
        let mut startup = StartUp::new(config.process.startup_wait);
        let database = startup.check(DatabaseCheck::new(pool.clone(), ServiceRole::Uploader));
        let kafka = startup.check(KafkaCheck::new(&config.kafka, used_topics(&topics))?);
        let cleared = database.and(&kafka);

        let watched = topics.events(Entity::Uploads);
        let watch = BrokerWatch::new(&config.kafka.brokers, client_settings(&config), watched)?;
        process
            .shutdown
            .spawn("Kafka watch", watch.run(process.shutdown.token()));
        let store = StoreWatch::new(&config.s3.endpoint, config.s3.authorities.as_deref())?;
        process
            .shutdown
            .spawn("object store watch", store.run(process.shutdown.token()));
        let told = process.heartbeat(vitals::vitals(&config));

        let doorbell = Doorbell::default();
        start_relay(&process, &config, &pool, doorbell.clone(), cleared.clone());
        let known = Arc::new(OnceLock::new());
        let work = Work {
            cleared,
            settings: consumer_settings(&config, &topics),
            dead_letters: DeadLetters::new(&config.kafka.brokers, &client_settings(&config))
                .map_err(BuildError::DeadLetters)?,
            tiers: tiers(&config, &topics),
            store: ObjectStore::trusting(&identity(&config.s3), config.s3.authorities.as_deref())?,
            staging: config.s3.staging_bucket,
            bucket: config.s3.bucket,
            sweep: config.sweep,
            known: Arc::clone(&known),
            scanner: start_scanner(&process, config.scanner),
            thumbnails: Thumbnails::new(config.thumbnails),
            readiness: process.readiness.clone(),
            pool,
            topics,
            doorbell,
        };
        let admin = process::bind(config.process.bind, config.process.admin_port).await?;
        let admin_address = admin.local_addr().map_err(BuildError::Address)?;
        let verifier = TokenVerifier::with_keys(&config.jwt)?.accepting_services(&config.jwt);
        // Those who come here are few, and all of this house.
        let door = Door::without_limit(verifier);
        let keeping = door.verifier().keep_keys(process.shutdown.last_token());
        process.shutdown.spawn_last("token keys", keeping);
        let desk = AdminDesk::new(door, known, config.sweep.grace, process.shutdown.token());
        process.serve_admin_with(&config.process, admin, admin::routes(desk).merge(told));
        startup.run(&process);
        let state = process.readiness.part("object store");
        process
            .shutdown
            .spawn_critical("uploads", work.begin(state, process.shutdown.token()));
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

    /// Runs until a signal, a request or a fatal fault; files under way are finished where the time suffices.
    ///
    /// # Errors
    /// [`DrainError`]: a part failed, or did not end in time.
    pub async fn run_until_stopped(self) -> Result<(), DrainError> {
        self.process.run_until_stopped(self.drain).await
    }
}

fn identity(s3: &S3Config) -> Identity {
    Identity {
        endpoint: s3.endpoint.clone(),
        public_endpoint: s3.public_endpoint.clone(),
        region: s3.region.clone(),
        access_key: s3.access_key.clone(),
        secret_key: s3.secret_key.clone(),
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

/// What is read and written, and where dead letters go.
fn used_topics(topics: &Topics) -> Vec<String> {
    let mut used = vec![
        topics.events(Entity::Uploads),
        topics.events(Entity::Files),
        topics.dead_letters(Entity::Uploads),
    ];
    used.extend(topics.retries());
    used
}

fn start_relay(process: &Process, config: &Config, pool: &Pool, doorbell: Doorbell, cleared: Clearance) {
    let options = RelayOptions {
        brokers: config.kafka.brokers.clone(),
        kafka: client_settings(config),
        instance: process::instance_name("uploader"),
        ..RelayOptions::default()
    };
    let (relay, handle) = Relay::new(options, pool, doorbell);
    process
        .readiness
        .check("relay", move || std::future::ready(handle.readiness()));
    process.spawn_cleared("relay", cleared, relay.run(process.shutdown.token()));
}

/// Files wait while the scanner is away, and readiness says so.
fn start_scanner(process: &Process, settings: Option<ClamdSettings>) -> Scanner {
    let scanner = Scanner::new(settings);
    if let Scanner::Clamd(_) = &scanner {
        let checked = scanner.clone();
        process.readiness.check("scanner", move || {
            let scanner = checked.clone();
            async move { scanner.check().await.map_err(|error| problem::chain(&error)) }
        });
    }
    scanner
}

fn consumer_settings(config: &Config, topics: &Topics) -> ConsumerSettings {
    let subscribed = [topics.events(Entity::Uploads)];
    let mut settings = ConsumerSettings::new(&config.kafka.brokers, topics.group("uploader"), subscribed);
    settings.max_concurrency = config.concurrency;
    settings.client_settings = client_settings(config);
    // Its end has to fit into the process's.
    settings.drain_deadline = config.process.drain.deadline.mul_f64(0.8);
    settings
}

fn tiers(config: &Config, topics: &Topics) -> Vec<RetryTier> {
    let tiers = topics.retries().into_iter().zip(config.retry_delays);
    tiers.map(|(topic, delay)| RetryTier { topic, delay }).collect()
}

/// The work of the process.
struct Work {
    cleared: Clearance,
    settings: ConsumerSettings,
    dead_letters: DeadLetters,
    tiers: Vec<RetryTier>,
    store: ObjectStore,
    staging: String,
    bucket: String,
    sweep: SweepConfig,
    /// Where the admin routes find what this works with.
    known: Arc<OnceLock<Files>>,
    scanner: Scanner,
    thumbnails: Thumbnails,
    readiness: Readiness,
    pool: Pool,
    topics: Topics,
    doorbell: Doorbell,
}

impl Work {
    /// Nothing is read or written before the installation is known to be right.
    async fn begin(self, state: ReadyState, stop: CancellationToken) -> Result<(), ConsumerError> {
        state.waiting_for("the installation is not looked at to the end");
        let cleared = self.cleared.clone();
        // Boxed, since all that it holds would lie in the future that waits.
        let worked = cleared.then(stop.clone(), Box::pin(self.run(state, stop))).await;
        worked.unwrap_or(Ok(()))
    }

    async fn run(self, state: ReadyState, stop: CancellationToken) -> Result<(), ConsumerError> {
        // Boxed: what calls the store nests deep, and the stack of a thread is 2 MiB.
        let probe = Box::pin(probe(&self.store, &self.staging, &self.bucket, &state));
        let probed = stop.run_until_cancelled(probe).await;
        let Some(copy_conditions) = probed else {
            return Ok(());
        };
        state.ready();
        let files = Files {
            pool: self.pool,
            store: self.store,
            staging: self.staging,
            bucket: self.bucket,
            copy_conditions,
            scanner: self.scanner,
            thumbnails: self.thumbnails,
            topics: self.topics,
            doorbell: self.doorbell,
        };
        // Nobody else sets it.
        self.known.get_or_init(|| files.clone());
        let handler = UploadEvents::new(files.clone());
        let retries = RetryTopics {
            tiers: self.tiers,
            parked: ParkedUploads(files.pool.clone()),
        };
        let (settings, letters) = (self.settings, self.dead_letters);
        let consumer = Consumer::start_keyed_with_retries(settings, handler, retries, letters, stop.clone())?;
        let handle = consumer.handle();
        self.readiness.check("events", move || {
            let waiting = handle.status().waiting_for();
            std::future::ready(if waiting.is_empty() {
                Ok(())
            } else {
                Err(waiting.join("; "))
            })
        });
        let (ended, ()) = tokio::join!(consumer.join(), Box::pin(sweep::run(files, self.sweep, stop)));
        ended
    }
}

/// Finds out whether copies can be bound to what was verified, for as long as the store takes to come up.
async fn probe(store: &ObjectStore, staging: &str, bucket: &str, state: &ReadyState) -> CopyConditions {
    let mut delays = Delays::never_ending(Duration::from_millis(200), Duration::from_secs(5));
    let tag = uuid::Uuid::now_v7().to_string();
    loop {
        match store.probe_copy_conditions(staging, bucket, &tag).await {
            Ok(conditions) => {
                tracing::info!(?conditions, "conditions on a copy's source");
                return conditions;
            }
            Err(error) => {
                state.waiting_for(format!("the object store: {error}"));
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the object store cannot be probed yet"
                );
            }
        }
        tokio::time::sleep(delays.next_delay().unwrap_or(Duration::from_secs(1))).await;
    }
}
