use depot_object_store::{Identity, ObjectStore};
use depot_service::config::S3Config;
use serde_json::{Value, json};

use crate::settings;

/// Parts of multipart uploads that nobody ended are dropped by the store after this long.
const UNFINISHED_DAYS: i32 = 2;

/// Creates both buckets where missing, with their CORS and lifecycle rules. Runs under an identity that may make
/// buckets, which none of the services has: `DEPOT_MINIO_ACCESS_KEY`, `DEPOT_MINIO_SECRET_KEY`.
pub async fn run() -> anyhow::Result<Value> {
    let (s3, origins) = settings::read(|reader| (S3Config::read(reader), reader.list("CORS_ORIGINS")))?;
    let identity = Identity {
        endpoint: s3.endpoint,
        public_endpoint: s3.public_endpoint,
        region: s3.region,
        access_key: s3.access_key,
        secret_key: s3.secret_key,
    };
    let store = ObjectStore::trusting(&identity, s3.authorities.as_deref())?;
    let mut buckets = Vec::new();
    for bucket in [&s3.staging_bucket, &s3.bucket] {
        let is_created = store.ensure_bucket(bucket).await?;
        if !origins.is_empty() {
            store.set_cors(bucket, &origins).await?;
        }
        if !store.abort_unfinished_multiparts(bucket, UNFINISHED_DAYS).await? {
            eprintln!(
                "{bucket}: this store has no lifecycle rules; delete parts of multipart uploads that nobody ended by its own means"
            );
        }
        buckets.push(json!({ "name": bucket, "is_created": is_created }));
    }
    Ok(json!({ "buckets": buckets }))
}

/// A line each.
pub fn text(done: &Value) -> String {
    let line = |bucket: &Value| {
        let state = if bucket["is_created"] == true {
            "created"
        } else {
            "was there"
        };
        format!("{:<32} {state}\n", bucket["name"].as_str().unwrap_or_default())
    };
    done["buckets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(line)
        .collect()
}
