use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use crate::{
    error::{Operation, StoreError, within},
    store::ObjectStore,
};

const OPEN: Duration = Duration::from_secs(30);
/// Longest silence within a stream.
const NEXT_PIECE: Duration = Duration::from_secs(30);

/// An object being read, piece by piece: memory does not depend on its size.
#[derive(Debug)]
pub struct Reading {
    operation: Operation,
    body: ByteStream,
    /// The size that the store announced.
    pub size_bytes: i64,
    /// Names the bytes that are being read.
    pub etag: String,
}

/// Size and SHA-256 of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    pub size_bytes: i64,
    pub sha256: [u8; 32],
}

impl ObjectStore {
    /// Opens an object, the one with `etag` where one is named.
    pub async fn open(&self, bucket: &str, key: &str, etag: Option<&str>) -> Result<Reading, StoreError> {
        let operation = Operation::new("GET", bucket, key);
        let call = self
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .set_if_match(etag.map(str::to_owned))
            .send();
        let answer = within("GetObject", OPEN, operation.clone(), call).await?;
        Ok(Reading {
            operation,
            size_bytes: answer.content_length().unwrap_or_default(),
            etag: answer.e_tag().unwrap_or_default().to_owned(),
            body: answer.body,
        })
    }
}

impl Reading {
    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        match tokio::time::timeout(NEXT_PIECE, self.body.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(error))) => Err(StoreError::Transient {
                operation: self.operation.clone(),
                source: Box::new(error),
            }),
            Err(_) => Err(StoreError::timed_out(self.operation.clone(), NEXT_PIECE)),
        }
    }

    /// Reads to the end, and answers what it was.
    pub async fn digest(mut self) -> Result<Digest, StoreError> {
        let mut hasher = Hasher::default();
        while let Some(piece) = self.next().await? {
            hasher.update(&piece);
        }
        Ok(hasher.finish())
    }
}

/// Size and SHA-256 of a sequence of pieces.
pub struct Hasher {
    size_bytes: i64,
    sha256: Context,
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            size_bytes: 0,
            sha256: Context::new(&SHA256),
        }
    }
}

impl Hasher {
    pub fn update(&mut self, piece: &[u8]) {
        self.size_bytes += piece.len() as i64;
        self.sha256.update(piece);
    }

    pub fn finish(self) -> Digest {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.sha256.finish().as_ref());
        Digest {
            size_bytes: self.size_bytes,
            sha256,
        }
    }
}
