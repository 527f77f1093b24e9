//! Uploads in parts.

use bytes::Bytes;
use depot_object_store::{Completion, Identity, MIN_PART_BYTES, ObjectStore, Part, StoreError};
use reqwest::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{MINUTE, bucket, identity, identity_of, named_bucket, send, sha256};

const PART: usize = MIN_PART_BYTES as usize;

/// Three parts, of which the last is short.
fn content() -> Vec<u8> {
    (0..2 * PART + 1_000).map(|i| (i % 251) as u8).collect()
}

/// Sends one part by a presigned URL.
async fn put_part(store: &ObjectStore, bucket: &str, id: &str, number: i32, content: &[u8]) -> StatusCode {
    let size = content.len() as i64;
    let presigned = store.presign_part(bucket, "a", id, number, size, MINUTE).await;
    send(&presigned.unwrap(), content).await
}

#[tokio::test]
async fn parts_sent_in_any_order_become_the_whole_and_tell_which_of_them_arrived() {
    let (store, bucket) = bucket().await;
    let content = content();
    let id = store.begin_multipart(&bucket, "a", "text/plain").await.unwrap();
    assert!(store.parts(&bucket, "a", &id).await.unwrap().is_empty());
    let pieces: Vec<_> = content.chunks(PART).collect();
    for number in [3, 1] {
        let sent = put_part(&store, &bucket, &id, number, pieces[number as usize - 1]).await;
        assert_eq!(sent, StatusCode::OK);
    }
    let arrived = store.parts(&bucket, "a", &id).await.unwrap();
    let told: Vec<_> = arrived
        .iter()
        .map(|part| (part.number, part.size_bytes))
        .collect();
    assert_eq!(told, [(1, PART as i64), (3, 1_000)]);
    // The same part again: the later one counts.
    assert_eq!(
        put_part(&store, &bucket, &id, 2, &vec![0; PART]).await,
        StatusCode::OK
    );
    assert_eq!(put_part(&store, &bucket, &id, 2, pieces[1]).await, StatusCode::OK);
    assert!(
        matches!(store.head(&bucket, "a").await, Err(StoreError::NotFound(_))),
        "nothing is visible before the end"
    );

    let parts = store.parts(&bucket, "a", &id).await.unwrap();
    let completed = store.complete_multipart(&bucket, "a", &id, &parts).await.unwrap();
    assert_eq!(completed, Completion::Completed);
    let digest = store
        .open(&bucket, "a", None)
        .await
        .unwrap()
        .digest()
        .await
        .unwrap();
    assert_eq!(
        (digest.size_bytes, digest.sha256),
        (content.len() as i64, sha256(&content))
    );
    let again = store.complete_multipart(&bucket, "a", &id, &parts).await.unwrap();
    assert!(
        matches!(again, Completion::NoSuchUpload | Completion::Completed),
        "coming too late is no error: {again:?}"
    );
    let late = put_part(&store, &bucket, &id, 1, pieces[1]).await;
    assert!(late.is_client_error(), "a part for what has ended: {late}");
}

#[tokio::test]
async fn an_object_made_of_parts_is_copied_by_its_etag() {
    let (store, bucket) = bucket().await;
    let content = content();
    let id = store.begin_multipart(&bucket, "a", "text/plain").await.unwrap();
    let mut parts = Vec::new();
    for (number, piece) in (1..).zip(content.chunks(PART)) {
        let piece = Bytes::copy_from_slice(piece);
        parts.push(store.send_part(&bucket, "a", &id, number, piece).await.unwrap());
    }
    store.complete_multipart(&bucket, "a", &id, &parts).await.unwrap();
    let etag = store.head(&bucket, "a").await.unwrap().etag;
    assert!(
        etag.contains('-'),
        "the ETag of an object that was made of parts: {etag}"
    );
    let reading = store.open(&bucket, "a", None).await.unwrap();
    assert_eq!(reading.etag, etag);
    let size = content.len() as i64;
    let copy = |etag: String| {
        let (store, bucket) = (store.clone(), bucket.to_owned());
        async move {
            let copied = store.copy_verified((&bucket, "a"), &etag, (&bucket, "b"), "text/plain", size);
            copied.await.unwrap()
        }
    };
    let wrong = "\"00000000000000000000000000000000-3\"".to_owned();
    assert_eq!(copy(wrong).await, depot_object_store::CopyOutcome::SourceChanged);
    assert_eq!(copy(etag).await, depot_object_store::CopyOutcome::Copied);
    let copied = store
        .open(&bucket, "b", None)
        .await
        .unwrap()
        .digest()
        .await
        .unwrap();
    assert_eq!(copied.sha256, sha256(&content));
}

