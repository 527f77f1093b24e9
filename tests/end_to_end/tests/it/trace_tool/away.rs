//! Stores that do not answer: it is told, and the rest is there.

use depot_end_to_end::Depot;
use depot_schemas::Entity;
use serde_json::json;

use super::{
    NOT_ALL_SEEN, SETTLED, assert_lies, events_of, hop, item, not_done, said, told, told_when, verdict,
};

const NOWHERE: &str = "127.0.0.1:1";
const NO_DATABASE: &str = "postgres://depot_operator:none@127.0.0.1:1/depot";

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_it_says_so_and_tells_the_rest() {
    let depot = Depot::start().await.unwrap();
    let item = item(&depot, "k").await;
    told_when(&depot, &[&item], SETTLED).await;
    let (code, report) = told(&depot, &[&item], &[("REDIS_ADDR", NOWHERE)]).await;
    assert_eq!(code, NOT_ALL_SEEN, "{report:#}");
    assert_eq!(not_done(&report), [("cache (Redis)", "unknown")]);
    let detail = hop(&report, "cache (Redis)")["detail"].as_str().unwrap();
    assert!(detail.contains("Redis did not"), "{detail}");
    assert_eq!(verdict(&report)["standing"], "unknown");
    let (_, text) = said(&depot, &[&item], &[("REDIS_ADDR", NOWHERE)]).await;
    let last = text.lines().last().unwrap();
    assert!(last.contains("not looked at: cache (Redis)"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_the_history_still_says_where_an_event_lies() {
    let depot = Depot::start().await.unwrap();
    let item = item(&depot, "k").await;
    let settled = told_when(&depot, &[&item], SETTLED).await;
    let (code, report) = told(&depot, &[&item], &[("KAFKA_BROKERS", NOWHERE)]).await;
    let topic = format!("topic {}", depot.topics().events(Entity::Items));
    // All that an item passes is in the database: only an end of the log is not known.
    assert_eq!(code, SETTLED, "{report:#}");
    assert_eq!(hop(&report, &topic)["offset"], hop(&settled, &topic)["offset"]);
    // What nothing but the log knows is told as not looked at.
    let id = hop(&settled, &topic)["event_id"].as_str().unwrap();
    let (code, report) = told(
        &depot,
        &["00000000-0000-7000-8000-000000000000"],
        &[("KAFKA_BROKERS", NOWHERE)],
    )
    .await;
    assert_eq!(code, NOT_ALL_SEEN, "{report:#}");
    assert!(!report["not_looked_at"].as_array().unwrap().is_empty());
    // An event of an item is in the outbox or in the history, too.
    let (code, report) = told(&depot, &[id], &[("KAFKA_BROKERS", NOWHERE)]).await;
    assert_eq!(
        (
            code,
            &report["found"][0]["kind"],
            &report["found"][0]["about"]["id"]
        ),
        (NOT_ALL_SEEN, &json!("event"), &json!(item)),
        "{report:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_the_log_still_tells_what_it_has() {
    let depot = Depot::start().await.unwrap();
    let item = item(&depot, "k").await;
    told_when(&depot, &[&item], SETTLED).await;
    let (code, report) = told(&depot, &[&item], &[("OPERATOR_DATABASE_URL", NO_DATABASE)]).await;
    assert_eq!(code, NOT_ALL_SEEN, "{report:#}");
    let topic = depot.topics().events(Entity::Items);
    let created = &events_of(&topic, &item).await[0];
    assert_lies(hop(&report, &format!("topic {topic}")), created);
    assert_eq!(hop(&report, "state ")["state"], "unknown");
    let away = report["not_looked_at"].to_string();
    assert!(away.contains("Postgres"), "{away}");
    // Without settings at all it is the same.
    let nothing = [
        ("OPERATOR_DATABASE_URL", ""),
        ("KAFKA_BROKERS", ""),
        ("REDIS_ADDR", ""),
    ];
    let (code, report) = told(&depot, &[&item], &nothing).await;
    assert_eq!((code, &report["found"]), (NOT_ALL_SEEN, &json!([])));
    let away = report["not_looked_at"].to_string();
    assert!(away.contains("OPERATOR_DATABASE_URL"), "{away}");
}
