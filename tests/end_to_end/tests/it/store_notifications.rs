//! Uploads that nobody completes, on a store that tells of them: Versity's gateway, which `make test-all` installs.

use std::path::PathBuf;

use depot_end_to_end::{Depot, Service, sha256_hex};
use depot_object_store::{Identity, ObjectStore};
use depot_schemas::EventType;
use depot_service::auth::Role;
use depot_test_stack::{TestTopics, free_port, settings, unique_name, wait_until};
use secrecy::SecretString;
use serde_json::json;
use tokio::process::{Child, Command};

use crate::examples::page::marked;

/// A gateway as docs/operations.md has it, on a folder of its own, which sends its notifications to the topic of that prefix. It
/// ends with the value.
struct Gateway {
    endpoint: String,
    folder: PathBuf,
    _process: Child,
}

impl Gateway {
    async fn start(prefix: &str) -> Self {
        let port = free_port().unwrap();
        let folder = std::env::temp_dir().join(unique_name());
        for part in ["buckets", "accounts"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        let mut blocks = marked("docs/operations.md", "tested: notifications");
        let command = blocks.remove(0).text;
        // The gateway in the place of the shell, so that it ends with it.
        let command = command.replace("\nversitygw ", "\nexec versitygw ");
        let process = Command::new("bash")
            .args(["-euc", &command])
            .env("S3_ADDRESS", format!("127.0.0.1:{port}"))
            .env("ACCOUNTS", folder.join("accounts"))
            .env("BUCKETS", folder.join("buckets"))
            .env("KAFKA_BROKERS", settings().kafka_brokers())
            .env("TOPIC_PREFIX", prefix)
            .env("ROOT_ACCESS_KEY", settings().get("STACK_MINIO_ACCESS_KEY"))
            .env("ROOT_SECRET_KEY", settings().get("STACK_MINIO_SECRET_KEY"))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("versitygw is on the PATH: deploy/native/install.sh second-store");
        Self {
            endpoint: format!("http://127.0.0.1:{port}"),
            folder,
            _process: process,
        }
    }

    fn store(&self) -> ObjectStore {
        ObjectStore::new(&Identity {
            endpoint: self.endpoint.clone(),
            public_endpoint: self.endpoint.clone(),
            region: "us-east-1".into(),
            access_key: settings().get("STACK_MINIO_ACCESS_KEY").into(),
            secret_key: SecretString::from(settings().get("STACK_MINIO_SECRET_KEY")),
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("{} is left behind: {error}", self.folder.display());
        }
    }
}

/// Whether this run takes what is long; a recorded message goes through Kafka in command-api's own tests in any case.
fn is_long() -> bool {
    let is_long = std::env::var_os("DEPOT_LONG").is_some();
    if !is_long {
        println!("on a store that sends notifications: in `make test-all`");
    }
    is_long
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_completes_by_itself_where_the_store_tells_of_it() {
    if !is_long() {
        return;
    }
    let topics = TestTopics::create(3).await.unwrap();
    let gateway = Gateway::start(topics.prefix()).await;
    let store = gateway.store();
    let buckets = [
        format!("staging-{}", unique_name()),
        format!("files-{}", unique_name()),
    ];
    for bucket in &buckets {
        wait_until("the gateway makes a bucket", || async {
            store.ensure_bucket(bucket).await.is_ok()
        })
        .await;
    }
    let depot = Depot::start_with(&[
        ("TOPIC_PREFIX", topics.prefix()),
        ("MINIO_ENDPOINT", &gateway.endpoint),
        ("MINIO_PUBLIC_ENDPOINT", &gateway.endpoint),
        ("S3_STAGING_BUCKET", &buckets[0]),
        ("S3_BUCKET", &buckets[1]),
        ("STORE_NOTIFICATIONS_ENABLED", "true"),
    ])
    .await
    .unwrap();
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("k", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    let mut uploads = Vec::new();
    for number in 0..6_u8 {
        let content = vec![number; 1_000];
        let announced = alice
            .request_upload(&item, "a.bin", content.len(), &sha256_hex(&content))
            .await;
        let announced = announced.unwrap();
        let put = alice.put_presigned(&announced.json(), content).await.unwrap();
        assert!(put.status.is_success(), "{put:?}");
        // Of half of them the client speaks up too.
        if number % 2 == 0 {
            assert!(
                alice
                    .complete_upload(&announced.text("id"))
                    .await
                    .unwrap()
                    .status
                    .is_success()
            );
        }
        uploads.push(announced.text("id"));
    }
    for id in &uploads {
        wait_until("the file is stored", || async {
            let read = alice
                .read_at_least(&format!("/api/v1/uploads/{id}"), "3")
                .await
                .unwrap();
            read.text("status") == "stored"
        })
        .await;
    }
    wait_until("the store's word about each is heard", || async {
        heard(&depot).await == uploads.len() as u64
    })
    .await;
    for id in &uploads {
        let received: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM command.outbox WHERE aggregate_id::text = $1 AND event_type = $2",
        )
        .bind(id)
        .bind(EventType::UploadReceived.name())
        .fetch_one(&depot.database)
        .await
        .unwrap();
        assert_eq!(received, 1);
    }
    assert!(store.list(&buckets[0], None).await.unwrap().objects.is_empty());
}

/// How many notifications of uploads were handled, whatever came of them.
async fn heard(depot: &Depot) -> u64 {
    let url = depot.admin_url(Service::CommandApi, "/metrics");
    let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
    let counters = metrics
        .lines()
        .filter(|line| line.starts_with("depot_store_notifications_total{"));
    counters
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}
