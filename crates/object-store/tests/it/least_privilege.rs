//! What the holder of a presigned URL can do with it: the one thing that it was signed for.
//!
//! The URLs are signed by the identities that sign them in service, in buckets named as theirs are.

use reqwest::{Client, Method, Response};

use super::*;

/// A store as the owner sees it, and the two identities that sign.
struct Scene {
    admin: ObjectStore,
    command: ObjectStore,
    query: ObjectStore,
    staging: Bucket,
    files: Bucket,
}

const CONTENT: &[u8] = b"abc";

impl Scene {
    async fn set() -> Self {
        let (admin, staging) = named_bucket("staging").await;
        let (_, files) = named_bucket("files").await;
        admin
            .put(&files, "secret", b"another's file".to_vec())
            .await
            .unwrap();
        admin.put(&files, "mine", CONTENT.to_vec()).await.unwrap();
        admin
            .put(&staging, "other", b"another's upload".to_vec())
            .await
            .unwrap();
        Self {
            admin,
            command: ObjectStore::new(&identity_of("COMMAND_API")),
            query: ObjectStore::new(&identity_of("QUERY_API")),
            staging,
            files,
        }
    }

    async fn put_of(&self, key: &str) -> Presigned {
        self.command
            .presign_put(&self.staging, key, &terms(CONTENT), MINUTE)
            .await
            .unwrap()
    }

    async fn get_of(&self, key: &str) -> Presigned {
        let download = Download {
            file_name: "a.txt".into(),
            content_type: "text/plain".into(),
            disposition: Disposition::Attachment,
        };
        self.query
            .presign_get(&self.files, key, &download, MINUTE)
            .await
            .unwrap()
    }

    /// What was there is there, and nothing else.
    async fn is_as_it_was(&self) {
        for (bucket, keys) in [
            (&self.staging, vec!["other"]),
            (&self.files, vec!["mine", "secret"]),
        ] {
            let listed = self.admin.list(bucket, None).await.unwrap().objects;
            let listed: Vec<_> = listed.iter().map(|object| object.key.as_str()).collect();
            assert_eq!(listed, keys);
        }
        let secret = self
            .admin
            .open(&self.files, "secret", None)
            .await
            .unwrap()
            .digest()
            .await;
        assert_eq!(secret.unwrap().sha256, sha256(b"another's file"));
        let other = self
            .admin
            .open(&self.staging, "other", None)
            .await
            .unwrap()
            .digest()
            .await;
        assert_eq!(other.unwrap().sha256, sha256(b"another's upload"));
    }
}

async fn request(
    method: Method,
    url: &str,
    headers: &[(String, String)],
    more: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let request = Client::new().request(method, url).body(body.to_vec());
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(name, value));
    let request = more
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap()
}

fn changed(url: &str, from: &str, to: &str) -> String {
    assert!(url.contains(from), "{from} is not in {url}");
    url.replacen(from, to, 1)
}

