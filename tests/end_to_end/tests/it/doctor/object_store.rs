use depot_end_to_end::OwnStore;
use depot_object_store::{Identity, ObjectStore};
use depot_test_stack::{settings, unique_name};

use super::{Pairs, look, of_machine, run, with};

const STORE: [&str; 2] = ["--part", "object-store"];
const ORIGINS: &str = "https://a.example,https://b.example";

/// Buckets of one name each, which nobody has made yet.
fn of_store(endpoint: &str) -> (Pairs, [String; 2]) {
    let buckets = ["files", "staging"].map(|kind| format!("{kind}-{}", unique_name()));
    let environment = with(
        &of_machine(),
        &[
            ("MINIO_ENDPOINT", endpoint),
            ("MINIO_PUBLIC_ENDPOINT", endpoint),
            ("S3_BUCKET", &buckets[0]),
            ("S3_STAGING_BUCKET", &buckets[1]),
            ("CORS_ORIGINS", ORIGINS),
        ],
    );
    (environment, buckets)
}

async fn make_buckets(environment: &Pairs) {
    let (code, said) = run(environment, &["buckets"]).await;
    assert_eq!(code, 0, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_that_are_absent_or_without_their_rules_are_told_and_made_by_the_step_that_is_named() {
    let store = OwnStore::start().await.unwrap();
    let (environment, buckets) = of_store(&store.endpoint);
    let found = look(&environment, &STORE).await;
    for bucket in &buckets {
        found.assert_only("bucket_missing", &[bucket, "`depot buckets`"]);
    }
    assert_eq!(found.code, 1, "{found:?}");
    make_buckets(&environment).await;
    look(&environment, &STORE).await.assert_clean();

    // By hand, without rules.
    let (environment, buckets) = of_store(&store.endpoint);
    let identity = Identity {
        endpoint: store.endpoint.clone(),
        public_endpoint: store.endpoint.clone(),
        region: "us-east-1".to_owned(),
        access_key: settings().get("STACK_MINIO_ACCESS_KEY").to_owned(),
        secret_key: settings().get("STACK_MINIO_SECRET_KEY").into(),
    };
    for bucket in &buckets {
        ObjectStore::new(&identity).ensure_bucket(bucket).await.unwrap();
    }
    let found = look(&environment, &STORE).await;
    for bucket in &buckets {
        found.assert_has(
            "cors_differs",
            &[bucket, "pages of no origin", "https://b.example"],
        );
        found.assert_has("multiparts_kept", &[bucket, "`depot buckets`"]);
    }
    assert_eq!(found.code, 4, "{found:?}");
    make_buckets(&environment).await;
    look(&environment, &STORE).await.assert_clean();

    let anybody = with(&environment, &[("CORS_ORIGINS", "https://a.example")]);
    let found = look(&anybody, &STORE).await;
    found.assert_only(
        "cors_differs",
        &["https://b.example", "CORS_ORIGINS names https://a.example"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_or_refuses_the_tool_is_told_once() {
    let store = OwnStore::start().await.unwrap();
    let (environment, _) = of_store(&store.endpoint);
    make_buckets(&environment).await;
    look(&environment, &STORE).await.assert_clean();

    let stranger = with(
        &environment,
        &[("DEPOT_MINIO_SECRET_KEY", "another-secret-than-that")],
    );
    let found = look(&stranger, &STORE).await;
    found.assert_only(
        "store_refuses",
        &["does not let this tool look", "DEPOT_MINIO_SECRET_KEY"],
    );
    assert_eq!((found.findings().count(), found.code), (1, 3), "{found:?}");

    store.stop().await.unwrap();
    let found = look(&environment, &STORE).await;
    found.assert_only("store_away", &[&store.endpoint, "MINIO_ENDPOINT"]);
    assert_eq!((found.findings().count(), found.code), (1, 3), "{found:?}");
    store.start_again().await.unwrap();
    look(&environment, &STORE).await.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_with_little_room_is_told_and_so_is_a_store_that_does_not_say() {
    let store = OwnStore::start().await.unwrap();
    let (environment, _) = of_store(&store.endpoint);
    make_buckets(&environment).await;
    let found = look(&environment, &STORE).await;
    assert!(found.is_clean(), "it does not have to be known: {found:?}");
    assert!(
        found
            .report
            .to_string()
            .contains("OBJECT_STORE_STATUS_URLS is not set"),
        "{found:?}"
    );

    // Its volume server listens beside it, as deploy/native/object-store.sh says.
    let (host, port) = store.endpoint.rsplit_once(':').unwrap();
    let volume = format!("{host}:{}", port.parse::<u16>().unwrap() + 3);
    let status = format!("{volume}/status");
    let asked = with(&environment, &[("OBJECT_STORE_STATUS_URLS", &status)]);
    // No disk is wholly empty.
    let found = look(&asked, &[&STORE[..], &["--least-free-percent", "100"]].concat()).await;
    found.assert_only("disk_low", &["% are free, less than 100 %", "volume servers"]);
    let found = look(&asked, &[&STORE[..], &["--least-free-percent", "0"]].concat()).await;
    found.assert_clean();
    assert!(found.report.to_string().contains(" % free of /"), "{found:?}");

    for (url, why) in [
        ("http://127.0.0.1:1/status".to_owned(), "does not answer"),
        (format!("{volume}/healthz"), "nothing about disks"),
    ] {
        let other = with(&environment, &[("OBJECT_STORE_STATUS_URLS", &url)]);
        let found = look(&other, &STORE).await;
        found.assert_only("disk_unknown", &[&url, why, "/status of SeaweedFS"]);
        assert_eq!(found.code, 4, "{found:?}");
    }
}
