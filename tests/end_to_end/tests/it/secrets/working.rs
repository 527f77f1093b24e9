//! Services that do their work.

use std::fs;

use depot_end_to_end::{Client, Depot, Service, sha256_hex};
use depot_schemas::Entity;
use depot_service::auth::Role;
use depot_test_stack::{eventually, settings};
use serde_json::json;

use super::{JWT_SECRET, collector::collector, mint, search::Search};

#[tokio::test(flavor = "multi_thread")]
async fn work_that_succeeds_tells_no_secret_no_token_and_no_signature() {
    let (collector, traces) = collector().await;
    let mut depot = Depot::start_with(&[
        ("LOG_LEVEL", "debug"),
        ("JWT_SECRET", JWT_SECRET),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector),
    ])
    .await
    .unwrap();
    let mut search = Search::default();
    search.also_for(settings().get("STACK_MINIO_SECRET_KEY"));
    for service in Service::ALL {
        let url = settings().get(&format!("{}_DATABASE_URL", service.prefix()));
        search.also_for(url::Url::parse(url).unwrap().password().unwrap());
    }
    let token = mint("alice", Role::Writer);
    search.also_for(token.rsplit('.').next().unwrap());
    let alice = Client::new(depot.command_url(), depot.query_url(), &token);
    let item = alice
        .create_item("a", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    let announced = alice
        .request_upload(&item, "a.bin", 3, &sha256_hex(b"abc"))
        .await
        .unwrap();
    let signature = signature(&announced.text("url"));
    search.also_for(&signature);
    alice
        .put_presigned(&announced.json(), b"abc".to_vec())
        .await
        .unwrap();
    let id = announced.text("id");
    alice.complete_upload(&id).await.unwrap();
    let path = format!("/api/v1/uploads/{id}/content?redirect=false");
    let fetched = eventually("the file can be fetched", || async {
        let answer = alice.send(alice.query(&path)).await.unwrap();
        (answer.status == 200).then_some(answer)
    })
    .await;
    search.also_for(&self::signature(&fetched.text("url")));
    for service in Service::ALL {
        let metrics = reqwest::get(depot.admin_url(service, "/metrics")).await.unwrap();
        search.through("metrics", &metrics.text().await.unwrap());
    }
    search.through_processes();
    // At its end a service sends the last of its traces.
    for service in Service::ALL {
        assert!(depot.process(service).terminate().await.unwrap(), "{service:?}");
    }
    let handled = |topic: &str| format!("process {topic}");
    let topics = depot.topics();
    let spans = [
        format!("send {}", topics.events(Entity::Uploads)),
        "TRANSACTION uploader".to_owned(),
        "S3.GetObject".to_owned(),
        "POST /api/v1/uploads".to_owned(),
        "POST /api/v1/uploads/{id}/complete".to_owned(),
        "GET /api/v1/uploads/{id}/content".to_owned(),
        handled(&topics.events(Entity::Uploads)),
        handled(&topics.events(Entity::Files)),
    ];
    search.through_traces(&traces.lock().unwrap(), &spans.each_ref().map(String::as_str));
    for log in depot.logs() {
        search.through_log(&log.display().to_string(), &fs::read_to_string(&log).unwrap());
    }
    search.found_nothing(50_000);
}

fn signature(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(name, _)| name == "X-Amz-Signature");
    found.unwrap().1.into_owned()
}
