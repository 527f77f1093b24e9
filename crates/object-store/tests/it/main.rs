#![cfg(test)]
//! The crate against a real S3 server, in buckets of its own.

mod least_privilege;
mod multipart;
mod put_stream;

use std::time::Duration;

use aws_lc_rs::digest;
use depot_object_store::{
    CopyConditions, CopyOutcome, Digest, Disposition, Download, Identity, ObjectStore, Presigned, StoreError,
    UploadTerms,
};
use depot_test_stack::{settings, unique_name};
use reqwest::{Client, StatusCode};
use secrecy::SecretString;

const MINUTE: Duration = Duration::from_secs(60);

fn identity() -> Identity {
    identity_of("STACK")
}

/// The identity of a service, or of nobody (`STACK`), who may do everything.
fn identity_of(prefix: &str) -> Identity {
    let endpoint = settings().get("MINIO_ENDPOINT").to_owned();
    Identity {
        public_endpoint: endpoint.clone(),
        endpoint,
        region: "us-east-1".into(),
        access_key: settings().get(&format!("{prefix}_MINIO_ACCESS_KEY")).into(),
        secret_key: SecretString::from(settings().get(&format!("{prefix}_MINIO_SECRET_KEY"))),
    }
}

/// The name of a bucket that goes with the test.
struct Bucket(String);

impl std::ops::Deref for Bucket {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let bucket = self.0.clone();
        // A drop cannot await; the thread has a small runtime of its own.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let removed = runtime.block_on(ObjectStore::new(&identity()).remove_bucket(&bucket));
            if let Err(error) = removed {
                eprintln!("bucket {bucket} is left behind: {error}");
            }
        });
        let _ = removal.join();
    }
}

async fn bucket() -> (ObjectStore, Bucket) {
    new_bucket(unique_name()).await
}

/// A bucket whose name begins as that of a service's bucket does, and so is that service's to use.
async fn named_bucket(prefix: &str) -> (ObjectStore, Bucket) {
    new_bucket(format!("{prefix}-{}", unique_name())).await
}

async fn new_bucket(name: String) -> (ObjectStore, Bucket) {
    let (store, bucket) = (ObjectStore::new(&identity()), Bucket(name));
    assert!(store.ensure_bucket(&bucket).await.unwrap());
    assert!(!store.ensure_bucket(&bucket).await.unwrap(), "it is there now");
    (store, bucket)
}

fn sha256(content: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, content)
        .as_ref()
        .try_into()
        .unwrap()
}

fn terms(content: &[u8]) -> UploadTerms {
    UploadTerms {
        size_bytes: content.len() as i64,
        content_type: "text/plain".into(),
        sha256: sha256(content),
    }
}

