use std::time::Duration;

use aws_sdk_s3::{
    config::{Builder, timeout::TimeoutConfig},
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::BytesMut;

use crate::{
    error::{Operation, StoreError, within},
    read::{Digest, Hasher},
    store::{CONNECT, ObjectStore},
};

const CALL: Duration = Duration::from_secs(30);
/// S3's smallest part is 5 MiB; one part at a time is held in memory.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// How a bound copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyOutcome {
    Copied,
    /// The source is gone, or not the one that was verified any more: verify again.
    SourceChanged,
}

impl ObjectStore {
    /// Copies within the store, at most 5 GiB, if the source is still the one with `etag`.
    ///
    /// Only for a store that honours the condition, see [`ObjectStore::probe_copy_conditions`].
    pub async fn copy_verified(
        &self,
        from: (&str, &str),
        etag: &str,
        to: (&str, &str),
        content_type: &str,
        size_bytes: i64,
    ) -> Result<CopyOutcome, StoreError> {
        let operation = Operation::new("copy", to.0, to.1);
        let deadline = copy_deadline(size_bytes);
        let call = self
            .client
            .copy_object()
            .copy_source(copy_source(from))
            .copy_source_if_match(etag)
            .bucket(to.0)
            .key(to.1)
            .content_type(content_type)
            .metadata_directive(aws_sdk_s3::types::MetadataDirective::Replace)
            .customize()
            .config_override(patient(deadline))
            .send();
        match within(deadline, operation.clone(), call).await {
            // S3 may put an error into a 200; without a result there was no copy.
            Ok(answer)
                if answer
                    .copy_object_result()
                    .and_then(|result| result.e_tag())
                    .is_none() =>
            {
                Err(StoreError::Transient {
                    operation,
                    source: "a copy without a result".into(),
                })
            }
            Ok(_) => Ok(CopyOutcome::Copied),
            Err(StoreError::PreconditionFailed(_) | StoreError::NotFound(_)) => {
                Ok(CopyOutcome::SourceChanged)
            }
            Err(error) => Err(error),
        }
    }

    /// Copies through this process, hashing on the way, and keeps the copy only if it is what was `expected`: for a
    /// store that ignores conditions on a copy's source. Memory holds one part.
    pub async fn copy_through(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        content_type: &str,
        expected: Digest,
    ) -> Result<CopyOutcome, StoreError> {
        let upload = self.begin(to, content_type).await?;
        match self.send_parts(from, to, &upload, expected).await {
            Ok(Some(parts)) => self
                .finish(to, &upload, parts, copy_deadline(expected.size_bytes))
                .await
                .map(|()| CopyOutcome::Copied),
            Ok(None) => self
                .abandon(to, &upload)
                .await
                .map(|()| CopyOutcome::SourceChanged),
            Err(error) => {
                if let Err(abandoned) = self.abandon(to, &upload).await {
                    tracing::warn!(error = %abandoned, "a multipart upload is left to the bucket's lifecycle rule");
                }
                Err(error)
            }
        }
    }

    async fn begin(&self, to: (&str, &str), content_type: &str) -> Result<String, StoreError> {
        let operation = Operation::new("begin of a multipart upload", to.0, to.1);
        let call = self
            .client
            .create_multipart_upload()
            .bucket(to.0)
            .key(to.1)
            .content_type(content_type)
            .send();
        let begun = within(CALL, operation.clone(), call).await?;
        begun.upload_id().map(str::to_owned).ok_or(StoreError::Transient {
            operation,
            source: "a multipart upload without an id".into(),
        })
    }

    /// The parts that were sent; none if the source is gone or not what was expected.
    async fn send_parts(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        upload: &str,
        expected: Digest,
    ) -> Result<Option<Vec<CompletedPart>>, StoreError> {
        let mut reading = match self.open(from.0, from.1, None).await {
            Err(StoreError::NotFound(_)) => return Ok(None),
            opened => opened?,
        };
        let (mut hasher, mut parts, mut part) = (Hasher::default(), Vec::new(), BytesMut::new());
        while let Some(piece) = reading.next().await? {
            hasher.update(&piece);
            part.extend_from_slice(&piece);
            if part.len() >= PART_BYTES {
                let number = parts.len() as i32 + 1;
                parts.push(self.send_part(to, upload, number, part.split()).await?);
            }
        }
        if !part.is_empty() {
            let number = parts.len() as i32 + 1;
            parts.push(self.send_part(to, upload, number, part).await?);
        }
        Ok((hasher.finish() == expected).then_some(parts))
    }

    async fn send_part(
        &self,
        to: (&str, &str),
        upload: &str,
        number: i32,
        part: BytesMut,
    ) -> Result<CompletedPart, StoreError> {
        let call = self
            .client
            .upload_part()
            .bucket(to.0)
            .key(to.1)
            .upload_id(upload)
            .part_number(number)
            .body(ByteStream::from(part.freeze()))
            .send();
        let sent = within(
            CALL,
            Operation::new("part of a multipart upload", to.0, to.1),
            call,
        )
        .await?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .build())
    }

    async fn finish(
        &self,
        to: (&str, &str),
        upload: &str,
        parts: Vec<CompletedPart>,
        deadline: Duration,
    ) -> Result<(), StoreError> {
        let operation = Operation::new("end of a multipart upload", to.0, to.1);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let call = self
            .client
            .complete_multipart_upload()
            .bucket(to.0)
            .key(to.1)
            .upload_id(upload)
            .multipart_upload(parts)
            .customize()
            .config_override(patient(deadline))
            .send();
        let finished = within(deadline, operation.clone(), call).await?;
        match finished.e_tag() {
            Some(_) => Ok(()),
            None => Err(StoreError::Transient {
                operation,
                source: "a completion without a result".into(),
            }),
        }
    }

    async fn abandon(&self, to: (&str, &str), upload: &str) -> Result<(), StoreError> {
        let operation = Operation::new("abort of a multipart upload", to.0, to.1);
        let call = self
            .client
            .abort_multipart_upload()
            .bucket(to.0)
            .key(to.1)
            .upload_id(upload)
            .send();
        match within(CALL, operation, call).await {
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// `bucket/key` as the copy's header takes it: percent-encoded, and the SDK leaves that to its caller.
fn copy_source((bucket, key): (&str, &str)) -> String {
    let mut encoded = format!("{bucket}/");
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A server may answer a copy with its first byte only when it is done.
fn patient(deadline: Duration) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(deadline)
        .build();
    Builder::new().timeout_config(timeouts)
}

/// A copy inside the store takes its time; slower than 10 MiB/s is taken for stuck.
fn copy_deadline(size_bytes: i64) -> Duration {
    CALL + Duration::from_secs(u64::try_from(size_bytes / (10 * 1024 * 1024)).unwrap_or_default())
}
