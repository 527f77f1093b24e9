//! How the service is put together: the same for `main` and for tests.

use depot_service::database::Pool;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::Router;
use depot_consumer::{Consumer, ConsumerError, ConsumerHandle, DeadLetters, PartitionState};
use depot_domain::InvalidOwner;
use depot_kafka_client::{BrokerWatch, BrokerWatchError};
use depot_object_store::{InvalidAuthorities, StoreWatch, StoreWatchError};
use depot_outbox::{Doorbell, Relay, RelayOptions};
use depot_retry::Bulkhead;
use depot_saga::{
    Saga,
    timeout::{self, OnTimeout, TimeoutOptions},
};
use depot_schemas::{
    Entity,
    topics::{REDRIVEN_GROUPS, Topics},
};
use depot_service::{
    auth::{Door, KeysError, TokenMinter, TokenVerifier},
    config::HttpConfig,
    database::{self, Plans},
    layers,
    metrics::MetricsError,
    process::{self, BindError, Process},
    shutdown::{DrainError, DrainPolicy, Shutdown},
    startup::{Clearance, DatabaseCheck, ServiceRole, StartUp},
};
use depot_topics::{KafkaCheck, KafkaCheckError};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    announcement::{Announcements, InParts, UploadPolicy},
    commands::Writer,
    config::Config,
    dead_letters::{self, DeadLetterIndex, Depth, LetterLog, Redriver, index_settings},
    execution::Executor,
    grpc::{self, CallLimits, CommandDesk},
    http::{
        self, Accounts, ApiParts, ApiState, Bulk, BulkSettings, Database, DeadLetterDesk, QueryAddress,
        SweepDesk,
    },
    key_expiry,
    republish::{self, LogScan, Republisher},
    saga::{
        ITEM_DELETION_SAGA, ItemDeletionDeadlines, SagaEvents, UPLOAD_SAGA, UploadDeadlines,
        consumer_settings,
    },
    staging::Staging,
    store_notifications::{self, StoreNotifications},
    sweep::{self, Mender, SweepSchedule, Sweeper, UploaderAdmin},
    vitals,
};

/// The name in logs, traces and `pg_stat_activity`.
pub const NAME: &str = "command-api";

/// Sweeps that are asked for and run at once.
const SWEEPS_AT_ONCE: usize = 1;

