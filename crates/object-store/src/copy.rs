use bytes::BytesMut;

use crate::{
    error::{Operation, StoreError, within},
    multipart::{Completion, Part},
    read::{Digest, Hasher},
    store::{ObjectStore, copy_deadline, patient},
};

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
        match within("CopyObject", deadline, operation.clone(), call).await {
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
        let id = self.begin_multipart(to.0, to.1, content_type).await?;
        let copied = self.copy_parts(from, to, &id, expected).await;
        if !matches!(copied, Ok(CopyOutcome::Copied))
            && let Err(error) = self.abort_multipart(to.0, to.1, &id).await
        {
            tracing::warn!(%error, "a multipart upload is left to the sweep");
        }
        copied
    }

    async fn copy_parts(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        id: &str,
        expected: Digest,
    ) -> Result<CopyOutcome, StoreError> {
        let Some(parts) = self.send_parts(from, to, id, expected).await? else {
            return Ok(CopyOutcome::SourceChanged);
        };
        match self.complete_multipart(to.0, to.1, id, &parts).await? {
            Completion::Completed => Ok(CopyOutcome::Copied),
            // Nobody else knows the id, so a store that lost it, or a part, has to be asked anew.
            lost => Err(StoreError::Transient {
                operation: Operation::new("end of a multipart upload", to.0, to.1),
                source: format!("{lost:?}").into(),
            }),
        }
    }

    /// The parts that were sent; none if the source is gone or not what was expected.
    async fn send_parts(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        id: &str,
        expected: Digest,
    ) -> Result<Option<Vec<Part>>, StoreError> {
        let mut reading = match self.open(from.0, from.1, None).await {
            Err(StoreError::NotFound(_)) => return Ok(None),
            opened => opened?,
        };
        let (mut hasher, mut parts, mut part) = (Hasher::default(), Vec::new(), BytesMut::new());
        loop {
            let piece = reading.next().await?;
            let is_last = piece.is_none();
            if let Some(piece) = piece {
                hasher.update(&piece);
                part.extend_from_slice(&piece);
            }
            if part.len() >= PART_BYTES || (is_last && !part.is_empty()) {
                let number = parts.len() as i32 + 1;
                let content = part.split().freeze();
                parts.push(self.send_part(to.0, to.1, id, number, content).await?);
            }
            if is_last {
                return Ok((hasher.finish() == expected).then_some(parts));
            }
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
