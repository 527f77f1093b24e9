//! What a service depends on is away: Postgres, Redis, the object store, the issuer's keys, the session that makes room.

use std::time::Duration;

use axum::{Json, Router, routing::get};
use depot_end_to_end::{Backing, OwnRedis, Service};
use depot_test_stack::{Gate, ServiceRole, settings};
use serde_json::json;

use super::{
    scene::{Repeated, Scene, creating, repeat},
    table::Group,
};
use crate::long::is_left_out;

struct Gates {
    database: Gate,
    cache: Gate,
    store: Gate,
    issuer: Gate,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_that_is_away_is_dealt_with_as_the_page_says() {
    if is_left_out("the runbook for dependencies") {
        return;
    }
    let redis = OwnRedis::start().await.unwrap();
    let backing = Backing::create().await.unwrap();
    let url = url::Url::parse(&backing.database.url(ServiceRole::Query)).unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let gates = Gates {
        database: Gate::to(&server).await,
        cache: Gate::to(&redis.address).await,
        store: Gate::to(settings().get("MINIO_ENDPOINT")).await,
        issuer: Gate::to(&issuer().await).await,
    };
    let url = url.as_str().replace(&server, gates.database.address());
    let keys = format!("{}/keys", gates.issuer.endpoint);
    let given = [
        ("QUERY_API_DATABASE_URL", url.as_str()),
        ("REDIS_ADDR", gates.cache.address()),
        ("UPLOADER_MINIO_ENDPOINT", &gates.store.endpoint),
        // Tokens are of that issuer alone.
        ("DEV_TOKEN_ENABLED", "false"),
        ("JWT_JWKS_URL", &keys),
        ("JWT_JWKS_REFRESH_SECONDS", "10"),
        ("JWT_JWKS_MIN_REFRESH_SECONDS", "1"),
        ("RATE_LIMIT_PER_SECOND", "0"),
        ("LOCAL_CACHE_TTL_MS", "0"),
    ];
    let tools = [("REDIS_ADDR", gates.cache.address())];
    let mut scene = Scene::start(Group::Dependencies, backing, &given, &tools).await;
    database_away(&mut scene, &gates).await;
    cache_away(&mut scene, &gates).await;
    cache_full(&mut scene, &redis).await;
    store_away(&mut scene, &gates).await;
    keys_away(&mut scene, &gates).await;
    no_partitions(&mut scene).await;
    scene.end();
}

/// Where somebody publishes a key (that of RFC 8037).
async fn issuer() -> String {
    let key = json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "a",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let keys = json!({"keys": [key]});
    let routes = Router::new().route("/keys", get(move || async move { Json(keys) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

fn reading(scene: &Scene, path: &'static str) -> Repeated {
    let alice = scene.client("alice");
    repeat(Duration::from_millis(100), move || {
        let alice = alice.clone();
        async move { drop(alice.send(alice.query(path)).await) }
    })
}

async fn database_away(scene: &mut Scene, gates: &Gates) {
    let _reads = reading(scene, "/api/v1/items");
    let mut away = scene
        .begin(&[
            "DepotServiceNotReady",
            "DepotInstanceNotReady",
            "DepotBreakerOpen",
            "DepotErrorBudgetBurnsFast",
            "DepotErrorBudgetBurnsSlowly",
        ])
        .await;
    gates.database.shut();
    scene.fires(&mut away).await;
    gates.database.open();
    scene.depot.wait_ready(Service::QueryApi).await;
    scene.clears(away).await;
}

async fn cache_away(scene: &mut Scene, gates: &Gates) {
    let mut down = scene.begin(&["DepotCacheDown"]).await;
    gates.cache.shut();
    scene.fires(&mut down).await;
    gates.cache.open();
    scene.clears(down).await;
}

async fn cache_full(scene: &mut Scene, redis: &OwnRedis) {
    let _work = creating(&scene.client("alice"), Duration::from_millis(200));
    let mut full = scene.begin(&["DepotCachePending"]).await;
    redis.configure("maxmemory-policy", "noeviction").await.unwrap();
    redis.configure("maxmemory", "1").await.unwrap();
    scene.fires(&mut full).await;
    scene.mends(&mut full, "DepotCachePending").await;
    scene.clears(full).await;
}

async fn store_away(scene: &mut Scene, gates: &Gates) {
    let alice = scene.client("alice");
    let created = alice.create_item("of-a-file", &json!({"name": "a"})).await;
    let item = created.unwrap().text("id");
    let mut late = scene.begin(&["DepotUploadsNotProgressing"]).await;
    gates.store.shut();
    alice.upload(&item, "a.bin", vec![7; 1000]).await.unwrap();
    scene.fires(&mut late).await;
    gates.store.open();
    scene.clears(late).await;
}

async fn keys_away(scene: &mut Scene, gates: &Gates) {
    let mut stale = scene.begin(&["DepotTokenKeysStale"]).await;
    gates.issuer.shut();
    scene.fires(&mut stale).await;
    gates.issuer.open();
    scene.clears(stale).await;
}

/// None is made while somebody else holds the lock under which they are.
async fn no_partitions(scene: &mut Scene) {
    let mut missing = scene.begin(&["DepotHistoryPartitionsMissing"]).await;
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('depot read.item_history', 0))";
    let held = scene.hold(lock).await;
    let projector = scene.depot.process(Service::Projector);
    assert!(projector.terminate().await.unwrap());
    scene
        .execute(
            "DO $$ DECLARE part text; BEGIN
                 FOR part IN DELETE FROM read.item_history_partitions WHERE from_at > now() RETURNING name LOOP
                     EXECUTE format('DROP TABLE read.%I', part);
                 END LOOP;
             END $$",
        )
        .await;
    scene.depot.process(Service::Projector).restart().unwrap();
    scene.depot.wait_ready(Service::Projector).await;
    scene.fires(&mut missing).await;
    scene.mends(&mut missing, "DepotHistoryPartitionsMissing").await;
    scene.clears(missing).await;
    // Its session was ended.
    assert!(held.rollback().await.is_err());
}