#[tokio::test]
async fn a_signed_part_takes_its_own_size_and_number_only() {
    let (store, bucket) = bucket().await;
    let id = store.begin_multipart(&bucket, "a", "text/plain").await.unwrap();
    let presigned = store.presign_part(&bucket, "a", &id, 1, 3, MINUTE).await.unwrap();
    assert!(send(&presigned, b"abcd").await.is_client_error(), "another size");
    let mut other = presigned.clone();
    other.url = other.url.replace("partNumber=1", "partNumber=2");
    assert_ne!(other.url, presigned.url);
    assert!(send(&other, b"abc").await.is_client_error(), "another part");
    assert!(store.parts(&bucket, "a", &id).await.unwrap().is_empty());
    assert_eq!(send(&presigned, b"abc").await, StatusCode::OK);
}

#[tokio::test]
async fn an_aborted_upload_leaves_no_part_and_no_open_upload() {
    let (store, bucket) = bucket().await;
    let mut begun = Vec::new();
    for key in ["a", "b"] {
        begun.push(store.begin_multipart(&bucket, key, "text/plain").await.unwrap());
    }
    assert_eq!(
        put_part(&store, &bucket, &begun[0], 1, b"abc").await,
        StatusCode::OK
    );
    let open = store.open_multiparts(&bucket, None).await.unwrap();
    let mut keys: Vec<_> = open.open.iter().map(|open| open.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["a", "b"]);
    let age = time::OffsetDateTime::now_utc() - open.open[0].begun_at;
    assert!(age.abs() < time::Duration::minutes(10), "{age}");
    for open in &open.open {
        store.abort_multipart(&bucket, &open.key, &open.id).await.unwrap();
        store.abort_multipart(&bucket, &open.key, &open.id).await.unwrap();
    }
    assert!(
        store
            .open_multiparts(&bucket, None)
            .await
            .unwrap()
            .open
            .is_empty()
    );
    let gone = store.parts(&bucket, "a", &begun[0]).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
    let late = put_part(&store, &bucket, &begun[0], 2, b"abc").await;
    assert_eq!(late, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_completion_with_parts_that_are_not_there_or_too_small_makes_no_object() {
    let (store, bucket) = bucket().await;
    let id = store.begin_multipart(&bucket, "a", "text/plain").await.unwrap();
    let sent = store.send_part(&bucket, "a", &id, 1, Bytes::from_static(b"abc"));
    let sent = sent.await.unwrap();
    let missing = Part {
        number: 2,
        ..sent.clone()
    };
    let refused = store
        .complete_multipart(&bucket, "a", &id, &[sent.clone(), missing])
        .await;
    assert!(
        matches!(refused, Ok(Completion::PartsRefused { .. })),
        "{refused:?}"
    );

    let last = store
        .send_part(&bucket, "a", &id, 2, Bytes::from_static(b"def"))
        .await
        .unwrap();
    let too_small = store.complete_multipart(&bucket, "a", &id, &[sent, last]).await;
    assert!(
        matches!(&too_small, Ok(Completion::PartsRefused { code }) if code == "EntityTooSmall"),
        "{too_small:?}"
    );
    assert!(matches!(
        store.head(&bucket, "a").await,
        Err(StoreError::NotFound(_))
    ));
    store.abort_multipart(&bucket, "a", &id).await.unwrap();
}

/// Answers each connection's request with the next of `bodies`, in a 200.
async fn server_of(bodies: Vec<&'static str>) -> ObjectStore {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for body in bodies {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let mut read = 0;
            while !request[..read].ends_with(b"</CompleteMultipartUpload>") {
                read += stream.read(&mut request[read..]).await.unwrap();
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    ObjectStore::new(&Identity {
        public_endpoint: endpoint.clone(),
        endpoint,
        ..identity()
    })
}

#[tokio::test]
async fn an_error_inside_a_200_is_an_error() {
    let errors = [
        "<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>x</Message></Error>",
        "<?xml version=\"1.0\"?><Error><Code>NoSuchUpload</Code><Message>x</Message></Error>",
        "<?xml version=\"1.0\"?><Error><Code>InvalidPart</Code><Message>x</Message></Error>",
        "",
        "<?xml version=\"1.0\"?><CompleteMultipartUploadResult></CompleteMultipartUploadResult>",
    ];
    let store = server_of(errors.to_vec()).await;
    let part = Part {
        number: 1,
        size_bytes: 1,
        etag: "\"a\"".into(),
    };
    let complete = async || {
        store
            .complete_multipart("b", "k", "id", std::slice::from_ref(&part))
            .await
    };
    let internal = complete().await;
    assert!(
        internal.as_ref().is_err_and(StoreError::is_transient),
        "{internal:?}"
    );
    assert_eq!(complete().await.unwrap(), Completion::NoSuchUpload);
    assert!(matches!(
        complete().await.unwrap(),
        Completion::PartsRefused { .. }
    ));
    for what in ["no document", "no result"] {
        let unreadable = complete().await;
        assert!(
            unreadable.as_ref().is_err_and(StoreError::is_transient),
            "{what}: {unreadable:?}"
        );
    }
}

/// The identities of the services, in buckets named as theirs are.
#[tokio::test]
async fn each_service_has_the_rights_that_uploads_in_parts_take() {
    let (_, bucket) = named_bucket("staging").await;
    let command = ObjectStore::new(&identity_of("COMMAND_API"));
    let uploader = ObjectStore::new(&identity_of("UPLOADER"));
    let id = command.begin_multipart(&bucket, "a", "text/plain").await.unwrap();
    assert_eq!(put_part(&command, &bucket, &id, 1, b"abc").await, StatusCode::OK);
    let parts = command.parts(&bucket, "a", &id).await.unwrap();
    assert_eq!(parts.len(), 1);
    let other = command.begin_multipart(&bucket, "b", "text/plain").await.unwrap();
    command.abort_multipart(&bucket, "b", &other).await.unwrap();

    let open = uploader.open_multiparts(&bucket, None).await.unwrap().open;
    assert_eq!(open.iter().map(|open| &open.id).collect::<Vec<_>>(), [&id]);
    let parts = uploader.parts(&bucket, "a", &id).await.unwrap();
    let completed = uploader
        .complete_multipart(&bucket, "a", &id, &parts)
        .await
        .unwrap();
    assert_eq!(completed, Completion::Completed);
}

/// The second store's accounts may do everything, so this holds on the first one only.
#[tokio::test]
async fn the_identity_that_signs_uploads_neither_reads_nor_deletes_and_only_in_staging() {
    let (admin, staging) = named_bucket("staging").await;
    let (_, files) = named_bucket("files").await;
    let answer = reqwest::get(identity().endpoint).await.unwrap();
    if !answer
        .headers()
        .get("server")
        .is_some_and(|server| server.as_bytes().starts_with(b"SeaweedFS"))
    {
        return;
    }
    let command = ObjectStore::new(&identity_of("COMMAND_API"));
    command.put(&staging, "a", b"abc".to_vec()).await.unwrap();
    assert_eq!(command.list(&staging, None).await.unwrap().objects.len(), 1);
    let refused = |result: Result<(), StoreError>| {
        assert!(
            matches!(result, Err(StoreError::Refused { status: 403, .. })),
            "{result:?}"
        );
    };
    refused(command.open(&staging, "a", None).await.map(drop));
    refused(command.delete(&staging, "a").await);
    refused(command.put(&files, "a", b"abc".to_vec()).await);
    refused(command.begin_multipart(&files, "a", "text/plain").await.map(drop));
    let query = ObjectStore::new(&identity_of("QUERY_API"));
    refused(query.begin_multipart(&files, "a", "text/plain").await.map(drop));
    assert_eq!(admin.head(&staging, "a").await.unwrap().size_bytes, 3);
}
