//! A service of the test's own, and what lies in its database.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use command_api::{application::Application, commands::Writer, config::Config};
use depot_service::{
    auth::{Role, TokenMinter},
    config::{Environment, JwtConfig},
    shutdown::Shutdown,
};
use depot_test_stack::{ServiceRole, TestDatabase};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

use crate::client::{Request, Response};

pub const SECRET: &str = "a secret of the tests, which is long enough";
pub const QUERY: &str = "http://query.example:8081";

pub struct Service {
    pub address: SocketAddr,
    pub grpc_address: SocketAddr,
    pub admin_address: SocketAddr,
    pub writer: Writer,
    /// The owner of all schemas.
    pub pool: PgPool,
    shutdown: Shutdown,
    application: Option<Application>,
    _database: Option<TestDatabase>,
}

/// An event in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub kind: String,
    pub version: i64,
    pub data: Value,
}

impl Service {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::on(TestDatabase::create().await.unwrap(), settings).await
    }

    /// On a database that has something in it already.
    pub async fn on(database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        let (url, pool) = (database.url(ServiceRole::Command), database.owner_pool().await);
        Self::at(&url, pool, Some(database), settings).await
    }

    /// For what needs no database, or is to be without one: nothing listens where it should be.
    pub async fn without_database() -> Self {
        let url = "postgres://depot_command:x@127.0.0.1:1/depot";
        let pool = PgPool::connect_lazy(url).unwrap();
        Self::at(url, pool, None, &[("DATABASE_ACQUIRE_TIMEOUT_MS", "300")]).await
    }

    /// On the database at `url`, into which `pool` looks.
    pub async fn at(
        url: &str,
        pool: PgPool,
        database: Option<TestDatabase>,
        settings: &[(&str, &str)],
    ) -> Self {
        depot_service::install_crypto_provider();
        let mut environment: BTreeMap<String, String> = [
            ("APP_ENV", "test"),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("PORT", "0"),
            ("GRPC_PORT", "0"),
            ("ADMIN_PORT", "0"),
            ("DATABASE_URL", url),
            ("DATABASE_MAX_CONNECTIONS", "16"),
            // A busy machine takes its time for the first connection; what is to be away is away at once.
            ("DATABASE_ACQUIRE_TIMEOUT_MS", "30000"),
            ("KAFKA_BROKERS", "127.0.0.1:1"),
            ("MINIO_ENDPOINT", "http://store.internal:9000"),
            ("MINIO_PUBLIC_ENDPOINT", "http://store.example:9000"),
            ("MINIO_ACCESS_KEY", "key"),
            ("MINIO_SECRET_KEY", "secret-of-the-store"),
            ("JWT_SECRET", SECRET),
            ("QUERY_PUBLIC_URL", QUERY),
            ("CORS_ORIGINS", "https://shop.example"),
            ("RELAY_ENABLED", "false"),
            ("SAGA_ENABLED", "false"),
            ("DEAD_LETTERS_ENABLED", "false"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        environment.extend(
            settings
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned())),
        );
        let config = Config::read(Environment::from_pairs("COMMAND_API", environment)).unwrap();
        let shutdown = Shutdown::new();
        let application = Application::build(config, shutdown.clone()).await.unwrap();
        Self {
            address: application.address(),
            grpc_address: application.grpc_address(),
            admin_address: application.admin_address(),
            writer: application.writer().clone(),
            pool,
            shutdown,
            application: Some(application),
            _database: database,
        }
    }

    /// Drains the process, which must end in order.
    pub async fn stop(mut self) {
        self.shutdown.request();
        self.application
            .take()
            .unwrap()
            .run_until_stopped()
            .await
            .unwrap();
    }

    /// What the process says of its readiness.
    pub async fn readiness(&self) -> String {
        let answer = Request::new(self.admin_address, "GET", "/readyz").send().await;
        String::from_utf8(answer.body).unwrap()
    }

    /// Until a statement waits for a lock of another transaction.
    pub async fn somebody_waits(&self) {
        depot_test_stack::wait_until("somebody waits for the row", || async {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
                 WHERE NOT granted AND datname = current_database()",
            )
            .fetch_one(&self.pool)
            .await
            .unwrap();
            waiting > 0
        })
        .await;
    }

    pub fn bare(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// A request of a writer.
    pub fn by(&self, subject: &str, method: &str, path: &str) -> Request {
        self.bare(method, path).token(&token(subject, &[Role::Writer]))
    }

    pub fn by_admin(&self, method: &str, path: &str) -> Request {
        self.bare(method, path).token(&token("root", &[Role::Admin]))
    }

    /// Comes back when a request that began after this call has used up its time (`REQUEST_TIMEOUT_MS`): one whose body never
    /// comes whole.
    pub async fn a_request_runs_out_of_time(&self) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "POST /api/v1/items HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Idempotency-Key: {}\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{{\"name\"",
            token("alice", &[Role::Writer]),
            new_key(),
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 503 ") && answer.contains("/problems/timeout"),
            "{answer}"
        );
    }

    /// A new item of `owner`; answers its id.
    pub async fn item(&self, owner: &str) -> Uuid {
        let created = self
            .by(owner, "POST", "/api/v1/items")
            .key(&new_key())
            .json(json!({"name": "thing"}));
        created.send().await.expect(201).text("id").parse().unwrap()
    }

    pub async fn delete_item(&self, owner: &str, id: Uuid) {
        let path = format!("/api/v1/items/{id}");
        self.by(owner, "DELETE", &path)
            .if_match("*")
            .send()
            .await
            .expect(204);
    }

    pub fn upload_request(&self, owner: &str, item: Uuid, size_bytes: i64) -> Request {
        self.by(owner, "POST", "/api/v1/uploads")
            .key(&new_key())
            .json(json!({
                "item_id": item,
                "file_name": "report.pdf",
                "content_type": "application/pdf",
                "size_bytes": size_bytes,
                "sha256": "ab".repeat(32),
            }))
    }

    /// A pending upload of `owner`; answers its id.
    pub async fn upload(&self, owner: &str, item: Uuid, size_bytes: i64) -> Uuid {
        self.upload_request(owner, item, size_bytes)
            .send()
            .await
            .expect(201)
            .text("id")
            .parse()
            .unwrap()
    }

    pub async fn complete(&self, owner: &str, upload: Uuid) -> Response {
        self.by(owner, "POST", &format!("/api/v1/uploads/{upload}/complete"))
            .send()
            .await
    }

    /// Rows of each table of the schema.
    pub async fn counts(&self) -> BTreeMap<&'static str, i64> {
        let mut counts = BTreeMap::new();
        for (table, query) in [
            ("items", "SELECT count(*) FROM command.items"),
            ("uploads", "SELECT count(*) FROM command.uploads"),
            ("accounts", "SELECT count(*) FROM command.storage_accounts"),
            ("sagas", "SELECT count(*) FROM command.sagas"),
            ("keys", "SELECT count(*) FROM command.idempotency_keys"),
            ("outbox", "SELECT count(*) FROM command.outbox"),
            ("audit", "SELECT count(*) FROM command.audit"),
        ] {
            counts.insert(
                table,
                sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap(),
            );
        }
        counts
    }

    /// The events of an aggregate, by version.
    pub async fn events(&self, aggregate: Uuid) -> Vec<Event> {
        let rows: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT event_type, aggregate_version, payload FROM command.outbox WHERE aggregate_id = $1
             ORDER BY aggregate_version",
        )
        .bind(aggregate)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        let event = |(kind, version, payload): (String, i64, Vec<u8>)| Event {
            kind: kind
                .trim_start_matches("depot.")
                .trim_end_matches(".v1")
                .to_owned(),
            version,
            data: serde_json::from_slice(&payload).unwrap(),
        };
        rows.into_iter().map(event).collect()
    }

    pub async fn kinds(&self, aggregate: Uuid) -> Vec<String> {
        let events = self.events(aggregate).await;
        let versions: Vec<i64> = events.iter().map(|event| event.version).collect();
        assert_eq!(
            versions,
            (1..=events.len() as i64).collect::<Vec<_>>(),
            "versions without a gap"
        );
        events.into_iter().map(|event| event.kind).collect()
    }

    /// `(used, reserved)` of an owner.
    pub async fn quota(&self, owner: &str) -> (i64, i64) {
        sqlx::query_as("SELECT used_bytes, reserved_bytes FROM command.storage_accounts WHERE owner = $1")
            .bind(owner)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// `(status, reason)` of an upload.
    pub async fn upload_status(&self, id: Uuid) -> (String, Option<String>) {
        sqlx::query_as("SELECT status, reason FROM command.uploads WHERE id = $1")
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// `(state, step)` of an upload's saga.
    pub async fn saga(&self, id: Uuid) -> (String, String) {
        sqlx::query_as("SELECT state, step FROM command.sagas WHERE saga = 'upload' AND saga_id = $1")
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

pub fn minter() -> TokenMinter {
    depot_service::install_crypto_provider();
    TokenMinter::new(&JwtConfig::for_secret(SECRET))
}

pub fn token(subject: &str, roles: &[Role]) -> String {
    minter().mint(subject, roles, Duration::from_secs(600)).unwrap()
}

/// The sum of a metric's samples whose name and labels begin like that. Services of other tests in this process count too:
/// it says that something was counted, not that nothing was.
pub async fn metric(service: &Service, begins: &str) -> f64 {
    let text = Request::new(service.admin_address, "GET", "/metrics")
        .send()
        .await;
    let text = String::from_utf8(text.expect(200).body).unwrap();
    let samples = text.lines().filter(|line| line.starts_with(begins));
    samples
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum()
}

pub fn new_key() -> String {
    Uuid::now_v7().to_string()
}
