//! Where clients put the bytes of uploads.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use depot_domain::{UploadId, UploadRequest};
use depot_object_store::{Identity, ObjectStore, StoreError, UploadTerms};
use depot_service::config::S3Config;

/// Signs requests into the bucket of staging; an upload's key there is its id.
#[derive(Debug, Clone)]
pub struct Staging {
    store: ObjectStore,
    bucket: Arc<str>,
}

/// A PUT that may be sent by whoever has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPut {
    pub url: String,
    /// To be sent with it as they are.
    pub headers: BTreeMap<String, String>,
}

impl Staging {
    pub fn new(config: &S3Config) -> Self {
        let identity = Identity {
            endpoint: config.endpoint.clone(),
            public_endpoint: config.public_endpoint.clone(),
            region: config.region.clone(),
            access_key: config.access_key.clone(),
            secret_key: config.secret_key.clone(),
        };
        Self {
            store: ObjectStore::new(&identity),
            bucket: config.staging_bucket.as_str().into(),
        }
    }

    /// Signs the PUT of exactly the announced bytes. Calls nobody.
    ///
    /// # Errors
    /// The signature cannot be made, which is a fault of the configuration.
    pub async fn sign(
        &self,
        id: UploadId,
        request: &UploadRequest,
        lifetime: Duration,
    ) -> Result<SignedPut, StoreError> {
        let terms = UploadTerms {
            size_bytes: request.size_bytes.get(),
            content_type: request.content_type.as_str().to_owned(),
            sha256: request.sha256.to_digest(),
        };
        let put = self
            .store
            .presign_put(&self.bucket, &id.to_string(), &terms, lifetime)
            .await?;
        Ok(SignedPut {
            url: put.url,
            headers: put.headers.into_iter().collect(),
        })
    }
}