/// Batches that are taken at once, each with its document in memory.
const BATCHES_AT_ONCE: usize = 8;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("metrics cannot be recorded")]
    Metrics(#[from] MetricsError),
    #[error("the database cannot be used")]
    Database(#[from] database::DatabaseError),
    #[error("a port cannot be opened")]
    Bind(#[from] BindError),
    #[error("a listener has no address")]
    Address(#[source] std::io::Error),
    #[error("a consumer does not start")]
    Consumer(#[from] ConsumerError),
    #[error("the producer that redrives cannot be made")]
    Redrive(#[source] rdkafka::error::KafkaError),
    #[error("the client of the uploader cannot be made")]
    UploaderClient(#[source] reqwest::Error),
    #[error("the object store cannot be used")]
    Store(#[from] InvalidAuthorities),
    #[error("the keys of tokens cannot be read")]
    Keys(#[from] KeysError),
    #[error("the store's notifications have no name to act by")]
    Name(#[from] InvalidOwner),
    #[error("Kafka cannot be looked at")]
    KafkaCheck(#[from] KafkaCheckError),
    #[error("Kafka cannot be watched")]
    BrokerWatch(#[from] BrokerWatchError),
    #[error("the object store cannot be watched")]
    StoreWatch(#[from] StoreWatchError),
}

/// What work waits for before it begins.
#[derive(Debug, Clone)]
struct Cleared {
    database: Clearance,
    kafka: Clearance,
}

impl Cleared {
    fn both(&self) -> Clearance {
        self.database.and(&self.kafka)
    }
}

/// A service that is listening.
#[derive(Debug)]
pub struct Application {
    process: Process,
    drain: DrainPolicy,
    address: SocketAddr,
    grpc_address: SocketAddr,
    admin_address: SocketAddr,
    writer: Writer,
}

impl Application {
    /// Opens the ports and starts all tasks. The database, Kafka and the object store may be away: readiness tells.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn build(config: Config, shutdown: Shutdown) -> Result<Self, StartError> {
        let process = Process::new(shutdown)?;
        let pool = database::connect(&config.database, NAME, Plans::Usual)?;
        process.metrics.watch_pool(&pool);
        let checked = pool.clone();
        process
            .readiness
            .check("database", move || database::check(checked.clone()));

        let topics = Topics::new(&config.kafka.topic_prefix);
        let doorbell = Doorbell::default();
        let mut startup = StartUp::new(config.process.startup_wait);
        let cleared = look_at_installation(&mut startup, &config, &topics, &pool)?;
        let patience = config.database.acquire_timeout;
        let begins = cleared.database.clone();
        let writer = Writer::new(pool.clone(), topics.clone(), doorbell.clone(), begins, patience);
        let public = process::bind(config.http.bind, config.http.port).await?;
        let rpc = process::bind(config.http.bind, config.grpc_port).await?;
        let admin = process::bind(config.process.bind, config.process.admin_port).await?;
        let address = public.local_addr().map_err(StartError::Address)?;
        let grpc_address = rpc.local_addr().map_err(StartError::Address)?;
        let admin_address = admin.local_addr().map_err(StartError::Address)?;
        let told = process.heartbeat(vitals::vitals(&config));
        process.serve_admin_with(&config.process, admin, told);
        startup.run(&process);
        watch_kafka(&process, &config, &topics)?;
        let store = StoreWatch::new(&config.s3.endpoint, config.s3.authorities.as_deref())?;
        process
            .shutdown
            .spawn("object store watch", store.run(process.shutdown.token()));
        if config.relay_enabled {
            start_relay(&process, &config, &pool, doorbell, &cleared);
        }
        if config.saga_enabled {
            start_saga(&process, &config, topics.clone(), &writer, &cleared)?;
        }
        if config.dead_letters_enabled {
            start_dead_letters(&process, &config, topics.clone(), &pool, &cleared)?;
        }
        if config.store_notifications_enabled {
            start_store_notifications(&process, &config, &topics, &writer, &cleared)?;
        }
        let expiry = key_expiry::run(pool.clone(), process.shutdown.token());
        process.spawn_cleared("key expiry", cleared.database.clone(), expiry);
        start_republish(&process, &config, topics.clone(), &writer, &cleared);
        let sweeper = sweeper(&config, &writer)?;
        if config.sweep_enabled {
            let interval = config.sweep_interval;
            let swept = sweep::run(
                sweeper.clone(),
                SweepSchedule { interval },
                process.shutdown.token(),
            );
            process.spawn_cleared("sweep", cleared.database.clone(), swept);
        }
        let door = Door::new(TokenVerifier::with_keys(&config.jwt)?, &config.rate_limit);
        process.watch_keys(&door);
        let executor = Executor::new(writer.clone(), &process.shutdown, config.commands);
        let announcements = announcements(&config, &sweeper);
        let desk = CommandDesk {
            door: Arc::clone(&door),
            executor: executor.clone(),
            writer: writer.clone(),
            announcements: announcements.clone(),
            longest: config.http.request_timeout,
        };
        serve_grpc(&process, &config, rpc, desk);
        let parts = (executor, announcements);
        let state = api_state(&config, &process, &writer, sweeper, door, parts);
        let router = public_router(state, &config);
        process.serve("public listener", public, router, config.http.connections);
        tracing::info!(%address, %grpc_address, %admin_address, "command-api is listening");
        process.complete();
        Ok(Self {
            process,
            drain: config.process.drain,
            address,
            grpc_address,
            admin_address,
            writer,
        })
    }

    /// Where the public API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where gRPC is served.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }

    /// Where probes and metrics are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Where units of work begin: for tests that do what events would.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Runs until a signal or a failed task, then drains.
    ///
    /// # Errors
    /// [`DrainError`].
    pub async fn run_until_stopped(self) -> Result<(), DrainError> {
        self.process.run_until_stopped(self.drain).await
    }
}

/// What takes longer than other requests has places and limits of its own.
fn public_router(state: ApiState, config: &Config) -> Router {
    let streams = http::streaming_router(state.clone());
    let places = Bulkhead::new("content streams", config.max_content_streams);
    let streams = layers::streaming_layers(streams, &config.http, places);
    let sweeps = http::sweep_router(state.clone());
    let places = Bulkhead::new("sweeps", SWEEPS_AT_ONCE);
    let sweeps = layers::streaming_layers(sweeps, &config.http, places);
    let larger = HttpConfig {
        max_body_bytes: config.max_batch_bytes,
        ..config.http.clone()
    };
    let places = Bulkhead::new("batches", BATCHES_AT_ONCE);
    let batches = layers::bulk_layers(http::batch_router(state.clone()), &larger, places);
    let imports = layers::duplex_layers(http::import_router(state.clone()), &config.http);
    layers::standard_layers(http::router(state), &config.http)
        .merge(streams)
        .merge(sweeps)
        .merge(batches)
        .merge(imports)
}

fn sweeper(config: &Config, writer: &Writer) -> Result<Sweeper, StartError> {
    let tokens = TokenMinter::for_services(&config.jwt);
    let uploader =
        UploaderAdmin::new(&config.uploader_admin_url, tokens).map_err(StartError::UploaderClient)?;
    let staging = Staging::new(&config.s3)?;
    Ok(Sweeper {
        mender: Mender {
            writer: writer.clone(),
            upload_grace: config.upload_grace,
        },
        uploader,
        staging,
        grace: config.sweep_grace,
    })
}

fn announcements(config: &Config, sweeper: &Sweeper) -> Announcements {
    Announcements {
        staging: sweeper.staging.clone(),
        policy: UploadPolicy {
            url_lifetime: config.upload_url_ttl,
            in_parts: InParts {
                over_bytes: config.multipart_over_bytes,
                part_size_bytes: config.multipart_part_bytes,
                lifetime: config.multipart_ttl,
            },
            grace: config.upload_grace,
            default_quota_bytes: config.default_quota_bytes,
        },
        accepted: Arc::new(config.accepted_types.clone()),
    }
}

fn serve_grpc(process: &Process, config: &Config, listener: TcpListener, desk: CommandDesk) {
    let limits = CallLimits {
        max_calls: config.http.max_concurrent_requests,
        max_request_bytes: config.http.max_body_bytes,
    };
    let (readiness, stop) = (process.readiness.clone(), process.shutdown.token());
    let serving = grpc::serve(listener, desk, readiness, limits, stop);
    process.shutdown.spawn_critical("gRPC listener", serving);
}

fn api_state(
    config: &Config,
    process: &Process,
    writer: &Writer,
    sweeper: Sweeper,
    door: Arc<Door>,
    (executor, announcements): (Executor, Announcements),
) -> ApiState {
    let bulk = BulkSettings {
        max_imports: config.max_imports,
        idle: config.import_idle,
        // A line may be what a request may be.
        max_line_bytes: config.http.max_body_bytes,
        max_lines: config.commands.places_together() / 2,
    };
    let bulk = Bulk::new(executor.clone(), Arc::clone(&door), &process.shutdown, bulk);
    let parts = ApiParts {
        door,
        executor,
        bulk,
        writer: writer.clone(),
        query: QueryAddress(config.query_public_url.as_str().into()),
        announcements,
        accounts: Accounts(writer.clone()),
        database: Database(writer.pool().clone()),
        sweeps: SweepDesk {
            sweeper,
            stop: process.shutdown.token(),
        },
        dead_letters: DeadLetterDesk {
            log: LetterLog::new(&config.kafka.brokers, &client_settings(config)),
            topics: Topics::new(&config.kafka.topic_prefix),
        },
    };
    parts.into()
}

/// The checks that this process needs; who works without Kafka does not ask for it.
fn look_at_installation(
    startup: &mut StartUp,
    config: &Config,
    topics: &Topics,
    pool: &Pool,
) -> Result<Cleared, StartError> {
    let database = startup.check(DatabaseCheck::new(pool.clone(), ServiceRole::Command));
    let used = used_topics(config, topics);
    let kafka = if used.is_empty() {
        Clearance::none_needed()
    } else {
        startup.check(KafkaCheck::new(&config.kafka, used)?)
    };
    Ok(Cleared { database, kafka })
}

/// What the parts that are enabled read and write, and where their dead letters go.
fn used_topics(config: &Config, topics: &Topics) -> Vec<String> {
    let mut used = Vec::new();
    if config.relay_enabled {
        used.extend([topics.events(Entity::Items), topics.events(Entity::Uploads)]);
        used.extend(Entity::declared().map(|entity| topics.events(entity)));
    }
    if config.saga_enabled {
        used.extend([topics.events(Entity::Files), topics.events(Entity::Items)]);
        used.extend([
            topics.dead_letters(Entity::Files),
            topics.dead_letters(Entity::Items),
        ]);
        used.push(topics.redriven("saga"));
    }
    if config.dead_letters_enabled {
        used.extend(Entity::all().map(|entity| topics.dead_letters(entity)));
        used.push(topics.store_notification_dead_letters());
        let [first, ..] = topics.retries();
        used.push(first);
        used.extend(REDRIVEN_GROUPS.map(|group| topics.redriven(group)));
    }
    if config.store_notifications_enabled {
        used.extend([
            topics.store_notifications(),
            topics.store_notification_dead_letters(),
        ]);
        used.push(topics.redriven("store-notifications"));
    }
    used
}

/// Who works without Kafka does not ask whether it is there.
fn watch_kafka(process: &Process, config: &Config, topics: &Topics) -> Result<(), StartError> {
    let Some(topic) = used_topics(config, topics).into_iter().next() else {
        return Ok(());
    };
    let watch = BrokerWatch::new(&config.kafka.brokers, client_settings(config), topic)?;
    process
        .shutdown
        .spawn("Kafka watch", watch.run(process.shutdown.token()));
    Ok(())
}

fn start_relay(process: &Process, config: &Config, pool: &Pool, doorbell: Doorbell, cleared: &Cleared) {
    let options = RelayOptions {
        brokers: config.kafka.brokers.clone(),
        kafka: client_settings(config),
        instance: process::instance_name(NAME),
        ..RelayOptions::default()
    };
    let (relay, handle) = Relay::new(options, pool, doorbell);
    process
        .readiness
        .check("relay", move || std::future::ready(handle.readiness()));
    process.spawn_cleared("relay", cleared.both(), relay.run(process.shutdown.token()));
}

fn start_saga(
    process: &Process,
    config: &Config,
    topics: Topics,
    writer: &Writer,
    cleared: &Cleared,
) -> Result<(), StartError> {
    depot_consumer::describe_metrics();
    let client = client_settings(config);
    let dead_letters = DeadLetters::new(&config.kafka.brokers, &client)?;
    let settings = consumer_settings(&config.kafka.brokers, &topics, client);
    let events = SagaEvents::new(writer.clone(), topics);
    let stop = process.shutdown.token();
    let start = {
        let stop = stop.clone();
        move || Consumer::start_keyed(settings, events, dead_letters, stop)
    };
    watch_over(process, "saga consumer", cleared.both(), start);
    let uploads = UploadDeadlines(writer.clone());
    let deadlines = run_deadlines(writer.pool().clone(), &UPLOAD_SAGA, uploads, stop.clone());
    process.spawn_cleared("upload deadlines", cleared.database.clone(), deadlines);
    let deletions = ItemDeletionDeadlines(writer.clone());
    let deadlines = run_deadlines(writer.pool().clone(), &ITEM_DELETION_SAGA, deletions, stop);
    process.spawn_cleared("item deletion deadlines", cleared.database.clone(), deadlines);
    Ok(())
}

/// What tells the state once more, when it is asked to. It reads the log only where the database was set back.
fn start_republish(process: &Process, config: &Config, topics: Topics, writer: &Writer, cleared: &Cleared) {
    let log = LogScan::new(&config.kafka.brokers, &client_settings(config));
    let republisher = Republisher::new(writer.clone(), log, topics);
    let told = republish::run(republisher, process.shutdown.token());
    process.spawn_cleared("republish", cleared.database.clone(), told);
}

/// The index of the dead letters, and what brings them back. Neither is needed for commands, so readiness is silent.
fn start_dead_letters(
    process: &Process,
    config: &Config,
    topics: Topics,
    pool: &Pool,
    cleared: &Cleared,
) -> Result<(), StartError> {
    let (brokers, client) = (&config.kafka.brokers, client_settings(config));
    let stop = process.shutdown.token();
    let settings = index_settings(brokers, &topics, client.clone());
    let letters = DeadLetters::new(brokers, &client)?;
    let index = DeadLetterIndex(pool.clone());
    let start = {
        let stop = stop.clone();
        move || Consumer::start_keyed(settings, index, letters, stop)
    };
    let consumed = consume(cleared.both(), stop.clone(), start, |_| {});
    process.shutdown.spawn_critical("dead letter index", consumed);
    let log = LetterLog::new(brokers, &client);
    let depth = Depth::new(pool.clone(), &topics);
    let redriver = Redriver::new(pool.clone(), log, topics, brokers, &client).map_err(StartError::Redrive)?;
    process.spawn_cleared(
        "redrive",
        cleared.both(),
        dead_letters::run(redriver, stop.clone()),
    );
    process.spawn_cleared("dead letter depth", cleared.database.clone(), depth.run(stop));
    Ok(())
}

fn start_store_notifications(
    process: &Process,
    config: &Config,
    topics: &Topics,
    writer: &Writer,
    cleared: &Cleared,
) -> Result<(), StartError> {
    depot_consumer::describe_metrics();
    let client = client_settings(config);
    let dead_letters = DeadLetters::new(&config.kafka.brokers, &client)?;
    let settings = store_notifications::consumer_settings(&config.kafka.brokers, topics, client);
    let handler = StoreNotifications::new(writer.clone(), topics, &config.s3.staging_bucket)?;
    let stop = process.shutdown.token();
    let start = move || Consumer::start_keyed(settings, handler, dead_letters, stop);
    watch_over(process, "store notifications", cleared.both(), start);
    Ok(())
}

/// A consumer is a part of readiness, from before it is started, and the process ends with it.
fn watch_over(
    process: &Process,
    name: &'static str,
    cleared: Clearance,
    start: impl FnOnce() -> Result<Consumer, ConsumerError> + Send + 'static,
) {
    let (readiness, state) = (process.readiness.clone(), process.readiness.part(name));
    let watch = move |consumer: &Consumer| {
        let (handle, joined) = (consumer.handle(), Arc::new(AtomicBool::new(false)));
        readiness.check(name, move || std::future::ready(check_consumer(&handle, &joined)));
        state.ready();
    };
    let consumed = consume(cleared, process.shutdown.token(), start, watch);
    process.shutdown.spawn_critical(name, consumed);
}

/// Starts a consumer once that is cleared, and ends with it.
async fn consume(
    cleared: Clearance,
    stop: CancellationToken,
    start: impl FnOnce() -> Result<Consumer, ConsumerError>,
    started: impl FnOnce(&Consumer),
) -> Result<(), ConsumerError> {
    let consuming = async {
        let consumer = start()?;
        started(&consumer);
        consumer.join().await
    };
    cleared.then(stop, consuming).await.unwrap_or(Ok(()))
}

async fn run_deadlines(pool: Pool, saga: &'static Saga, handler: impl OnTimeout, stop: CancellationToken) {
    timeout::run(
        PgPool::clone(&pool),
        saga,
        TimeoutOptions::default(),
        handler,
        stop,
    )
    .await;
}

/// The settings that every Kafka client starts from, without the brokers, which have an argument of their own.
fn client_settings(config: &Config) -> Vec<(String, String)> {
    let settings = config.kafka.client_settings().into_iter();
    settings
        .filter(|(name, _)| *name != "bootstrap.servers")
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Ready once the group has taken this member in. After that, Kafka being away is no reason to refuse commands: they
/// are accepted and published later. A partition that is stopped for good is.
fn check_consumer(handle: &ConsumerHandle, joined: &AtomicBool) -> Result<(), String> {
    let status = handle.status();
    if !joined.load(Ordering::Relaxed) {
        let reasons = status.waiting_for();
        if !reasons.is_empty() {
            return Err(reasons.join("; "));
        }
        joined.store(true, Ordering::Relaxed);
    }
    let stopped = status
        .partitions
        .iter()
        .find_map(|partition| match &partition.state {
            PartitionState::Stopped { reason } => Some(format!(
                "{} [{}] is stopped: {reason}",
                partition.topic, partition.partition
            )),
            _ => None,
        });
    stopped.or(status.failed).map_or(Ok(()), Err)
}
