//! What a bucket is set to, for whoever looks at an installation.

use std::time::Duration;

use aws_sdk_s3::types::ExpirationStatus;

use crate::{
    error::{Operation, StoreError, within},
    store::ObjectStore,
};

const DEADLINE: Duration = Duration::from_secs(20);

impl ObjectStore {
    /// Whether the bucket is there.
    ///
    /// # Errors
    /// [`StoreError`]; `Refused` also where this identity may not look.
    pub async fn has_bucket(&self, bucket: &str) -> Result<bool, StoreError> {
        let call = self.client.head_bucket().bucket(bucket).send();
        match within("HeadBucket", DEADLINE, Operation::new("HEAD", bucket, ""), call).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound(_)) => Ok(false),
            Err(StoreError::Refused { code, .. }) if code == "NoSuchBucket" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The origins whose pages may use the bucket, as its rules name them; none where the store has no such rules.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cors_origins(&self, bucket: &str) -> Result<Option<Vec<String>>, StoreError> {
        let operation = Operation::new("reading CORS", bucket, "");
        let call = self.client.get_bucket_cors().bucket(bucket).send();
        match within("GetBucketCors", DEADLINE, operation, call).await {
            Ok(answer) => {
                let rules = answer.cors_rules().iter();
                Ok(Some(
                    rules.flat_map(|rule| rule.allowed_origins().to_vec()).collect(),
                ))
            }
            // No rule.
            Err(StoreError::NotFound(_)) => Ok(Some(Vec::new())),
            Err(StoreError::Refused { status: 501, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a rule of the bucket drops parts of multipart uploads that nobody ended; none where the store has no such
    /// rules.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drops_unfinished_multiparts(&self, bucket: &str) -> Result<Option<bool>, StoreError> {
        let operation = Operation::new("reading the lifecycle", bucket, "");
        let call = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(bucket)
            .send();
        match within("GetBucketLifecycleConfiguration", DEADLINE, operation, call).await {
            Ok(answer) => Ok(Some(answer.rules().iter().any(|rule| {
                rule.abort_incomplete_multipart_upload().is_some()
                    && *rule.status() == ExpirationStatus::Enabled
            }))),
            // No rule.
            Err(StoreError::NotFound(_)) => Ok(Some(false)),
            Err(StoreError::Refused { status: 501, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
