//! A real Prometheus scrapes the four services while they are used, and is asked what dashboards and rules ask it.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use depot_end_to_end::{Depot, OwnPrometheus, produce_raw};
use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_schemas::Entity;
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tonic::Request;

/// What finds nothing in this run, and why.
const EXPLAINED: &str = include_str!("prometheus/empty.txt");
/// Metrics begin like this, those that are recorded included.
const METRICS: [&str; 4] = ["depot_", "depot:", "process_", "up"];

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_a_dashboard_or_rule_is_answered_and_those_without_a_result_are_explained() {
    let depot = Depot::start_with(&[
        ("SAGA_SWEEP_INTERVAL_SECONDS", "1"),
        ("SWEEP_INTERVAL_SECONDS", "1"),
    ])
    .await
    .unwrap();
    let prometheus = OwnPrometheus::start(&depot).await.unwrap();
    wait_until("it scrapes all four", || async {
        number(&prometheus, "sum(up{job=\"depot\"})").await == 4.0
    })
    .await;
    use_everything(&depot).await;
    wait_until_it_is_scraped(&prometheus).await;
    expect_what_happened(&prometheus).await;

    let mut empty = BTreeMap::new();
    for (place, query) in panels() {
        let found = prometheus.query(&query).await.unwrap();
        if found.is_empty() {
            empty.insert(place, query);
        }
    }
    let names = prometheus.names().await.unwrap();
    for rule in prometheus.rules().await.unwrap() {
        let (place, query) = (text(&rule, "name"), text(&rule, "query"));
        assert_eq!(rule["health"], "ok", "{place}: {rule}");
        let is_empty = match rule["type"].as_str() {
            // It is silent while all is well: what it looks at has to be there.
            Some("alerting") => metrics_in(&query).any(|metric| !names.iter().any(|name| name == metric)),
            _ => prometheus.query(&query).await.unwrap().is_empty(),
        };
        if is_empty {
            empty.insert(place, query);
        }
    }
    expect_explained(&empty);
    let firing = prometheus.query("ALERTS{alertstate=\"firing\"}").await.unwrap();
    assert!(firing.is_empty(), "nothing has gone wrong for long: {firing:#?}");
    draw(&prometheus).await;
}

/// A query that is answered may still be about something else.
async fn expect_what_happened(prometheus: &OwnPrometheus) {
    for (query, least) in [
        ("count(depot_ready == 1)", 4.0),
        ("count(process_cpu_seconds_total > 0)", 4.0),
        ("count(process_resident_memory_bytes > 1000000)", 4.0),
        ("count(process_open_fds > 3)", 4.0),
        ("count(depot_runtime_busy_seconds_total > 0)", 4.0),
        ("count(depot_db_acquire_seconds_count > 0)", 4.0),
        ("count(depot_db_conn_limit > 0)", 4.0),
        ("sum(depot_saga_moves_total{saga=\"upload\"})", 3.0),
        ("sum(depot_query_reads_total{layer=\"process\"})", 20.0),
        (
            "sum(depot_requests_total{method=\"gRPC\",route=\"/depot.v1.QueryService/GetItem\",status=\"OK\"})",
            1.0,
        ),
        // By each of the two groups that read the topic.
        ("sum(depot_dead_letters_open)", 2.0),
    ] {
        let found = number(prometheus, query).await;
        assert!(found >= least, "{query} finds {found}");
    }
}

/// Those of the list and no others, but for what depends on the machine.
fn expect_explained(empty: &BTreeMap<String, String>) {
    let lines = EXPLAINED.lines().filter(|line| !line.starts_with('#'));
    let listed: BTreeMap<&str, &str> = lines
        .map(|line| {
            let parts: Vec<_> = line.split(" | ").collect();
            let [when, place, reason] = parts[..] else {
                panic!("{line}: three parts")
            };
            assert!(
                ["always", "perhaps"].contains(&when) && !reason.is_empty(),
                "{line}"
            );
            (place, when)
        })
        .collect();
    let unexplained: Vec<_> = empty
        .iter()
        .filter(|(place, _)| !listed.contains_key(place.as_str()))
        .collect();
    assert!(unexplained.is_empty(), "these find nothing: {unexplained:#?}");
    let found: Vec<_> = listed
        .iter()
        .filter(|(place, when)| **when == "always" && !empty.contains_key(**place))
        .collect();
    assert!(
        found.is_empty(),
        "these find something, or are not asked: {found:?}"
    );
}

