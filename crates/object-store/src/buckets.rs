use std::time::Duration;

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, CorsConfiguration, CorsRule,
    ExpirationStatus, LifecycleRule, LifecycleRuleFilter,
};

use crate::{
    error::{Operation, StoreError, within},
    store::ObjectStore,
};

const DEADLINE: Duration = Duration::from_secs(20);

impl ObjectStore {
    /// Creates a bucket if it is not there; true if it was created now.
    pub async fn ensure_bucket(&self, bucket: &str) -> Result<bool, StoreError> {
        let head = self.client.head_bucket().bucket(bucket).send();
        match within("HeadBucket", DEADLINE, Operation::new("HEAD", bucket, ""), head).await {
            Ok(_) => return Ok(false),
            Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        let create = self.client.create_bucket().bucket(bucket).send();
        within(
            "CreateBucket",
            DEADLINE,
            Operation::new("creation", bucket, ""),
            create,
        )
        .await?;
        Ok(true)
    }

    /// Deletes a bucket with all that is in it; one that is not there is fine. For tests: no service may do this.
    pub async fn remove_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        loop {
            let page = match self.list(bucket, None).await {
                Err(StoreError::Refused { code, .. }) if code == "NoSuchBucket" => return Ok(()),
                listed => listed?,
            };
            for object in &page.objects {
                self.delete(bucket, &object.key).await?;
            }
            if page.next.is_none() {
                break;
            }
        }
        for open in self.open_multiparts(bucket, None).await?.open {
            self.abort_multipart(bucket, &open.key, &open.id).await?;
        }
        let call = self.client.delete_bucket().bucket(bucket).send();
        match within(
            "DeleteBucket",
            DEADLINE,
            Operation::new("deletion", bucket, ""),
            call,
        )
        .await
        {
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Lets pages of these origins send to and read from the bucket by presigned URLs.
    pub async fn set_cors(&self, bucket: &str, origins: &[String]) -> Result<(), StoreError> {
        let operation = || Operation::new("setting CORS", bucket, "");
        let rule = CorsRule::builder()
            .set_allowed_origins(Some(origins.to_vec()))
            .set_allowed_methods(Some(["GET", "HEAD", "PUT"].map(str::to_owned).to_vec()))
            .allowed_headers("*")
            .expose_headers("ETag")
            .max_age_seconds(3600)
            .build();
        let rule = rule.map_err(|error| invalid(operation(), error))?;
        let rules = CorsConfiguration::builder().cors_rules(rule).build();
        let rules = rules.map_err(|error| invalid(operation(), error))?;
        let call = self
            .client
            .put_bucket_cors()
            .bucket(bucket)
            .cors_configuration(rules)
            .send();
        within("PutBucketCors", DEADLINE, operation(), call)
            .await
            .map(drop)
    }

    /// Lets the store drop the parts of multipart uploads that nobody ended within `days`. It replaces the bucket's
    /// other lifecycle rules. False where the store has no such rules (`501 NotImplemented`), so that somebody else
    /// has to drop them.
    pub async fn abort_unfinished_multiparts(&self, bucket: &str, days: i32) -> Result<bool, StoreError> {
        let operation = || Operation::new("setting the lifecycle", bucket, "");
        let rule = LifecycleRule::builder()
            .id("abort-unfinished-multiparts")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix("").build())
            .abort_incomplete_multipart_upload(
                AbortIncompleteMultipartUpload::builder()
                    .days_after_initiation(days)
                    .build(),
            )
            .build()
            .map_err(|error| invalid(operation(), error))?;
        let rules = BucketLifecycleConfiguration::builder().rules(rule).build();
        let rules = rules.map_err(|error| invalid(operation(), error))?;
        let call = self
            .client
            .put_bucket_lifecycle_configuration()
            .bucket(bucket)
            .lifecycle_configuration(rules)
            .send();
        match within("PutBucketLifecycleConfiguration", DEADLINE, operation(), call).await {
            Ok(_) => Ok(true),
            Err(StoreError::Refused { status: 501, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn invalid(operation: Operation, error: aws_sdk_s3::error::BuildError) -> StoreError {
    StoreError::Refused {
        operation,
        status: 0,
        code: "InvalidRule".to_owned(),
        source: Box::new(error),
    }
}