#[tokio::test]
async fn a_signed_put_does_nothing_but_that_put() {
    let scene = Scene::set().await;
    let put = scene.put_of("new").await;
    let headers = &put.headers;
    let mut tried = Vec::new();
    let mut attempt =
        async |what: String, method: Method, url: &str, headers: &[(String, String)], body: &[u8]| {
            let answer = request(method, url, headers, &[], body).await;
            tried.push((what, answer.status()));
        };
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::POST] {
        attempt(format!("{method}"), method, &put.url, headers, b"").await;
    }
    let bucket = format!("/{}/new", &*scene.staging);
    for path in ["other", "new2", "..%2Fother", "new%2F..%2Fother", ""] {
        let url = changed(&put.url, &bucket, &format!("/{}/{path}", &*scene.staging));
        attempt(format!("key `{path}`"), Method::PUT, &url, headers, CONTENT).await;
    }
    let url = changed(&put.url, &bucket, &format!("/{}/new", &*scene.files));
    attempt("another bucket".into(), Method::PUT, &url, headers, CONTENT).await;
    for query in [
        "acl",
        "tagging",
        "uploads",
        "partNumber=1&uploadId=x",
        "retention",
        "x-id=CopyObject2",
    ] {
        let url = format!("{}&{query}", put.url);
        attempt(format!("?{query}"), Method::PUT, &url, headers, CONTENT).await;
    }
    let url = changed(&put.url, "X-Amz-Expires=60", "X-Amz-Expires=6000");
    attempt("a longer time".into(), Method::PUT, &url, headers, CONTENT).await;
    for (index, (name, _)) in headers.iter().enumerate() {
        let mut without = headers.clone();
        without.remove(index);
        attempt(
            format!("without {name}"),
            Method::PUT,
            &put.url,
            &without,
            CONTENT,
        )
        .await;
        let mut other = headers.clone();
        other[index].1 = "text/html".into();
        attempt(format!("another {name}"), Method::PUT, &put.url, &other, CONTENT).await;
    }
    for body in [b"abcd".as_slice(), b"ab", b"", b"abd"] {
        attempt(format!("body {body:?}"), Method::PUT, &put.url, headers, body).await;
    }
    let allowed: Vec<_> = tried
        .iter()
        .filter(|(_, status)| !status.is_client_error())
        .collect();
    assert!(allowed.is_empty(), "{allowed:?}");
    assert!(
        headers.len() >= 3 && tried.len() >= 25,
        "{headers:?}, {} tries",
        tried.len()
    );
    scene.is_as_it_was().await;
    // And yet it does what it is for.
    assert_eq!(send(&put, CONTENT).await, StatusCode::OK);
}

/// Headers that were not signed may be ignored or refused, but change nothing of what the URL does.
#[tokio::test]
async fn headers_that_were_not_signed_give_a_put_no_other_meaning() {
    let scene = Scene::set().await;
    let source = format!("/{}/secret", &*scene.files);
    for (name, value) in [
        ("x-amz-copy-source", source.as_str()),
        ("x-amz-copy-source", &format!("/{}/other", &*scene.staging)),
        ("x-amz-acl", "public-read-write"),
        (
            "x-amz-grant-full-control",
            "uri=http://acs.amazonaws.com/groups/global/AllUsers",
        ),
        ("x-amz-website-redirect-location", "https://evil.example/"),
        ("x-amz-tagging", "a=b"),
        ("content-encoding", "gzip"),
        ("authorization", "Bearer x"),
    ] {
        let key = format!("new-{}", unique_name());
        let put = scene.put_of(&key).await;
        let answer = request(Method::PUT, &put.url, &put.headers, &[(name, value)], CONTENT).await;
        let status = answer.status();
        let there = scene.admin.open(&scene.staging, &key, None).await;
        match there {
            Ok(reading) => {
                assert!(status.is_success(), "{name}: {status}, and yet it is there");
                assert_eq!(reading.digest().await.unwrap().sha256, sha256(CONTENT), "{name}");
                // Nobody reads it without a signature.
                let bare = format!("{}/{}/{key}", identity().endpoint, &*scene.staging);
                let open = Client::new().get(bare).send().await.unwrap();
                assert_eq!(open.status(), StatusCode::FORBIDDEN, "{name}");
                scene.admin.delete(&scene.staging, &key).await.unwrap();
            }
            Err(StoreError::NotFound(_)) => assert!(status.is_client_error(), "{name}: {status}"),
            Err(error) => panic!("{name}: {error:?}"),
        }
    }
    scene.is_as_it_was().await;
}

