use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use time::OffsetDateTime;

use crate::{
    error::{Operation, StoreError, within},
    read::Hasher,
    store::ObjectStore,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// What the store says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    pub size_bytes: i64,
    /// Names exactly these bytes; quotes included. No checksum.
    pub etag: String,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub size_bytes: i64,
    /// When it was written, by the store's clock.
    pub last_modified: OffsetDateTime,
}

/// Up to a thousand objects in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub objects: Vec<Listed>,
    /// Give it to the next call for what follows; none at the end.
    pub next: Option<String>,
}

impl ObjectStore {
    /// Size and ETag of an object.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, StoreError> {
        let operation = Operation::new("HEAD", bucket, key);
        let call = self.client.head_object().bucket(bucket).key(key).send();
        let head = within("HeadObject", DEADLINE, operation, call).await?;
        Ok(ObjectInfo {
            size_bytes: head.content_length().unwrap_or_default(),
            etag: head.e_tag().unwrap_or_default().to_owned(),
        })
    }

    /// Writes a small object whole, over what may be there.
    pub async fn put(&self, bucket: &str, key: &str, content: Vec<u8>) -> Result<(), StoreError> {
        let call = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(content.into())
            .send();
        within("PutObject", DEADLINE, Operation::new("PUT", bucket, key), call)
            .await
            .map(drop)
    }

    /// Writes a small object whole, with its type and its checksum, which the store compares.
    pub async fn put_typed(
        &self,
        bucket: &str,
        key: &str,
        content: Bytes,
        content_type: &str,
    ) -> Result<(), StoreError> {
        let mut hasher = Hasher::default();
        hasher.update(&content);
        let call = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .checksum_sha256(STANDARD.encode(hasher.finish().sha256))
            .body(content.into())
            .send();
        within("PutObject", DEADLINE, Operation::new("PUT", bucket, key), call)
            .await
            .map(drop)
    }

    /// Deletes an object; one that is not there is fine.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let call = self.client.delete_object().bucket(bucket).key(key).send();
        match within(
            "DeleteObject",
            DEADLINE,
            Operation::new("DELETE", bucket, key),
            call,
        )
        .await
        {
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A page of a bucket; `after` is the `next` of the page before.
    pub async fn list(&self, bucket: &str, after: Option<String>) -> Result<Page, StoreError> {
        let call = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .set_continuation_token(after)
            .send();
        let listing = within(
            "ListObjectsV2",
            DEADLINE,
            Operation::new("LIST", bucket, ""),
            call,
        )
        .await?;
        let objects = listing.contents().iter().map(|object| Listed {
            key: object.key().unwrap_or_default().to_owned(),
            size_bytes: object.size().unwrap_or_default(),
            last_modified: object
                .last_modified()
                .and_then(|at| OffsetDateTime::from_unix_timestamp(at.secs()).ok())
                // An object of unknown age is taken for new: a sweep leaves it alone.
                .unwrap_or_else(OffsetDateTime::now_utc),
        });
        Ok(Page {
            objects: objects.collect(),
            next: listing.next_continuation_token().map(str::to_owned),
        })
    }
}
