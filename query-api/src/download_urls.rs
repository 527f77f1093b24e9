//! Presigned reads of stored files.

use std::{sync::Arc, time::Duration};

use depot_domain::{may_be_shown, served_type};
use depot_object_store::{Disposition, Identity, InvalidAuthorities, ObjectStore, StoreError};
use depot_service::config::S3Config;
use time::OffsetDateTime;

use crate::queries::{Download, QueryError};

/// Signs URLs under the identity of query-api, which may do nothing but read the bucket of files.
#[derive(Debug)]
pub struct DownloadUrls {
    store: ObjectStore,
    bucket: String,
    ttl: Duration,
}

impl DownloadUrls {
    /// Opens no connection: a signature is computed here.
    ///
    /// # Errors
    /// [`InvalidAuthorities`].
    pub fn new(config: &S3Config, ttl: Duration) -> Result<Self, InvalidAuthorities> {
        let identity = Identity {
            endpoint: config.endpoint.clone(),
            public_endpoint: config.public_endpoint.clone(),
            region: config.region.clone(),
            access_key: config.access_key.clone(),
            secret_key: config.secret_key.clone(),
        };
        Ok(Self {
            store: ObjectStore::trusting(&identity, config.authorities.as_deref())?,
            bucket: config.bucket.clone(),
            ttl,
        })
    }

    /// A URL of the object under `key`, to be saved under `file_name`; or to be shown, where that is asked for and
    /// content of the type may be. What a browser could run is saved as bytes of no type.
    ///
    /// # Errors
    /// [`QueryError::Download`]: the settings do not allow to sign.
    pub async fn sign(
        &self,
        key: &str,
        file_name: &str,
        content_type: &str,
        wanted: Disposition,
    ) -> Result<Download, QueryError> {
        let disposition = match wanted {
            Disposition::Inline if may_be_shown(content_type) => Disposition::Inline,
            Disposition::Inline | Disposition::Attachment => Disposition::Attachment,
        };
        let presented = depot_object_store::Download {
            file_name: file_name.to_owned(),
            content_type: served_type(content_type).to_owned(),
            disposition,
        };
        // Taken before the signature, which counts from its own moment: never later than the real end.
        let expires_at = OffsetDateTime::now_utc() + self.ttl;
        let signed = self
            .store
            .presign_get(&self.bucket, key, &presented, self.ttl)
            .await;
        let signed = signed.map_err(|error: StoreError| QueryError::Download(Arc::new(error)))?;
        let expires_at = expires_at.replace_nanosecond(0).unwrap_or(expires_at);
        Ok(Download {
            url: signed.url,
            expires_at,
        })
    }
}
