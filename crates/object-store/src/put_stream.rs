//! A PUT of bytes that come one piece after the other, of which nothing is seen unless they are what was announced.

use std::{error::Error, time::Duration};

use aws_sdk_s3::{config::StalledStreamProtectionConfig, primitives::ByteStream};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, pin_mut, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::mpsc;

use crate::{
    error::{Operation, StoreError, within},
    read::{Digest, Hasher},
    store::{ObjectStore, patient},
};

/// Pieces between source and store; a source that is faster than the store waits.
const PIECES: usize = 2;
/// How long a store may take to answer when it has everything.
const ANSWER: Duration = Duration::from_secs(30);

/// What is announced, and what is given to send it.
#[derive(Debug, Clone)]
pub struct StreamTerms<'a> {
    pub content_type: &'a str,
    pub expected: Digest,
    /// The longest silence of the source.
    pub idle: Duration,
    /// The longest time for all of it.
    pub deadline: Duration,
}

/// Why a stream did not become an object. Nothing of it can be seen in the store.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The source ended with an error: its sender went away.
    #[error("the source broke off")]
    Source(#[source] Box<dyn Error + Send + Sync>),
    #[error("the source was silent for {0:?}")]
    Silent(Duration),
    /// The deadline passed.
    #[error("the stream did not end within {0:?}")]
    TooSlow(Duration),
    /// It is not what was announced; what was found ends where that was certain.
    #[error("the content is not the one that was announced")]
    NotAsAnnounced { found: Digest },
}

impl ObjectStore {
    /// Sends a stream, over what may be there. The last piece is held back until size and SHA-256 are known to be those
    /// announced; a PUT that lacks it is dropped by the store. Memory does not depend on the size.
    ///
    /// # Errors
    /// [`StreamError`]. May be dropped at any point: then no object is left either, or the whole one.
    pub async fn put_stream<E: Into<Box<dyn Error + Send + Sync>>>(
        &self,
        bucket: &str,
        key: &str,
        terms: StreamTerms<'_>,
        source: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<(), StreamError> {
        let operation = Operation::new("PUT", bucket, key);
        let (sender, receiver) = mpsc::channel(PIECES);
        let deadline = terms.deadline + ANSWER;
        let call = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(terms.content_type)
            .content_length(terms.expected.size_bytes)
            .checksum_sha256(STANDARD.encode(terms.expected.sha256))
            .body(ByteStream::from_body_1_x(StreamBody::new(pieces(receiver))))
            .customize()
            // Who is slow here is the source, for which there are limits of its own.
            .config_override(
                patient(deadline).stalled_stream_protection(StalledStreamProtectionConfig::disabled()),
            )
            .send();
        let put = within("PutObject", deadline, operation.clone(), call);
        let pump = tokio::time::timeout(terms.deadline, pump(source, sender, &terms, operation));
        pin_mut!(put);
        tokio::select! {
            // The store has answered before it had everything: it refuses, or is away.
            put = &mut put => return put.map(drop).map_err(StreamError::from),
            pumped = pump => pumped.unwrap_or(Err(StreamError::TooSlow(terms.deadline)))?,
        }
        put.await.map(drop).map_err(StreamError::from)
    }
}

/// The body of the request. It ends well only where that was said: a sender that is merely gone breaks it off, so that a
/// request that is dropped is never taken for a short one.
fn pieces(
    mut receiver: mpsc::Receiver<Option<Bytes>>,
) -> impl Stream<Item = Result<Frame<Bytes>, BrokenOff>> + Send + Sync + 'static {
    stream::poll_fn(move |context| {
        receiver.poll_recv(context).map(|received| match received {
            Some(Some(piece)) => Some(Ok(Frame::data(piece))),
            Some(None) => None,
            None => Some(Err(BrokenOff)),
        })
    })
}

#[derive(Debug, thiserror::Error)]
#[error("the source of a PUT broke off")]
struct BrokenOff;

/// Hands over what the source gives, then says that this was all. Ends well, too, where the store has stopped
/// listening: the call tells why.
async fn pump<E: Into<Box<dyn Error + Send + Sync>>>(
    source: impl Stream<Item = Result<Bytes, E>> + Send,
    sender: mpsc::Sender<Option<Bytes>>,
    terms: &StreamTerms<'_>,
    operation: Operation,
) -> Result<(), StreamError> {
    pin_mut!(source);
    let (mut hasher, mut held, mut taken) = (Hasher::default(), None, 0);
    while taken <= terms.expected.size_bytes {
        let next = tokio::time::timeout(terms.idle, source.next()).await;
        let piece = match next.map_err(|_| StreamError::Silent(terms.idle))? {
            // Held in its place, an empty one would let the last byte go.
            Some(Ok(piece)) if piece.is_empty() => continue,
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Err(StreamError::Source(error.into())),
            None => break,
        };
        taken += piece.len() as i64;
        hasher.update(&piece);
        if let Some(before) = held.replace(piece)
            && !hand_over(&sender, Some(before), terms, &operation).await?
        {
            return Ok(());
        }
    }
    let found = hasher.finish();
    if found != terms.expected {
        return Err(StreamError::NotAsAnnounced { found });
    }
    if hand_over(&sender, held, terms, &operation).await? {
        hand_over(&sender, None, terms, &operation).await?;
    }
    Ok(())
}

/// False where the store has stopped listening.
async fn hand_over(
    sender: &mpsc::Sender<Option<Bytes>>,
    piece: Option<Bytes>,
    terms: &StreamTerms<'_>,
    operation: &Operation,
) -> Result<bool, StreamError> {
    match tokio::time::timeout(terms.idle, sender.send(piece)).await {
        Ok(handed) => Ok(handed.is_ok()),
        // It takes nothing more, and does not say so.
        Err(_) => Err(StoreError::timed_out(operation.clone(), terms.idle).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_ends_well_only_where_that_was_said() {
        let (sender, receiver) = mpsc::channel(PIECES);
        sender.send(Some(Bytes::from_static(b"a"))).await.unwrap();
        sender.send(None).await.unwrap();
        drop(sender);
        let body = pieces(receiver);
        pin_mut!(body);
        assert!(body.next().await.unwrap().is_ok());
        assert!(body.next().await.is_none());

        let (sender, receiver) = mpsc::channel::<Option<Bytes>>(PIECES);
        drop(sender);
        let body = pieces(receiver);
        pin_mut!(body);
        assert!(
            body.next().await.unwrap().is_err(),
            "a sender that is gone breaks it off"
        );
    }
}
