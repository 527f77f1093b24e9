//! What an id may name, and ids that name nothing.

use depot_end_to_end::Depot;
use depot_schemas::Entity;
use depot_service::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NOT_THERE, SETTLED, assert_lies, events_of, hop, item, not_done, said, told, told_when};

fn titles(report: &Value) -> Vec<&str> {
    let found = report["found"].as_array().unwrap();
    found.iter().map(|one| one["title"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_leads_to_what_its_answer_names() {
    let depot = Depot::start().await.unwrap();
    let item = item(&depot, "a-key-of-mine").await;
    let report = told_when(&depot, &["a-key-of-mine"], SETTLED).await;
    assert_eq!(report["found"][0]["kind"], "key");
    assert_eq!(report["found"][0]["about"], json!({"kind": "item", "id": item}));
    let answer = hop(&report, "answer");
    assert_eq!(
        (&answer["status"], &answer["route"], &answer["principal"]),
        (&json!(201), &json!("POST /api/v1/items"), &json!("alice"))
    );
    assert_eq!(not_done(&report), []);

    // Another principal's key of the same text is another request; both are shown, or the one that is meant.
    let bob = depot.client("bob", Role::Writer);
    let of_bob = bob
        .create_item("a-key-of-mine", &json!({"name": "b"}))
        .await
        .unwrap();
    let report = told_when(&depot, &["a-key-of-mine"], SETTLED).await;
    assert_eq!(
        report["found"].as_array().unwrap().len(),
        2,
        "{:?}",
        titles(&report)
    );
    let report = told_when(&depot, &["a-key-of-mine", "--principal", "bob"], SETTLED).await;
    assert_eq!(report["found"][0]["about"]["id"], of_bob.text("id"));
    assert_eq!(report["found"].as_array().unwrap().len(), 1);
    let (code, _) = told(&depot, &["a-key-of-mine", "--principal", "carol"], &[]).await;
    assert_eq!(code, NOT_THERE);

    // A key that is an item's id is shown beside the item.
    let other = bob.create_item(&item, &json!({"name": "c"})).await.unwrap();
    let report = told_when(&depot, &[&item], SETTLED).await;
    let titles = titles(&report);
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert_eq!(titles[0], format!("item {item}"));
    assert_eq!(report["found"][1]["about"]["id"], other.text("id"));
    // An answer that names nothing is told as that.
    let version = bob
        .read_at_least(&format!("/api/v1/items/{}", other.text("id")), "1")
        .await
        .unwrap()
        .version()
        .unwrap();
    let path = format!("/api/v1/items/{}", other.text("id"));
    let delete = bob
        .command(reqwest::Method::DELETE, &path)
        .header("If-Match", format!("\"{version}\""))
        .header("Idempotency-Key", "gone");
    assert!(bob.send(delete).await.unwrap().status.is_success());
    let (code, report) = told(&depot, &["gone"], &[]).await;
    assert_eq!(
        (code, &report["found"][0]["about"]),
        (SETTLED, &Value::Null),
        "{report:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_followed_by_its_id_whatever_came_after_it() {
    let depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let item = item(&depot, "k").await;
    let patched = alice
        .patch_item(&item, "1", "k2", &json!({"name": "b"}))
        .await
        .unwrap();
    assert!(patched.status.is_success());
    let upload = alice.upload(&item, "a.bin", vec![7; 1000]).await.unwrap();
    told_when(&depot, &[&upload], SETTLED).await;
    for (entity, key) in [
        (Entity::Items, &item),
        (Entity::Uploads, &upload),
        (Entity::Files, &upload),
    ] {
        let topic = depot.topics().events(entity);
        let event = &events_of(&topic, key).await[0];
        let report = told_when(&depot, &[event.header("ce_id")], SETTLED).await;
        let found = &report["found"][0];
        assert_eq!((&found["kind"], &found["version"]), (&json!("event"), &json!(1)));
        assert_eq!(found["about"]["id"], **key);
        let title = found["title"].as_str().unwrap();
        assert!(title.contains(event.header("ce_type")), "{title}");
        assert_lies(hop(&report, &format!("topic {topic}")), event);
        assert_eq!(not_done(&report), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_nobody_knows_is_told_as_that() {
    let depot = Depot::start().await.unwrap();
    let item = item(&depot, "k").await;
    told_when(&depot, &[&item], SETTLED).await;
    let (new, of_no_time) = (Uuid::now_v7().to_string(), Uuid::from_u128(7).to_string());
    for id in [&*new, &*of_no_time, "no-key-of-anybody"] {
        let (code, report) = told(&depot, &[id], &[]).await;
        assert_eq!(code, NOT_THERE, "{report:#}");
        assert_eq!(report["found"], json!([]));
        let (code, text) = said(&depot, &[id], &[]).await;
        assert!(
            code == NOT_THERE && text.contains("nothing here has this id"),
            "{code}: {text}"
        );
    }
    // Of another kind than is asked for it is none either.
    let (code, _) = told(&depot, &[&item, "--kind", "upload"], &[]).await;
    assert_eq!(code, NOT_THERE);
    let (code, _) = told(&depot, &["k", "--kind", "event"], &[]).await;
    assert_eq!(code, NOT_THERE);
    for usage in [&[][..], &["x", "--kind", "thing"], &["x", "--scan-seconds", "0"]] {
        let (code, text) = said(&depot, usage, &[]).await;
        assert_eq!(code, 2, "{text}");
    }
}
