//! A bucket of staging on the real store, entered by this service's own identity.

use depot_object_store::{Identity, ObjectStore};
use depot_test_stack::{settings, unique_name};
use reqwest::Client;
use secrecy::SecretString;
use serde_json::Value;

use crate::{client::Response, service::Service};

pub struct Staging {
    pub bucket: String,
    /// Under an identity that may do everything.
    pub store: ObjectStore,
}

fn store() -> ObjectStore {
    let endpoint = settings().get("MINIO_ENDPOINT").to_owned();
    ObjectStore::new(&Identity {
        public_endpoint: endpoint.clone(),
        endpoint,
        region: "us-east-1".into(),
        access_key: settings().get("STACK_MINIO_ACCESS_KEY").into(),
        secret_key: SecretString::from(settings().get("STACK_MINIO_SECRET_KEY")),
    })
}

impl Staging {
    pub async fn new() -> Self {
        let (store, bucket) = (store(), format!("staging-{}", unique_name()));
        store.ensure_bucket(&bucket).await.unwrap();
        Self { bucket, store }
    }

    /// A service that uses it.
    pub async fn service(&self, more: &[(&str, &str)]) -> Service {
        let endpoint = settings().get("MINIO_ENDPOINT");
        let mut all = vec![
            ("MINIO_ENDPOINT", endpoint),
            ("MINIO_PUBLIC_ENDPOINT", endpoint),
            ("MINIO_ACCESS_KEY", settings().get("COMMAND_API_MINIO_ACCESS_KEY")),
            ("MINIO_SECRET_KEY", settings().get("COMMAND_API_MINIO_SECRET_KEY")),
            ("S3_STAGING_BUCKET", &self.bucket),
        ];
        all.extend_from_slice(more);
        Service::start_with(&all).await
    }

    pub async fn keys(&self) -> Vec<String> {
        let page = self.store.list(&self.bucket, None).await.unwrap();
        page.objects.into_iter().map(|object| object.key).collect()
    }

    /// The ids of the multipart uploads that nobody has ended.
    pub async fn open(&self) -> Vec<String> {
        let page = self.store.open_multiparts(&self.bucket, None).await.unwrap();
        page.open.into_iter().map(|open| open.id).collect()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let bucket = self.bucket.clone();
        // A drop cannot await; the thread has a small runtime of its own, and so needs connections of its own.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            if let Err(error) = runtime.block_on(store().remove_bucket(&bucket)) {
                eprintln!("bucket {bucket} is left behind: {error}");
            }
        });
        let _ = removal.join();
    }
}

/// Sends bytes as a signed request says; answers the status.
pub async fn put_signed(signed: &Value, content: &[u8]) -> u16 {
    let request = Client::new().put(signed["url"].as_str().unwrap());
    let headers = signed["headers"].as_object().into_iter().flatten();
    let request = headers.fold(request, |request, (name, value)| {
        request.header(name, value.as_str().unwrap())
    });
    let answer = request.body(content.to_vec()).send().await.unwrap();
    answer.status().as_u16()
}

/// The numbers and sizes of the parts in an answer.
pub fn parts_of(answer: &Response) -> Vec<(i64, i64)> {
    let parts = answer.json()["parts"].as_array().unwrap().clone();
    let pair = |part: &Value| {
        (
            part["number"].as_i64().unwrap(),
            part["size_bytes"].as_i64().unwrap(),
        )
    };
    parts.iter().map(pair).collect()
}
