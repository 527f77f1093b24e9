//! Where clients put the bytes of uploads.

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use axum::body::Bytes;
use depot_domain::{Upload, UploadId, UploadRequest};
use depot_object_store::{
    Digest, Identity, InvalidAuthorities, ObjectStore, Part, Presigned, StoreError, StreamError, StreamTerms,
    UploadTerms,
};
use depot_retry::{Breaker, BreakerError, BreakerSettings, Bulkhead};
use depot_service::config::S3Config;
use futures::Stream;
use time::OffsetDateTime;
use uuid::Uuid;

/// A store that is away lets each call wait for half a minute.
const BREAKER: BreakerSettings = BreakerSettings {
    failures: 5,
    quiet: Duration::from_secs(1),
    rest: Duration::from_secs(1),
};
/// Short calls of requests at once. One that is slow takes these places, and not those of all requests.
const CALLS: usize = 64;

/// The bucket of staging as this service uses it: it signs, begins and aborts, takes what is
/// sent through the API, and tells what has arrived. An upload's
/// key there is its id.
#[derive(Debug, Clone)]
pub struct Staging {
    store: ObjectStore,
    bucket: Arc<str>,
    breaker: Arc<Breaker>,
    calls: Bulkhead,
}

/// A PUT that may be sent by whoever has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPut {
    pub url: String,
    /// To be sent with it as they are.
    pub headers: BTreeMap<String, String>,
}

/// Uploads whose bytes lie in staging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedPage {
    pub uploads: Vec<Uuid>,
    /// Give it to the next call for what follows; none at the end.
    pub next: Option<String>,
}

impl Staging {
    /// Opens no connection.
    ///
    /// # Errors
    /// [`InvalidAuthorities`].
    pub fn new(config: &S3Config) -> Result<Self, InvalidAuthorities> {
        let identity = Identity {
            endpoint: config.endpoint.clone(),
            public_endpoint: config.public_endpoint.clone(),
            region: config.region.clone(),
            access_key: config.access_key.clone(),
            secret_key: config.secret_key.clone(),
        };
        Ok(Self {
            store: ObjectStore::trusting(&identity, config.authorities.as_deref())?,
            bucket: config.staging_bucket.as_str().into(),
            breaker: Arc::new(Breaker::new("object store", BREAKER)),
            calls: Bulkhead::new("object store", CALLS),
        })
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
        Ok(put.into())
    }

    /// Begins to take the parts of an upload; answers the store's id for that.
    ///
    /// # Errors
    /// The store is away or refuses.
    pub async fn begin_multipart(&self, id: UploadId, request: &UploadRequest) -> Result<String, StoreError> {
        let (key, content_type) = (id.to_string(), request.content_type.as_str());
        let begin = self.store.begin_multipart(&self.bucket, &key, content_type);
        self.guarded("creation of a multipart upload", &key, begin).await
    }

    /// Drops parts and what would have taken more. What is not there is no error.
    ///
    /// # Errors
    /// The store is away or refuses.
    pub async fn abort_multipart(&self, id: UploadId, multipart_id: &str) -> Result<(), StoreError> {
        self.store
            .abort_multipart(&self.bucket, &id.to_string(), multipart_id)
            .await
    }

    /// A page of the uploads whose bytes lie there and are older than `grace`; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// The store is away or refuses.
    pub async fn staged(&self, after: Option<String>, grace: Duration) -> Result<StagedPage, StoreError> {
        let page = self.store.list(&self.bucket, after).await?;
        let now = OffsetDateTime::now_utc();
        let old = page
            .objects
            .iter()
            .filter(|object| object.last_modified + grace <= now);
        Ok(StagedPage {
            uploads: old.filter_map(|object| object.key.parse().ok()).collect(),
            next: page.next,
        })
    }

    /// Signs the PUT of a part of exactly that size. Calls nobody.
    ///
    /// # Errors
    /// The signature cannot be made, which is a fault of the configuration.
    pub async fn sign_part(
        &self,
        id: UploadId,
        multipart_id: &str,
        number: i32,
        size_bytes: i64,
        lifetime: Duration,
    ) -> Result<SignedPut, StoreError> {
        let key = id.to_string();
        let put = self
            .store
            .presign_part(&self.bucket, &key, multipart_id, number, size_bytes, lifetime)
            .await?;
        Ok(put.into())
    }

    /// Takes the bytes of an upload themselves, as they come: exactly those that were announced, or nothing.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn receive<E: Into<Box<dyn Error + Send + Sync>>>(
        &self,
        upload: &Upload,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
        idle: Duration,
        deadline: Duration,
    ) -> Result<(), StreamError> {
        let request = &upload.request;
        let terms = StreamTerms {
            content_type: request.content_type.as_str(),
            expected: Digest {
                size_bytes: request.size_bytes.get(),
                sha256: request.sha256.to_digest(),
            },
            idle,
            deadline,
        };
        let key = upload.id.to_string();
        if !self.breaker.admits() {
            return Err(self.passed_by("PUT", &key).into());
        }
        let put = self.store.put_stream(&self.bucket, &key, terms, body).await;
        match &put {
            Ok(()) => self.breaker.note(false),
            Err(StreamError::Store(error)) => self.breaker.note(error.is_transient()),
            // What goes wrong with the source says nothing of the store, neither that it is away nor that it is back.
            Err(_) => {}
        }
        put
    }

    /// The parts that have arrived; none where the store knows the multipart upload no more.
    ///
    /// # Errors
    /// The store is away or refuses.
    pub async fn arrived(&self, id: UploadId, multipart_id: &str) -> Result<Vec<Part>, StoreError> {
        let key = id.to_string();
        let parts = self.store.parts(&self.bucket, &key, multipart_id);
        match self.guarded("list of parts", &key, parts).await {
            Err(StoreError::NotFound(_)) => Ok(Vec::new()),
            arrived => arrived,
        }
    }

    /// A short call: only while a place is free, and not while the store is away.
    async fn guarded<T>(
        &self,
        name: &'static str,
        key: &str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Some(_place) = self.calls.enter() else {
            let reason = "as many calls as are made at once are under way";
            return Err(StoreError::not_called(name, &self.bucket, key, reason));
        };
        let answer = self.breaker.call(call, StoreError::is_transient).await;
        answer.map_err(|error| match error {
            BreakerError::Open => self.passed_by(name, key),
            BreakerError::Failed(error) => error,
        })
    }

    fn passed_by(&self, name: &'static str, key: &str) -> StoreError {
        let reason = "it was away a moment ago, and is not asked";
        StoreError::not_called(name, &self.bucket, key, reason)
    }
}

impl From<Presigned> for SignedPut {
    fn from(put: Presigned) -> Self {
        Self {
            url: put.url,
            headers: put.headers.into_iter().collect(),
        }
    }
}