#[tokio::test]
async fn a_signed_get_does_nothing_but_that_get() {
    let scene = Scene::set().await;
    let get = scene.get_of("mine").await;
    assert!(get.headers.is_empty());
    let mut tried = Vec::new();
    let mut attempt = async |what: String, method: Method, url: &str| {
        let answer = request(method, url, &[], &[], b"").await;
        tried.push((what, answer.status()));
    };
    for method in [Method::PUT, Method::DELETE, Method::POST] {
        attempt(format!("{method}"), method, &get.url).await;
    }
    let object = format!("/{}/mine", &*scene.files);
    for path in ["secret", "", "mine%2F..%2Fsecret", "mine/../secret"] {
        let url = changed(&get.url, &object, &format!("/{}/{path}", &*scene.files));
        attempt(format!("key `{path}`"), Method::GET, &url).await;
    }
    let url = changed(&get.url, &object, &format!("/{}/other", &*scene.staging));
    attempt("another bucket".into(), Method::GET, &url).await;
    for query in [
        "acl",
        "uploads",
        "list-type=2",
        "tagging",
        "versions",
        "response-content-language=x",
    ] {
        attempt(format!("?{query}"), Method::GET, &format!("{}&{query}", get.url)).await;
    }
    // What a browser could run is not shown because the holder says so.
    for (from, to) in [
        (
            "response-content-type=text%2Fplain",
            "response-content-type=text%2Fhtml",
        ),
        (
            "response-content-disposition=attachment",
            "response-content-disposition=inline",
        ),
        ("X-Amz-Expires=60", "X-Amz-Expires=6000"),
    ] {
        attempt(to.into(), Method::GET, &changed(&get.url, from, to)).await;
    }
    let allowed: Vec<_> = tried
        .iter()
        .filter(|(_, status)| !status.is_client_error())
        .collect();
    assert!(allowed.is_empty(), "{allowed:?}");
    scene.is_as_it_was().await;
    let answer = request(Method::GET, &get.url, &[], &[], b"").await;
    assert_eq!(answer.bytes().await.unwrap(), CONTENT);
}

#[tokio::test]
async fn a_signed_part_is_that_part_of_that_upload() {
    let scene = Scene::set().await;
    let (mine, others) = (
        scene
            .command
            .begin_multipart(&scene.staging, "parts", "text/plain")
            .await
            .unwrap(),
        scene
            .command
            .begin_multipart(&scene.staging, "others", "text/plain")
            .await
            .unwrap(),
    );
    let part = scene
        .command
        .presign_part(&scene.staging, "parts", &mine, 1, CONTENT.len() as i64, MINUTE)
        .await
        .unwrap();
    let mut tried = Vec::new();
    let mut attempt = async |what: &str, method: Method, url: &str, body: &[u8]| {
        let answer = request(method, url, &part.headers, &[], body).await;
        tried.push((what.to_owned(), answer.status()));
    };
    attempt(
        "another number",
        Method::PUT,
        &changed(&part.url, "partNumber=1", "partNumber=2"),
        CONTENT,
    )
    .await;
    attempt(
        "another upload",
        Method::PUT,
        &changed(&part.url, &mine, &others),
        CONTENT,
    )
    .await;
    let key = format!("/{}/parts", &*scene.staging);
    attempt(
        "another key",
        Method::PUT,
        &changed(&part.url, &key, &format!("/{}/others", &*scene.staging)),
        CONTENT,
    )
    .await;
    attempt("to complete", Method::POST, &part.url, b"").await;
    attempt("to abort", Method::DELETE, &part.url, b"").await;
    attempt("to list", Method::GET, &part.url, b"").await;
    attempt("a larger one", Method::PUT, &part.url, b"abcd").await;
    attempt("a smaller one", Method::PUT, &part.url, b"ab").await;
    let allowed: Vec<_> = tried
        .iter()
        .filter(|(_, status)| !status.is_client_error())
        .collect();
    assert!(allowed.is_empty(), "{allowed:?}");
    for (key, id) in [("parts", &mine), ("others", &others)] {
        assert!(
            scene
                .admin
                .parts(&scene.staging, key, id)
                .await
                .unwrap()
                .is_empty(),
            "{key}"
        );
    }
    assert_eq!(send(&part, CONTENT).await, StatusCode::OK);
    for (key, id) in [("parts", &mine), ("others", &others)] {
        scene
            .admin
            .abort_multipart(&scene.staging, key, id)
            .await
            .unwrap();
    }
    scene.is_as_it_was().await;
}

#[tokio::test]
async fn a_url_ends_with_its_time() {
    let scene = Scene::set().await;
    let put = scene
        .command
        .presign_put(&scene.staging, "late", &terms(CONTENT), Duration::from_secs(1))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(send(&put, CONTENT).await, StatusCode::FORBIDDEN);
    scene.is_as_it_was().await;
}
