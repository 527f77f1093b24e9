use std::time::Duration;

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::Bytes;
use time::OffsetDateTime;

use crate::{
    error::{Operation, StoreError, within},
    presign::{Presigned, expiring, presigned},
    store::{ObjectStore, copy_deadline, patient},
};

const CALL: Duration = Duration::from_secs(30);

/// The most parts that an upload can have (Amazon S3 User Guide, "Multipart upload limits").
pub const MAX_PARTS: i32 = 10_000;
/// The smallest part that is not the last one.
pub const MIN_PART_BYTES: i64 = 5 * 1024 * 1024;

/// A part that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// From 1 on.
    pub number: i32,
    pub size_bytes: i64,
    /// Names exactly these bytes; quotes included.
    pub etag: String,
}

/// A multipart upload that nobody has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMultipart {
    pub key: String,
    pub id: String,
    /// By the store's clock.
    pub begun_at: OffsetDateTime,
}

/// Up to a thousand open multipart uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMultiparts {
    pub open: Vec<OpenMultipart>,
    /// Give it to the next call for what follows; none at the end.
    pub next: Option<AfterMultipart>,
}

/// Where a page of open multipart uploads ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterMultipart {
    key: String,
    id: Option<String>,
}

/// How a completion ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// The object is there.
    Completed,
    /// It was completed or aborted before: what lies under the key tells which.
    NoSuchUpload,
    /// The parts that were named are not those that are there, or one that is not the last is too small.
    PartsRefused { code: String },
}

impl ObjectStore {
    /// Begins a multipart upload; answers its id. Two for one key are two.
    pub async fn begin_multipart(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
    ) -> Result<String, StoreError> {
        let operation = Operation::new("begin of a multipart upload", bucket, key);
        let call = self
            .client
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .send();
        let begun = within("CreateMultipartUpload", CALL, operation.clone(), call).await?;
        begun.upload_id().map(str::to_owned).ok_or(StoreError::Transient {
            operation,
            source: "a multipart upload without an id".into(),
        })
    }

    /// Signs the PUT of one part, which is bound to its number and its size. Sent again, the later one counts.
    pub async fn presign_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: i32,
        size_bytes: i64,
        valid_for: Duration,
    ) -> Result<Presigned, StoreError> {
        let operation = || Operation::new("signing a part", bucket, key);
        let request = self
            .signer
            .upload_part()
            .bucket(bucket)
            .key(key)
            .upload_id(id)
            .part_number(number)
            .content_length(size_bytes)
            .presigned(expiring(valid_for, operation())?)
            .await
            .map_err(|error| StoreError::from_sdk(operation(), error))?;
        Ok(presigned("PUT", &request))
    }

    /// Sends one part.
    pub async fn send_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: i32,
        content: Bytes,
    ) -> Result<Part, StoreError> {
        let size_bytes = content.len() as i64;
        let call = self
            .client
            .upload_part()
            .bucket(bucket)
            .key(key)
            .upload_id(id)
            .part_number(number)
            .body(ByteStream::from(content))
            .send();
        let operation = Operation::new("part of a multipart upload", bucket, key);
        let sent = within("UploadPart", CALL, operation, call).await?;
        Ok(Part {
            number,
            size_bytes,
            etag: sent.e_tag.unwrap_or_default(),
        })
    }

    /// The parts that have arrived, in the order of their numbers. Of a part that was sent again some servers list every
    /// version, SeaweedFS for one; where all of them are named at the completion, the latest counts there.
    ///
    /// # Errors
    /// `NotFound` where there is no such upload: it was completed or aborted.
    pub async fn parts(&self, bucket: &str, key: &str, id: &str) -> Result<Vec<Part>, StoreError> {
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let call = self
                .client
                .list_parts()
                .bucket(bucket)
                .key(key)
                .upload_id(id)
                .set_part_number_marker(after)
                .send();
            let operation = Operation::new("LIST of the parts", bucket, key);
            let page = within("ListParts", CALL, operation, call).await?;
            parts.extend(page.parts().iter().map(|part| Part {
                number: part.part_number().unwrap_or_default(),
                size_bytes: part.size().unwrap_or_default(),
                etag: part.e_tag().unwrap_or_default().to_owned(),
            }));
            after = page.next_part_number_marker().map(str::to_owned);
            if !page.is_truncated().unwrap_or_default() || after.is_none() {
                parts.sort_by_key(|part| part.number);
                return Ok(parts);
            }
        }
    }

    /// Makes one object of `parts`, which are what [`Self::parts`] listed. It is no error to come too late.
    pub async fn complete_multipart(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        parts: &[Part],
    ) -> Result<Completion, StoreError> {
        let operation = Operation::new("end of a multipart upload", bucket, key);
        let deadline = copy_deadline(parts.iter().map(|part| part.size_bytes).sum());
        let named = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.etag)
                .build()
        });
        let named = CompletedMultipartUpload::builder().set_parts(Some(named.collect()));
        let call = self
            .client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(id)
            .multipart_upload(named.build())
            .customize()
            .config_override(patient(deadline))
            .send();
        match within("CompleteMultipartUpload", deadline, operation.clone(), call).await {
            Ok(completed) if completed.e_tag().is_some() => Ok(Completion::Completed),
            Ok(_) => Err(StoreError::Transient {
                operation,
                source: "a completion without a result".into(),
            }),
            Err(StoreError::NotFound(_)) => Ok(Completion::NoSuchUpload),
            Err(StoreError::Refused { code, .. })
                if ["InvalidPart", "InvalidPartOrder", "EntityTooSmall"].contains(&code.as_str()) =>
            {
                Ok(Completion::PartsRefused { code })
            }
            Err(error) => Err(error),
        }
    }

    /// Drops a multipart upload and its parts; one that is not there is fine.
    pub async fn abort_multipart(&self, bucket: &str, key: &str, id: &str) -> Result<(), StoreError> {
        let operation = Operation::new("abort of a multipart upload", bucket, key);
        let call = self
            .client
            .abort_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(id)
            .send();
        match within("AbortMultipartUpload", CALL, operation, call).await {
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A page of the multipart uploads in a bucket that nobody has ended; `after` is the `next` of the page before.
    pub async fn open_multiparts(
        &self,
        bucket: &str,
        after: Option<AfterMultipart>,
    ) -> Result<OpenMultiparts, StoreError> {
        let (key, id) = after.map(|after| (after.key, after.id)).unzip();
        let call = self
            .client
            .list_multipart_uploads()
            .bucket(bucket)
            .set_key_marker(key)
            .set_upload_id_marker(id.flatten())
            .send();
        let operation = Operation::new("LIST of the multipart uploads", bucket, "");
        let page = within("ListMultipartUploads", CALL, operation, call).await?;
        let open = page.uploads().iter().map(|upload| OpenMultipart {
            key: upload.key().unwrap_or_default().to_owned(),
            id: upload.upload_id().unwrap_or_default().to_owned(),
            begun_at: upload
                .initiated()
                .and_then(|at| OffsetDateTime::from_unix_timestamp(at.secs()).ok())
                // One of unknown age is taken for new: a sweep leaves it alone.
                .unwrap_or_else(OffsetDateTime::now_utc),
        });
        let next = page.next_key_marker().map(|key| AfterMultipart {
            key: key.to_owned(),
            id: page.next_upload_id_marker().map(str::to_owned),
        });
        Ok(OpenMultiparts {
            open: open.collect(),
            next: next.filter(|_| page.is_truncated().unwrap_or_default()),
        })
    }
}
