//! A query-api of its own for each test: database, Redis prefix, ports.

use std::{net::SocketAddr, time::Duration};

use depot_read_model::{Change, ChangeNotice, EntityKind, changes_channel};
use depot_service::{
    auth::{Role, TokenMinter},
    config::{
        AppEnv, DatabaseConfig, HttpConfig, JwtConfig, ProcessConfig, RateLimitConfig, RedisConfig, S3Config,
        TelemetryConfig,
    },
    shutdown::Shutdown,
};
use depot_test_stack::{ServiceRole, TestDatabase, settings, unique_name, wait_until};
use query_api::{
    Application, Config,
    change_feed::ChangeFeed,
    console::ConsoleConfig,
    pipeline::AdminAddresses,
    queries::{WatchLimits, Watches},
    read::LocalCacheSettings,
    rest::ExportLimits,
    visibility::PollPace,
};
use serde_json::json;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::http::{self, Reply};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// The topic that the views of these tests were built from.
pub const TOPIC: &str = "depot.items.v1";
/// The topic of what the projector had given up, and was brought back.
pub const REDRIVEN: &str = "depot.projector.retry.v1";

/// A running service and what it runs on.
pub struct Harness {
    pub pool: PgPool,
    pub http: SocketAddr,
    pub grpc: SocketAddr,
    pub redis: redis::Client,
    pub prefix: String,
    feed: ChangeFeed,
    watches: Watches,
    shutdown: Shutdown,
    config: Config,
    _database: TestDatabase,
}

impl Harness {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts it with other settings, and waits until it is ready.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        depot_service::install_crypto_provider();
        let database = TestDatabase::create().await.unwrap();
        let pool = database.owner_pool().await;
        let prefix = format!("{}:", unique_name());
        let mut config = config(&database.url(ServiceRole::Query), &prefix);
        change(&mut config);
        let started = Started::with(config.clone()).await;
        let redis = redis::Client::open(format!("redis://{}", settings().redis_addr())).unwrap();
        Self {
            pool,
            http: started.http,
            grpc: started.grpc,
            redis,
            prefix,
            feed: started.feed,
            watches: started.watches,
            shutdown: started.shutdown,
            config,
            _database: database,
        }
    }

    /// Stops it, and starts another on the same backing services, which is asked from now on.
    pub async fn restart(&mut self) {
        self.stop();
        let started = Started::with(self.config.clone()).await;
        (self.http, self.grpc) = (started.http, started.grpc);
        (self.feed, self.watches) = (started.feed, started.watches);
        self.shutdown = started.shutdown;
    }

    /// Until a read waits for a version: it has registered, and looks into Postgres.
    pub async fn until_a_read_waits(&self) {
        wait_until("a read waits", || async { self.feed.waited_for() > 0 }).await;
    }

    pub fn waiting_reads(&self) -> usize {
        self.feed.waited_for()
    }

    pub fn open_streams(&self) -> usize {
        self.watches.open()
    }

    /// Begins to drain.
    pub fn stop(&self) {
        self.shutdown.request();
    }

    /// A GET by a reader called `reader`.
    pub async fn get(&self, path: &str) -> Reply {
        self.get_as("reader", &[Role::Reader], path, &[]).await
    }

    /// A GET by a reader with headers of its own.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.get_as("reader", &[Role::Reader], path, headers).await
    }

    pub async fn get_as(&self, subject: &str, roles: &[Role], path: &str, headers: &[(&str, &str)]) -> Reply {
        let token = format!("Bearer {}", token(subject, roles));
        let mut all = vec![("authorization", token.as_str())];
        all.extend_from_slice(headers);
        http::get(self.http, path, &all).await
    }

    /// Tells, as the projector does, that an item is in the views in this version.
    pub async fn notify(&self, id: Uuid, version: i64) {
        let notice = ChangeNotice {
            topic: TOPIC.into(),
            partition: 0,
            next_offset: version,
            changes: vec![Change {
                kind: EntityKind::Item,
                id,
                version: depot_domain::VersionToken::new(0, version),
                offset: version - 1,
            }],
        };
        let mut connection = self.redis.get_multiplexed_async_connection().await.unwrap();
        let _: i64 = redis::cmd("PUBLISH")
            .arg(changes_channel(&self.prefix))
            .arg(notice.to_json().unwrap())
            .query_async(&mut connection)
            .await
            .unwrap();
    }
}

/// A query-api that is ready.
struct Started {
    http: SocketAddr,
    grpc: SocketAddr,
    feed: ChangeFeed,
    watches: Watches,
    shutdown: Shutdown,
}

