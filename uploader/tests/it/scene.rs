use std::time::Duration;

use aws_lc_rs::digest;
use depot_domain::{CommandId, Sha256};
use depot_object_store::{CopyConditions, Identity, ObjectStore};
use depot_outbox::Doorbell;
use depot_schemas::{
    UploadState,
    sweep::{FindingKind, SweepReport},
    topics::Topics,
};
use depot_test_stack::{ServiceRole, TestDatabase, settings, unique_name, wait_until};
use secrecy::SecretString;
use sqlx::PgPool;
use time::OffsetDateTime;
use uploader::{
    Files, Scanner, Stored, SweepOptions, Thumbnails, UploaderError, remove_upload, store_upload, sweep,
};
use uuid::Uuid;

/// A database and two buckets of a test's own.
pub struct Scene {
    pub files: Files,
    pub owner: PgPool,
    pub database: TestDatabase,
}

pub fn store_at(endpoint: &str) -> ObjectStore {
    ObjectStore::new(&Identity {
        endpoint: endpoint.to_owned(),
        public_endpoint: endpoint.to_owned(),
        region: "us-east-1".into(),
        access_key: settings().get("STACK_MINIO_ACCESS_KEY").into(),
        secret_key: SecretString::from(settings().get("STACK_MINIO_SECRET_KEY")),
    })
}

impl Scene {
    pub async fn set() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let store = store_at(settings().get("MINIO_ENDPOINT"));
        let (staging, bucket) = (unique_name(), unique_name());
        for bucket in [&staging, &bucket] {
            store.ensure_bucket(bucket).await.unwrap();
        }
        let files = Files {
            pool: database.pool(ServiceRole::Uploader).await.into(),
            store,
            staging,
            bucket,
            copy_conditions: CopyConditions::Honoured,
            scanner: Scanner::None,
            thumbnails: Thumbnails::default(),
            topics: Topics::new("depot"),
            doorbell: Doorbell::default(),
        };
        Self {
            files,
            owner: database.owner_pool().await,
            database,
        }
    }

    /// An announced upload whose bytes lie in staging.
    pub async fn staged(&self, content: &[u8]) -> UploadState {
        let upload = announced(content);
        self.stage(&upload, content).await;
        upload
    }

    pub async fn stage(&self, upload: &UploadState, content: &[u8]) {
        self.files
            .store
            .put(&self.files.staging, &upload.id.to_string(), content.to_vec())
            .await
            .unwrap();
    }

    pub async fn store(&self, upload: &UploadState) -> Result<Stored, UploaderError> {
        store_upload(&self.files, upload, CommandId::generate()).await
    }

    pub async fn remove(&self, upload: &UploadState) -> Result<(), UploaderError> {
        remove_upload(&self.files, upload, CommandId::generate()).await
    }

    /// Sweeps what is older than `grace`.
    pub async fn sweep(&self, grace: Duration) -> SweepReport {
        let dry_run = false;
        sweep(&self.files, SweepOptions { grace, dry_run }).await.unwrap()
    }

    /// What a sweep finds when it changes nothing, whatever its age.
    pub async fn found(&self) -> Vec<(FindingKind, String)> {
        let options = SweepOptions {
            grace: Duration::ZERO,
            dry_run: true,
        };
        let report = sweep(&self.files, options).await.unwrap();
        assert!(
            report.findings.iter().all(|finding| !finding.mended),
            "{report:?}"
        );
        kinds_and_subjects(&report)
    }

    /// Until so many transactions wait for a lock, each behind the one before.
    pub async fn wait_for_waiting(&self, transactions: i64) {
        // The activity of other roles is hidden from the owner, whose locks wait is not.
        let statement = "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
                         WHERE NOT granted AND datname = current_database()";
        wait_until("the transactions wait for a lock", || async {
            let waiting: i64 = sqlx::query_scalar(statement)
                .fetch_one(&self.owner)
                .await
                .unwrap();
            waiting == transactions
        })
        .await;
    }

    /// The keys that lie in the bucket of files.
    pub async fn keys(&self) -> Vec<String> {
        let page = self.files.store.list(&self.files.bucket, None).await.unwrap();
        page.objects.into_iter().map(|object| object.key).collect()
    }

    pub async fn staged_keys(&self) -> Vec<String> {
        let page = self.files.store.list(&self.files.staging, None).await.unwrap();
        page.objects.into_iter().map(|object| object.key).collect()
    }

    /// The types of the events told about an upload, in their order.
    pub async fn told(&self, upload: &UploadState) -> Vec<String> {
        let statement =
            "SELECT event_type FROM uploader.outbox WHERE aggregate_id = $1 ORDER BY aggregate_version";
        sqlx::query_scalar(statement)
            .bind(upload.id)
            .fetch_all(&self.owner)
            .await
            .unwrap()
    }

    /// The newest fact told about an upload's file.
    pub async fn fact(&self, upload: &UploadState) -> serde_json::Value {
        let statement = "SELECT payload FROM uploader.outbox WHERE aggregate_id = $1
                         ORDER BY aggregate_version DESC LIMIT 1";
        let payload: Vec<u8> = sqlx::query_scalar(statement)
            .bind(upload.id)
            .fetch_one(&self.owner)
            .await
            .unwrap();
        let mut data: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        data["file"].take()
    }

    pub async fn outcome(&self, upload: &UploadState) -> String {
        let statement = "SELECT outcome FROM uploader.receipts WHERE upload_id = $1";
        sqlx::query_scalar(statement)
            .bind(upload.id)
            .fetch_one(&self.owner)
            .await
            .unwrap()
    }

    pub async fn state_of(&self, key: &str) -> String {
        let statement = "SELECT state FROM uploader.objects WHERE key = $1";
        sqlx::query_scalar(statement)
            .bind(key)
            .fetch_one(&self.owner)
            .await
            .unwrap()
    }
}

impl Drop for Scene {
    /// Buckets take space in the server, whatever is in them.
    fn drop(&mut self) {
        let buckets = [self.files.staging.clone(), self.files.bucket.clone()];
        // A drop cannot await; the thread has a small runtime of its own, and so needs connections of its own.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let store = store_at(settings().get("MINIO_ENDPOINT"));
            for bucket in buckets {
                if let Err(error) = runtime.block_on(store.remove_bucket(&bucket)) {
                    eprintln!("bucket {bucket} is left behind: {error}");
                }
            }
        });
        let _ = removal.join();
    }
}

pub fn announced(content: &[u8]) -> UploadState {
    let digest = digest::digest(&digest::SHA256, content);
    UploadState {
        id: Uuid::now_v7(),
        item_id: Uuid::now_v7(),
        owner: "alice".into(),
        file_name: "a.txt".into(),
        content_type: "text/plain".into(),
        size_bytes: content.len() as i64,
        sha256: Sha256::from_digest(digest.as_ref().try_into().unwrap())
            .as_str()
            .to_owned(),
        status: "received".into(),
        reason: None,
        object_key: None,
        version: 2,
        created_at: OffsetDateTime::UNIX_EPOCH,
        updated_at: OffsetDateTime::UNIX_EPOCH,
        expires_at: OffsetDateTime::UNIX_EPOCH,
        multipart: None,
        thumbnail: None,
    }
}

pub fn kinds_and_subjects(report: &SweepReport) -> Vec<(FindingKind, String)> {
    let findings = report.findings.iter();
    let mut found: Vec<_> = findings
        .map(|finding| (finding.kind, finding.subject.clone()))
        .collect();
    found.sort();
    found
}