async fn send(presigned: &Presigned, content: &[u8]) -> StatusCode {
    let request = Client::new().put(&presigned.url).body(content.to_vec());
    let headers = presigned.headers.iter();
    let request = headers.fold(request, |request, (name, value)| request.header(name, value));
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_presigned_put_takes_the_announced_content_once() {
    let (store, bucket) = bucket().await;
    let presigned = store
        .presign_put(&bucket, "a", &terms(b"abc"), MINUTE)
        .await
        .unwrap();
    assert_eq!(send(&presigned, b"abc").await, StatusCode::OK);
    let head = store.head(&bucket, "a").await.unwrap();
    assert_eq!(head.size_bytes, 3);
    // `If-None-Match: *` is signed: what lies there is not overwritten.
    assert_eq!(send(&presigned, b"abc").await, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn a_presigned_put_refuses_other_size_type_and_content() {
    let (store, bucket) = bucket().await;
    let presigned = store
        .presign_put(&bucket, "a", &terms(b"abc"), MINUTE)
        .await
        .unwrap();
    assert!(send(&presigned, b"abcd").await.is_client_error(), "another size");
    assert!(
        send(&presigned, b"abd").await.is_client_error(),
        "another content"
    );
    let mut other_type = presigned.clone();
    for (name, value) in &mut other_type.headers {
        if name.eq_ignore_ascii_case("content-type") {
            *value = "text/html".into();
        }
    }
    assert!(send(&other_type, b"abc").await.is_client_error(), "another type");
    assert!(
        matches!(store.head(&bucket, "a").await, Err(StoreError::NotFound(_))),
        "nothing was written"
    );
}

#[tokio::test]
async fn a_presigned_get_is_saved_under_its_name() {
    let (store, bucket) = bucket().await;
    store.put(&bucket, "a", b"abc".to_vec()).await.unwrap();
    let download = Download {
        file_name: "ü.txt".into(),
        content_type: "text/plain".into(),
        disposition: Disposition::Attachment,
    };
    let presigned = store.presign_get(&bucket, "a", &download, MINUTE).await.unwrap();
    let answer = Client::new().get(&presigned.url).send().await.unwrap();
    let disposition = answer.headers()["content-disposition"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        disposition.starts_with("attachment") && disposition.contains("%C3%BC.txt"),
        "{disposition}"
    );
    assert_eq!(answer.bytes().await.unwrap(), "abc");
}

#[tokio::test]
async fn urls_name_the_public_endpoint_while_calls_go_to_the_other() {
    let mut identity = identity();
    // Another name of the same server: a signature holds for the name it was made for, and for no other.
    identity.public_endpoint = identity.endpoint.replace("127.0.0.1", "localhost");
    let (store, bucket) = (ObjectStore::new(&identity), Bucket(unique_name()));
    store.ensure_bucket(&bucket).await.unwrap();
    let presigned = store
        .presign_put(&bucket, "a", &terms(b"abc"), MINUTE)
        .await
        .unwrap();
    assert!(
        presigned.url.starts_with(&identity.public_endpoint),
        "{}",
        presigned.url
    );
    assert_eq!(send(&presigned, b"abc").await, StatusCode::OK);
    let renamed = Presigned {
        url: presigned.url.replace("localhost", "127.0.0.1"),
        ..presigned
    };
    assert_eq!(send(&renamed, b"abc").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn reading_hashes_what_lies_there_and_is_bound_to_its_etag() {
    let (store, bucket) = bucket().await;
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| i as u8).collect();
    store.put(&bucket, "a", content.clone()).await.unwrap();
    let etag = store.head(&bucket, "a").await.unwrap().etag;
    let digest = store
        .open(&bucket, "a", Some(&etag))
        .await
        .unwrap()
        .digest()
        .await
        .unwrap();
    assert_eq!(
        digest,
        Digest {
            size_bytes: 3_000_000,
            sha256: sha256(&content)
        }
    );
    store.put(&bucket, "a", b"other".to_vec()).await.unwrap();
    let replaced = store.open(&bucket, "a", Some(&etag)).await;
    assert!(
        matches!(replaced, Err(StoreError::PreconditionFailed(_))),
        "{replaced:?}"
    );
}

#[tokio::test]
async fn a_copy_is_bound_to_what_was_verified() {
    let (store, bucket) = bucket().await;
    assert_eq!(
        store.probe_copy_conditions(&bucket, &bucket, "t").await.unwrap(),
        CopyConditions::Honoured
    );
    store.put(&bucket, "a", b"abc".to_vec()).await.unwrap();
    let etag = store.head(&bucket, "a").await.unwrap().etag;
    let copy = |to: &'static str| {
        let (store, bucket, etag) = (store.clone(), bucket.to_owned(), etag.clone());
        async move {
            store
                .copy_verified((&bucket, "a"), &etag, (&bucket, to), "text/plain", 3)
                .await
                .unwrap()
        }
    };
    assert_eq!(copy("b").await, CopyOutcome::Copied);
    store.put(&bucket, "a", b"other".to_vec()).await.unwrap();
    assert_eq!(copy("c").await, CopyOutcome::SourceChanged);
    assert!(matches!(
        store.head(&bucket, "c").await,
        Err(StoreError::NotFound(_))
    ));
    store.delete(&bucket, "a").await.unwrap();
    assert_eq!(copy("c").await, CopyOutcome::SourceChanged);
}

#[tokio::test]
async fn a_copy_through_this_process_keeps_only_what_was_expected() {
    let (store, bucket) = bucket().await;
    let content: Vec<u8> = (0..20_000_000_u32).map(|i| (i % 253) as u8).collect();
    store.put(&bucket, "a", content.clone()).await.unwrap();
    let expected = Digest {
        size_bytes: content.len() as i64,
        sha256: sha256(&content),
    };
    let (from, to) = ((&*bucket, "a"), (&*bucket, "b"));
    assert_eq!(
        store
            .copy_through(from, to, "text/plain", expected)
            .await
            .unwrap(),
        CopyOutcome::Copied
    );
    let copied = store
        .open(&bucket, "b", None)
        .await
        .unwrap()
        .digest()
        .await
        .unwrap();
    assert_eq!(copied, expected);
    let other = Digest {
        size_bytes: 1,
        ..expected
    };
    let refused = store
        .copy_through(from, (&bucket, "c"), "text/plain", other)
        .await
        .unwrap();
    assert_eq!(refused, CopyOutcome::SourceChanged);
    assert!(matches!(
        store.head(&bucket, "c").await,
        Err(StoreError::NotFound(_))
    ));
}

#[tokio::test]
async fn a_store_that_is_away_is_transient_and_wrong_keys_are_refused() {
    let away = ObjectStore::new(&Identity {
        endpoint: "http://127.0.0.1:9".into(),
        ..identity()
    });
    assert!(away.head("bucket", "key").await.unwrap_err().is_transient());
    let wrong = ObjectStore::new(&Identity {
        secret_key: SecretString::from("wrong-secret-key"),
        ..identity()
    });
    let refused = wrong.put("bucket", "key", b"x".to_vec()).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_listing_shows_every_object_page_by_page() {
    let (store, bucket) = bucket().await;
    // A page holds a thousand.
    let mut puts = tokio::task::JoinSet::new();
    for worker in 0..16 {
        let (store, bucket) = (store.clone(), bucket.to_owned());
        puts.spawn(async move {
            for i in (worker..1_003).step_by(16) {
                let key = format!("{i:04}");
                store.put(&bucket, &key, b"x".to_vec()).await.unwrap();
            }
        });
    }
    puts.join_all().await;
    let (mut keys, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.list(&bucket, after).await.unwrap();
        keys.extend(page.objects.into_iter().map(|object| object.key));
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, 2);
    assert!(
        keys.iter()
            .eq((0..1_003).map(|i| format!("{i:04}")).collect::<Vec<_>>().iter())
    );
}

#[tokio::test]
async fn pages_of_allowed_origins_may_send_files_and_others_may_not() {
    let (store, bucket) = bucket().await;
    store
        .set_cors(&bucket, &["https://app.example".to_owned()])
        .await
        .unwrap();
    let url = format!("{}/{}/a", identity().endpoint, bucket.0);
    let preflight = async |origin: &str| {
        let request = Client::new()
            .request(reqwest::Method::OPTIONS, &url)
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "x-amz-checksum-sha256");
        let answer = request.send().await.unwrap();
        let allowed = answer.headers().get("access-control-allow-origin");
        allowed.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        preflight("https://app.example").await.as_deref(),
        Some("https://app.example")
    );
    assert_ne!(
        preflight("https://elsewhere.example").await.as_deref(),
        Some("https://elsewhere.example")
    );
}

#[tokio::test]
async fn a_bucket_takes_the_rule_that_drops_unfinished_multiparts() {
    let (store, bucket) = bucket().await;
    // What is known of the store under test is said by whoever starts it; the first one has such rules.
    let has_none = std::env::var("TEST_STORE_LACKS").is_ok_and(|lacks| lacks == "lifecycle rules");
    let taken = store.abort_unfinished_multiparts(&bucket, 2).await.unwrap();
    assert_eq!(taken, !has_none);
}

#[tokio::test]
async fn keys_with_odd_characters_are_copied() {
    let (store, bucket) = bucket().await;
    let key = "a b/ü+%.txt";
    store.put(&bucket, key, b"abc".to_vec()).await.unwrap();
    let etag = store.head(&bucket, key).await.unwrap().etag;
    let copied = store
        .copy_verified((&bucket, key), &etag, (&bucket, "to"), "text/plain", 3)
        .await;
    assert_eq!(copied.unwrap(), CopyOutcome::Copied);
}