/// Each query of each panel with its place, as Grafana would send it.
fn panels() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/grafana/dashboards");
    let mut panels = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let name = path.file_stem().unwrap().to_string_lossy();
                let place = format!("{name} / {} / {}", text(panel, "title"), text(target, "refId"));
                // Four scrapes, as Grafana takes it.
                let query = text(target, "expr").replace("$__rate_interval", "20s");
                panels.push((place, query));
            }
        }
    }
    assert!(panels.len() > 80, "only {} queries were found", panels.len());
    panels
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}

fn metrics_in(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| {
        METRICS
            .iter()
            .any(|begin| *word == *begin || begin.len() > 2 && word.starts_with(begin))
    })
}

async fn number(prometheus: &OwnPrometheus, query: &str) -> f64 {
    prometheus
        .number(query)
        .await
        .unwrap()
        .unwrap_or(f64::NEG_INFINITY)
}

/// What has happened has been scraped several times, so that it has a rate, and the rules have looked at it since.
async fn wait_until_it_is_scraped(prometheus: &OwnPrometheus) {
    for (what, query) in [
        ("the dead letters are told", "sum(depot_dead_letters_open) >= 2"),
        ("the sagas are counted", "sum(depot_sagas_open)"),
        (
            "both services have swept",
            "sum(depot_sweep_left) + sum(depot_uploader_sweep_left)",
        ),
        (
            "the history is looked after",
            "sum(depot_projector_history_partitions_ahead)",
        ),
        (
            "the lag of all three groups is known",
            "count(sum by (group) (depot_consumer_lag_messages)) >= 3",
        ),
    ] {
        wait_until(what, || async { number(prometheus, query).await >= 0.0 }).await;
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    for query in [
        "min(timestamp(up{job=\"depot\"}))",
        "min(timestamp(depot:requests:errors_ratio_rate6h))",
        "min(timestamp(depot:query_reads:hit_ratio_rate5m))",
    ] {
        wait_until(&format!("{query} is of later"), || async {
            number(prometheus, query).await > now + 4.0
        })
        .await;
    }
}

/// Commands, reads of every kind, an upload, and a message that nobody can handle.
async fn use_everything(depot: &Depot) {
    let alice = depot.client("alice", Role::Writer);
    let mut item = String::new();
    for number in 0..20 {
        let body = json!({"name": format!("item {number}"), "tags": ["measured"]});
        let created = alice.create_item(&format!("k{number}"), &body).await.unwrap();
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        item = created.text("id");
        let path = format!("/api/v1/items/{item}");
        assert_eq!(
            alice.read_at_least(&path, "1").await.unwrap().status,
            StatusCode::OK
        );
        alice.send(alice.query(&path)).await.unwrap();
    }
    alice
        .send(alice.query("/api/v1/items?tag=measured"))
        .await
        .unwrap();
    let mut grpc = QueryServiceClient::connect(depot.grpc_url()).await.unwrap();
    let mut request = Request::new(v1::GetItemRequest {
        id: item.clone(),
        at_least: None,
    });
    let token = format!("Bearer {}", depot.token("alice", Role::Reader));
    request
        .metadata_mut()
        .insert("authorization", token.parse().unwrap());
    grpc.get_item(request).await.unwrap();
    let upload = alice.upload(&item, "a.bin", vec![7; 100_000]).await.unwrap();
    let stored = alice
        .read_at_least(&format!("/api/v1/uploads/{upload}"), "3")
        .await
        .unwrap();
    assert_eq!(stored.text("status"), "stored", "{stored:?}");
    let account = alice.command(Method::GET, "/api/v1/accounts/alice");
    alice.send(account).await.unwrap();
    let topic = depot.topics().events(Entity::Uploads);
    let headers = [("ce_type", "depot.upload.received.v1")];
    produce_raw(&topic, Some(&item), &headers, b"this is no JSON")
        .await
        .unwrap();
}

/// The picture of the documents can be drawn from it.
async fn draw(prometheus: &OwnPrometheus) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let picture = root.join("target/end-to-end/pipeline-dashboard.svg");
    let drawn = tokio::process::Command::new("python3")
        .arg(root.join("deploy/grafana/draw.py"))
        .args([
            "--url",
            &prometheus.url,
            "--seconds",
            "60",
            "--rate-interval",
            "5s",
        ])
        .arg("--dashboard")
        .arg(root.join("deploy/grafana/dashboards/pipeline.json"))
        .arg(&picture)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&drawn.stdout);
    assert!(
        drawn.status.success() && said.trim_end().ends_with("without data: none"),
        "{said}{}",
        String::from_utf8_lossy(&drawn.stderr)
    );
    let svg = fs::read_to_string(&picture).unwrap();
    assert!(
        svg.contains("Delay until visible") && !svg.contains("no data"),
        "{svg}"
    );
}
