//! Bytes that come one piece after the other.

use std::{io, time::Duration};

use bytes::Bytes;
use depot_object_store::{Digest, Identity, ObjectStore, StoreError, StreamError, StreamTerms};
use futures::{Stream, StreamExt as _, stream};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use crate::{Bucket, MINUTE, bucket, identity, sha256};

const PIECE: usize = 256 * 1024;

fn content() -> Vec<u8> {
    (0..3_000_000_u32).map(|i| (i % 253) as u8).collect()
}

fn digest_of(content: &[u8]) -> Digest {
    Digest {
        size_bytes: content.len() as i64,
        sha256: sha256(content),
    }
}

fn terms(expected: Digest) -> StreamTerms<'static> {
    StreamTerms {
        content_type: "text/plain",
        expected,
        idle: MINUTE,
        deadline: MINUTE,
    }
}

/// The pieces of `content`, and then what `end` has.
fn source(content: &[u8], end: Vec<io::Result<Bytes>>) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    let pieces: Vec<_> = content
        .chunks(PIECE)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    stream::iter(pieces.into_iter().chain(end))
}

async fn nothing_lies_in(store: &ObjectStore, bucket: &Bucket) {
    let head = store.head(bucket, "a").await;
    assert!(matches!(head, Err(StoreError::NotFound(_))), "{head:?}");
}

#[tokio::test]
async fn a_stream_that_is_what_was_announced_becomes_the_object_and_replaces_another() {
    let (store, bucket) = bucket().await;
    let content = content();
    store.put(&bucket, "a", b"before".to_vec()).await.unwrap();
    let put = store.put_stream(&bucket, "a", terms(digest_of(&content)), source(&content, vec![]));
    put.await.unwrap();
    let stored = store
        .open(&bucket, "a", None)
        .await
        .unwrap()
        .digest()
        .await
        .unwrap();
    assert_eq!(stored, digest_of(&content));
    // One byte is the last piece and the first.
    let put = store.put_stream(&bucket, "b", terms(digest_of(b"x")), source(b"x", vec![]));
    put.await.unwrap();
    assert_eq!(store.head(&bucket, "b").await.unwrap().size_bytes, 1);
}

#[tokio::test]
async fn nothing_is_seen_of_a_stream_that_is_something_else() {
    let (store, bucket) = bucket().await;
    let content = content();
    let mut other = content.clone();
    *other.last_mut().unwrap() ^= 1;
    let empty = || Ok(Bytes::new());
    let longer = [content.clone(), b"x".to_vec()].concat();
    let cases = [
        ("another last byte", other, vec![]),
        (
            "another last byte, and pieces of nothing after it",
            longer.clone(),
            vec![empty(), empty()],
        ),
        ("too short", content[..content.len() - 1].to_vec(), vec![empty()]),
        ("too long", longer, vec![]),
        ("nothing", Vec::new(), vec![]),
    ];
    for (what, sent, end) in cases {
        let put = store
            .put_stream(&bucket, "a", terms(digest_of(&content)), source(&sent, end))
            .await;
        assert!(
            matches!(put, Err(StreamError::NotAsAnnounced { .. })),
            "{what}: {put:?}"
        );
        nothing_lies_in(&store, &bucket).await;
    }
    // The announced size and another content, with the end hidden behind empty pieces.
    let mut other = content.clone();
    other[0] ^= 1;
    let put = store.put_stream(
        &bucket,
        "a",
        terms(digest_of(&content)),
        source(&other, vec![empty(), empty()]),
    );
    assert!(matches!(put.await, Err(StreamError::NotAsAnnounced { .. })));
    nothing_lies_in(&store, &bucket).await;
}

#[tokio::test]
async fn nothing_is_seen_of_a_stream_that_breaks_off_or_falls_silent() {
    let (store, bucket) = bucket().await;
    let content = content();
    let broken = vec![Err(io::Error::other("gone"))];
    let sent = source(&content[..PIECE * 4], broken);
    let put = store
        .put_stream(&bucket, "a", terms(digest_of(&content)), sent)
        .await;
    assert!(matches!(put, Err(StreamError::Source(_))), "{put:?}");
    nothing_lies_in(&store, &bucket).await;

    let silent = || source(&content[..PIECE * 4], vec![]).chain(stream::pending());
    let short = StreamTerms {
        idle: Duration::from_millis(200),
        ..terms(digest_of(&content))
    };
    let put = store.put_stream(&bucket, "a", short, silent()).await;
    assert!(matches!(put, Err(StreamError::Silent(_))), "{put:?}");
    let short = StreamTerms {
        deadline: Duration::from_millis(500),
        ..terms(digest_of(&content))
    };
    let put = store.put_stream(&bucket, "a", short, silent()).await;
    assert!(matches!(put, Err(StreamError::TooSlow(_))), "{put:?}");
    // Dropped in the midst of it, as when its client goes away.
    let put = store.put_stream(&bucket, "a", terms(digest_of(&content)), silent());
    assert!(
        tokio::time::timeout(Duration::from_millis(500), put)
            .await
            .is_err()
    );
    nothing_lies_in(&store, &bucket).await;
}

#[tokio::test]
async fn a_store_that_is_away_ends_a_stream_at_once() {
    let away = ObjectStore::new(&Identity {
        endpoint: "http://127.0.0.1:9".into(),
        ..identity()
    });
    let content = content();
    let put = away
        .put_stream("b", "a", terms(digest_of(&content)), source(&content, vec![]))
        .await;
    assert!(
        matches!(&put, Err(StreamError::Store(error)) if error.is_transient()),
        "{put:?}"
    );
}

/// Takes one request, and counts the bytes of its body until the connection ends. It checks nothing.
async fn trusting_server() -> (ObjectStore, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let received = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        // A connection that is cut in the midst of a body may end by a reset.
        let _reset = stream.read_to_end(&mut all).await;
        let head = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        all.len() - head - 4
    });
    let store = ObjectStore::new(&Identity {
        public_endpoint: endpoint.clone(),
        endpoint,
        ..identity()
    });
    (store, received)
}

/// Whatever the store checks or does not: it is never given all of what is not to be there.
#[tokio::test]
async fn the_last_piece_of_something_else_is_never_sent() {
    let content = content();
    let mut other = content.clone();
    *other.last_mut().unwrap() ^= 1;
    for end in [vec![], vec![Ok(Bytes::new()), Ok(Bytes::new())]] {
        let (store, received) = trusting_server().await;
        // Time in which what was handed over arrives.
        let pause = stream::once(tokio::time::sleep(Duration::from_millis(300))).map(|()| Ok(Bytes::new()));
        let sent = source(&other, end).chain(pause);
        let put = store.put_stream("b", "a", terms(digest_of(&content)), sent).await;
        assert!(matches!(put, Err(StreamError::NotAsAnnounced { .. })), "{put:?}");
        drop(store);
        let received = received.await.unwrap();
        assert!(received < content.len(), "{received} of {}", content.len());
    }
}
