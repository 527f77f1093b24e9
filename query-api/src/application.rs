//! Everything wired together: build, then ports, then run; the same for `main` and for tests.

use std::{net::SocketAddr, sync::Arc};

use depot_object_store::InvalidAuthorities;
use depot_read_model::redis_client;
use depot_schemas::{Entity, topics::Topics};
use depot_service::{
    auth::{Door, KeysError, TokenMinter, TokenVerifier},
    config::DatabaseConfig,
    database::{self, Plans},
    process::{self, BindError, Process},
    shutdown::{DrainError, DrainPolicy, Shutdown},
    startup::{DatabaseCheck, ServiceRole, StartUp},
};

use crate::{
    change_feed::ChangeFeed,
    config::Config,
    console::Console,
    cursor::Cursors,
    download_urls::DownloadUrls,
    grpc,
    pipeline::{Pipeline, Stores},
    queries::{ItemTopics, Queries, Tracer, Watches, describe_stream_metrics},
    read::{self, Cache, Pointer, Pools, Reader, Server, Sources, Views, notifications},
    rest::{self, Exports, RestState},
    visibility::Visibility,
    vitals,
};

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("a port cannot be opened")]
    Bind(#[from] BindError),
    #[error("metrics cannot be recorded")]
    Metrics(#[from] depot_service::metrics::MetricsError),
    #[error("the database cannot be used")]
    Database(#[from] database::DatabaseError),
    #[error("REDIS_ADDR cannot be used")]
    Redis(#[from] redis::RedisError),
    #[error("the object store cannot be used")]
    Store(#[from] InvalidAuthorities),
    #[error("the keys of tokens cannot be read")]
    Keys(#[from] KeysError),
    #[error("the client that asks the processes how they are cannot be made")]
    Client(#[from] reqwest::Error),
    #[error(
        "a listener has no address, or a file of REDIS_CA_FILE, REDIS_CERT_FILE or REDIS_KEY_FILE cannot be read"
    )]
    Io(#[from] std::io::Error),
}

/// A query-api that serves as soon as it is built.
#[derive(Debug)]
pub struct Application {
    process: Process,
    drain: DrainPolicy,
    http_address: SocketAddr,
    grpc_address: SocketAddr,
    admin_address: SocketAddr,
    feed: ChangeFeed,
    watches: Watches,
}

impl Application {
    /// Opens the ports and starts to serve. Backing services may be away: readiness says which is waited for.
    ///
    /// # Errors
    /// [`BuildError`].
    pub async fn build(config: Config, shutdown: Shutdown) -> Result<Self, BuildError> {
        let process = Process::new(shutdown)?;
        read::describe_metrics();
        describe_stream_metrics();
        let http = process::bind(config.http.bind, config.http.port).await?;
        let grpc = process::bind(config.http.bind, config.grpc_port).await?;
        let admin = process::bind(config.process.bind, config.process.admin_port).await?;
        let (http_address, grpc_address, admin_address) =
            (http.local_addr()?, grpc.local_addr()?, admin.local_addr()?);
        let told = process.heartbeat(vitals::vitals(&config));
        process.serve_admin_with(&config.process, admin, told);

        let stop = process.shutdown.token();
        let (views, replica) = (primary(&config, &process)?, replica(&config, &process)?);
        // Until the very end: requests that are finished while the process drains need it too.
        let (pointer, keep_pointer) = Pointer::watch(views.clone(), process.shutdown.last_token());
        process.shutdown.spawn_last("pointer", keep_pointer);
        let probe = pointer.clone();
        process
            .readiness
            .check("pointer", move || std::future::ready(probe.check()));

        let feed = ChangeFeed::default();
        let (authorities, identity) = config.redis.tls.read_pem()?;
        let redis = redis_client(config.redis.url(), authorities, identity)?;
        let cache = Cache::new(&redis, &config.redis)?;
        let follow = notifications::follow(redis, config.redis.clone(), feed.clone(), stop.clone());
        process.shutdown.spawn("notifications", follow);

        let topics = Topics::new(&config.topic_prefix);
        let tracer = Tracer {
            views: views.clone(),
            cache: cache.clone(),
            pointer: pointer.clone(),
        };
        let pipeline = watch_pipeline(&config, &process, &topics, &tracer)?;
        let topics = ItemTopics {
            events: topics.events(Entity::Items),
            redriven: topics.redriven("projector"),
        };
        let watches = Watches::new(topics, config.watch, stop.clone());
        process.shutdown.spawn("watch streams", watches.clone().ended());
        let exports = Exports::new(config.export, stop.clone());
        process.shutdown.spawn("exports", exports.clone().ended());
        let queries = Queries {
            reader: Reader::new(
                Sources::new(views, replica),
                cache,
                pointer.clone(),
                config.local_cache,
            ),
            visibility: Visibility::new(
                feed.clone(),
                config.max_waiting_reads,
                config.poll_pace,
                stop.clone(),
            ),
            feed: feed.clone(),
            cursors: Cursors::new(&config.cursor_secret),
            downloads: Arc::new(DownloadUrls::new(&config.s3, config.download_url_ttl)?),
            watches: watches.clone(),
        };
        let door = Door::new(TokenVerifier::with_keys(&config.jwt)?, &config.rate_limit);
        process.watch_keys(&door);
        let minter = config.dev_token_enabled.then(|| TokenMinter::new(&config.jwt));
        let console = Console::new(&config.console, &config.s3.public_endpoint, minter);
        let max_calls = config.http.max_concurrent_requests;
        let rpc = grpc::serve(grpc, queries.clone(), Arc::clone(&door), pointer, max_calls, stop);
        process.shutdown.spawn_critical("gRPC listener", rpc);
        process.serve(
            "REST listener",
            http,
            rest::router(
                RestState {
                    queries: Arc::new(queries),
                    door,
                    exports,
                    pipeline,
                    tracer,
                    console,
                },
                &config.http,
            ),
            config.http.connections,
        );
        tracing::info!(%http_address, %grpc_address, %admin_address, "serving");
        let drain = config.process.drain;
        process.complete();
        Ok(Self {
            process,
            drain,
            http_address,
            grpc_address,
            admin_address,
            feed,
            watches,
        })
    }

    /// Where REST is served.
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Where gRPC is served.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }

    /// Where metrics and probes are served.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Those who wait for a change.
    pub fn change_feed(&self) -> &ChangeFeed {
        &self.feed
    }

    /// The open streams.
    pub fn watches(&self) -> &Watches {
        &self.watches
    }

    /// Runs until a signal or a failure, then drains.
    ///
    /// # Errors
    /// [`DrainError`] names what failed or did not end in time.
    pub async fn run_until_stopped(self) -> Result<(), DrainError> {
        self.process.run_until_stopped(self.drain).await
    }
}

/// The picture of the whole, kept until the process drains.
fn watch_pipeline(
    config: &Config,
    process: &Process,
    topics: &Topics,
    tracer: &Tracer,
) -> Result<Pipeline, BuildError> {
    let (pointer, cache) = (tracer.pointer.clone(), tracer.cache.clone());
    let stores = Stores::new(pointer, cache);
    let name = process::instance_name("query-api");
    let stop = process.shutdown.token();
    let (pipeline, watching) = Pipeline::watch(config.admin.clone(), stores, topics, name, stop)?;
    process.shutdown.spawn("pipeline", watching);
    Ok(pipeline)
}

/// The views in the primary, without which the service is not ready.
fn primary(config: &Config, process: &Process) -> Result<Views, BuildError> {
    let pools = pools(config, &config.database, "query-api", process)?;
    let probed = pools.point.clone();
    process
        .readiness
        .check("database", move || database::check(probed.clone()));
    // Nothing waits for it but readiness: what is not right can only keep reads from being answered.
    let mut startup = StartUp::new(config.process.startup_wait);
    startup.check(DatabaseCheck::new(pools.point.clone(), ServiceRole::Query));
    startup.run(process);
    Ok(Views::new(Server::Primary, pools, config.max_concurrent_searches))
}

/// The views in a replica, where there is one; nothing waits for it.
fn replica(config: &Config, process: &Process) -> Result<Option<Views>, BuildError> {
    let Some(url) = &config.read_replica_url else {
        return Ok(None);
    };
    let database = DatabaseConfig {
        url: url.clone(),
        ..config.database.clone()
    };
    let pools = pools(config, &database, "query-api replica", process)?;
    Ok(Some(Views::new(
        Server::Replica,
        pools,
        config.max_concurrent_searches,
    )))
}

/// The pools over the views of one server. Of the connections for lists half are for those whose plans are kept.
fn pools(
    config: &Config,
    database: &DatabaseConfig,
    name: &str,
    process: &Process,
) -> Result<Pools, BuildError> {
    let newest = (config.search_max_connections / 2).max(1);
    let search = config.search_max_connections.saturating_sub(newest).max(1);
    let of = |max_connections| DatabaseConfig {
        max_connections,
        ..database.clone()
    };
    let pools = Pools {
        point: database::connect(database, name, Plans::Usual)?,
        search: database::connect(&of(search), &format!("{name} search"), Plans::Anew)?,
        newest: database::connect(&of(newest), &format!("{name} newest"), Plans::Ordered)?,
    };
    for pool in [&pools.point, &pools.search, &pools.newest] {
        process.metrics.watch_pool(pool);
    }
    Ok(pools)
}