impl Started {
    async fn with(config: Config) -> Self {
        let shutdown = Shutdown::new();
        let application = Application::build(config, shutdown.clone()).await.unwrap();
        let (http, grpc) = (application.http_address(), application.grpc_address());
        let feed = application.change_feed().clone();
        let watches = application.watches().clone();
        let admin = application.admin_address();
        tokio::spawn(application.run_until_stopped());
        wait_until("query-api is ready", || async {
            http::get(admin, "/readyz", &[]).await.status == 200
        })
        .await;
        Self {
            http,
            grpc,
            feed,
            watches,
            shutdown,
        }
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

pub fn token(subject: &str, roles: &[Role]) -> String {
    token_for(subject, roles, Duration::from_secs(600))
}

/// A token that is good for so long.
pub fn token_for(subject: &str, roles: &[Role], lifetime: Duration) -> String {
    TokenMinter::new(&JwtConfig::for_secret(SECRET))
        .mint(subject, roles, lifetime)
        .unwrap()
}

fn config(database_url: &str, prefix: &str) -> Config {
    Config {
        process: ProcessConfig {
            bind: [127, 0, 0, 1].into(),
            ..ProcessConfig::default()
        },
        http: HttpConfig {
            request_timeout: Duration::from_secs(60),
            ..HttpConfig::default()
        },
        grpc_port: 0,
        database: DatabaseConfig::for_url(database_url, "read"),
        read_replica_url: None,
        search_max_connections: 10,
        max_concurrent_searches: 400,
        redis: RedisConfig::new(settings().redis_addr(), prefix),
        s3: S3Config {
            endpoint: settings().get("MINIO_ENDPOINT").to_owned(),
            public_endpoint: "http://files.example:9000".to_owned(),
            access_key: settings().get("QUERY_API_MINIO_ACCESS_KEY").to_owned(),
            secret_key: settings().get("QUERY_API_MINIO_SECRET_KEY").into(),
            bucket: "files".to_owned(),
            staging_bucket: "staging".to_owned(),
            region: "us-east-1".to_owned(),
            authorities: None,
        },
        jwt: JwtConfig::for_secret(SECRET),
        cursor_secret: SECRET.into(),
        rate_limit: RateLimitConfig::default(),
        telemetry: TelemetryConfig {
            app_env: AppEnv::Test,
            log_level: "info".to_owned(),
            otlp_endpoint: None,
            sample_ratio: 0.0,
        },
        // Nothing is held in the process, so that a test sees what the other layers do.
        local_cache: LocalCacheSettings {
            ttl: Duration::ZERO,
            max_bytes: 1 << 20,
        },
        max_waiting_reads: 100,
        poll_pace: PollPace::default(),
        watch: WatchLimits::default(),
        export: ExportLimits::default(),
        download_url_ttl: Duration::from_secs(300),
        topic_prefix: "depot".to_owned(),
        console: ConsoleConfig {
            enabled: true,
            environment: AppEnv::Test,
            command_url: "http://commands.example:8080".to_owned(),
            repository_url: None,
            openid: None,
            connect_origins: Vec::new(),
        },
        dev_token_enabled: false,
        admin: AdminAddresses::default(),
    }
}

/// A row of `read.items`.
#[derive(Debug, Clone)]
pub struct Item {
    pub id: Uuid,
    pub owner: &'static str,
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    pub status: &'static str,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub deleted: bool,
}

impl Default for Item {
    fn default() -> Self {
        Self {
            id: Uuid::now_v7(),
            owner: "alice",
            name: "a name".to_owned(),
            description: "a description".to_owned(),
            tags: vec!["red".to_owned()],
            status: "active",
            version: 1,
            created_at: time::macros::datetime!(2026-01-31 12:00:00.123456 UTC),
            deleted: false,
        }
    }
}

impl Item {
    /// Writes the row as it is in this version.
    pub async fn put(&self, pool: &PgPool) {
        sqlx::query(
            "INSERT INTO read.items (projection, id, owner, name, description, tags, attributes, status, files,
                 epoch, version, created_at, updated_at, deleted)
             VALUES (1, $1, $2, $3, $4, $5, '{\"weight\": 1.5}', $6, '[]', 0, $7, $8, $8, $9)
             ON CONFLICT (projection, id) DO UPDATE SET name = EXCLUDED.name, version = EXCLUDED.version,
                 deleted = EXCLUDED.deleted, status = EXCLUDED.status",
        )
        .bind(self.id)
        .bind(self.owner)
        .bind(&self.name)
        .bind(&self.description)
        .bind(&self.tags)
        .bind(self.status)
        .bind(self.version)
        .bind(self.created_at)
        .bind(self.deleted)
        .execute(pool)
        .await
        .unwrap();
    }

    /// Writes the change to this version at a place of the log, and the offset behind it, in one transaction.
    pub async fn put_change(&self, pool: &PgPool, partition: i32, offset: i64) {
        self.put_change_of(pool, TOPIC, partition, offset).await;
    }

    /// As `put_change`, in that topic.
    pub async fn put_change_of(&self, pool: &PgPool, topic: &str, partition: i32, offset: i64) {
        self.put_change_at(pool, self.created_at, topic, partition, offset)
            .await;
    }

    /// As `put_change_of`, of a change that happened then.
    pub async fn put_change_at(
        &self,
        pool: &PgPool,
        occurred_at: OffsetDateTime,
        topic: &str,
        partition: i32,
        offset: i64,
    ) {
        let created = self
            .created_at
            .format(&time::format_description::well_known::Rfc3339)
            .unwrap();
        let state = json!({
            "id": self.id, "owner": self.owner, "name": self.name, "description": self.description,
            "tags": self.tags, "attributes": {}, "status": self.status, "files": [], "version": self.version,
            "created_at": created, "updated_at": created, "deleted": self.deleted,
        });
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query(
            "INSERT INTO read.item_history (projection, item_id, epoch, version, event_id, event_type, causation_id,
                 actor, changed, item, occurred_at, topic, partition, \"offset\")
             VALUES (1, $1, 0, $2, $3, 'depot.item.updated.v1', $4, 'alice', '{name}', $5, $6, $7, $8, $9)",
        )
        .bind(self.id)
        .bind(self.version)
        .bind(Uuid::now_v7())
        .bind(Uuid::now_v7())
        .bind(state)
        .bind(occurred_at)
        .bind(topic)
        .bind(partition)
        .bind(offset)
        .execute(&mut *transaction)
        .await
        .unwrap();
        put_offset_of(&mut transaction, topic, partition, offset + 1).await;
        transaction.commit().await.unwrap();
    }
}

/// Moves the offset of a partition, as at the end of a batch.
pub async fn put_offset(connection: &mut sqlx::PgConnection, partition: i32, next_offset: i64) {
    put_offset_of(connection, TOPIC, partition, next_offset).await;
}

/// As `put_offset`, of that topic.
pub async fn put_offset_of(
    connection: &mut sqlx::PgConnection,
    topic: &str,
    partition: i32,
    next_offset: i64,
) {
    sqlx::query(
        "INSERT INTO read.offsets (projection, topic, partition, next_offset) VALUES (1, $1, $2, $3)
         ON CONFLICT (projection, topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset",
    )
    .bind(topic)
    .bind(partition)
    .bind(next_offset)
    .execute(connection)
    .await
    .unwrap();
}

/// Writes a row of `read.uploads`.
pub async fn put_upload(pool: &PgPool, id: Uuid, owner: &str, status: &str, version: i64) {
    let key = (status == "stored").then(|| format!("{}/{id}", "ab".repeat(32)));
    sqlx::query(
        "INSERT INTO read.uploads (projection, id, item_id, owner, file_name, content_type, size_bytes, sha256,
             status, reason, object_key, epoch, version, created_at, updated_at, expires_at)
         VALUES (1, $1, $2, $3, 'a \"file\".txt', 'text/plain', 3, $4, $5, NULL, $6, 0, $7, now(), now(), now())
         ON CONFLICT (projection, id) DO UPDATE SET status = EXCLUDED.status, version = EXCLUDED.version,
             object_key = EXCLUDED.object_key",
    )
    .bind(id)
    .bind(Uuid::now_v7())
    .bind(owner)
    .bind("ab".repeat(32))
    .bind(status)
    .bind(key)
    .bind(version)
    .execute(pool)
    .await
    .unwrap();
}

/// Gives an upload's row a thumbnail at `key`.
pub async fn put_thumbnail(pool: &PgPool, id: Uuid, key: &str, content_type: &str) {
    let thumbnail = serde_json::json!({
        "object_key": key, "sha256": "cd".repeat(32), "size_bytes": 9, "content_type": content_type, "width": 320,
        "height": 200,
    });
    sqlx::query("UPDATE read.uploads SET thumbnail = $2 WHERE id = $1")
        .bind(id)
        .bind(thumbnail)
        .execute(pool)
        .await
        .unwrap();
}
