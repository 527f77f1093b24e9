//! Many items by one document.

use std::collections::HashSet;

use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    client::{Request, Response},
    service::{Service, metric, new_key, token},
};

const PATH: &str = "/api/v1/items:batch";

fn batch(service: &Service, key: &str, items: Value) -> Request {
    service
        .by("alice", "POST", PATH)
        .key(key)
        .json(json!({ "items": items }))
}

fn named(count: usize) -> Value {
    (0..count).map(|n| json!({"name": format!("item {n}")})).collect()
}

/// The results of a batch that was taken, and that they are numbered and counted.
#[track_caller]
fn results(answer: Response) -> Vec<Value> {
    let body = answer.expect(200).json();
    let results = body["results"].as_array().unwrap().clone();
    let numbers: Vec<_> = results
        .iter()
        .map(|result| result["line"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=results.len() as u64).collect::<Vec<_>>());
    let created = results.iter().filter(|result| result["status"] == 201).count();
    assert_eq!(
        (&body["created"], &body["failed"]),
        (&json!(created), &json!(results.len() - created))
    );
    results
}

fn statuses(results: &[Value]) -> Vec<u64> {
    results
        .iter()
        .map(|result| result["status"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_own_outcome() {
    let service = Service::start().await;
    let items = json!([
        {"name": "one", "tags": ["a"], "attributes": {"n": 1}, "status": "active"},
        {"name": ""},
        {"name": "two", "colour": "red"},
        7,
        {"name": "three", "idempotency_key": "own"},
        {"name": "four", "idempotency_key": "ö"},
    ]);
    let results = results(batch(&service, "k", items).send().await);
    assert_eq!(statuses(&results), [201, 422, 422, 422, 201, 422]);
    for (number, pointer) in [(1, "/name"), (2, "/colour"), (3, ""), (5, "/idempotency_key")] {
        let problem = &results[number]["problem"];
        assert_eq!(problem["type"], "/problems/validation-failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert_eq!(problem["instance"], PATH);
        assert!(results[number].get("item").is_none());
    }
    let first = &results[0];
    assert_eq!(first["etag"], "\"1\"");
    let item = &first["item"];
    assert_eq!((&item["owner"], &item["version"]), (&json!("alice"), &json!(1)));
    assert_eq!(
        (&item["tags"], &item["attributes"], &item["status"]),
        (&json!(["a"]), &json!({"n": 1}), &json!("active"))
    );
    for created in [first, &results[4]] {
        let id = created["item"]["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(service.kinds(id).await, ["item.created"]);
    }
    let counts = service.counts().await;
    assert_eq!((counts["items"], counts["outbox"], counts["keys"]), (2, 2, 2));
}

#[tokio::test]
async fn a_repeat_of_a_batch_creates_nothing_twice_and_creates_what_was_not() {
    let service = Service::start().await;
    let send = async |items: Value| results(batch(&service, "k", items).send().await);
    let mut items = named(5);
    items[2] = json!({"name": ""});
    let first = send(items.clone()).await;
    assert_eq!(statuses(&first), [201, 201, 422, 201, 201]);
    let before = service.counts().await;
    let again = send(items.clone()).await;
    assert_eq!(statuses(&again), statuses(&first));
    for (one, other) in first.iter().zip(&again).filter(|(one, _)| one["status"] == 201) {
        assert_eq!(one["item"], other["item"]);
        assert_eq!(one["etag"], other["etag"]);
        assert_eq!((one.get("replayed"), &other["replayed"]), (None, &json!(true)));
    }
    assert_eq!(service.counts().await, before);
    // A fault that was mended, and an item that was changed under a key that is its place's.
    items[2] = json!({"name": "mended"});
    items[3] = json!({"name": "another"});
    let mended = send(items).await;
    assert_eq!(statuses(&mended), [201, 201, 201, 422, 201]);
    assert_eq!(mended[3]["problem"]["type"], "/problems/idempotency-key-reused");
    assert_eq!(service.counts().await["items"], before["items"] + 1);
}

#[tokio::test]
async fn a_key_of_its_own_names_an_item_wherever_it_stands_and_nothing_elsewhere() {
    let service = Service::start().await;
    let own = json!({"name": "mine", "idempotency_key": "mine"});
    let first = results(batch(&service, "a", json!([own, {"name": "x"}])).send().await);
    let again = results(
        batch(&service, "b", json!([{"name": "y"}, own, own]))
            .send()
            .await,
    );
    assert_eq!(statuses(&again), [201, 201, 201]);
    for repeated in &again[1..] {
        assert_eq!(repeated["item"], first[0]["item"]);
        assert_eq!(repeated["replayed"], true);
    }
    let other = json!({"name": "another", "idempotency_key": "mine"});
    let other = results(batch(&service, "c", json!([other])).send().await);
    assert_eq!(other[0]["problem"]["type"], "/problems/idempotency-key-reused");
    assert_eq!(service.counts().await["items"], 3);
    // One item alone, another principal, and a key that looks as if it were an item's.
    let alone = service.by("alice", "POST", "/api/v1/items").key("mine");
    alone.json(json!({"name": "mine"})).send().await.expect(201);
    let bob = service
        .by("bob", "POST", PATH)
        .key("a")
        .json(json!({ "items": [own] }));
    assert_eq!(statuses(&results(bob.send().await)), [201]);
    // The second of the first batch has the key of its place.
    for key in ["a2", "a-2", "a/2", "a:2", "a.2"] {
        let item = json!({"name": "x", "idempotency_key": key});
        assert_eq!(
            statuses(&results(batch(&service, "d", json!([item])).send().await)),
            [201]
        );
    }
    assert_eq!(service.counts().await["items"], 10);
}

#[tokio::test]
async fn two_of_a_batch_under_one_key_are_one() {
    let service = Service::start().await;
    let item = |name: &str| json!({"name": name, "idempotency_key": "k"});
    let sent = json!([item("a"), item("a"), item("b")]);
    let results = results(batch(&service, &new_key(), sent).send().await);
    let created: HashSet<_> = results
        .iter()
        .filter(|result| result["status"] == 201)
        .map(|result| result["item"]["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        (created.len(), service.counts().await["items"]),
        (1, 1),
        "{results:?}"
    );
    let reused = |result: &&Value| result["problem"]["type"] == "/problems/idempotency-key-reused";
    assert!(results.iter().filter(reused).count() >= 1, "{results:?}");
}

#[tokio::test]
async fn a_batch_that_a_client_went_away_from_is_done_once() {
    let service = Service::start().await;
    let body = json!({ "items": named(100) }).to_string();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        token("alice", &[Role::Writer]),
        body.len()
    );
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    wait_until("some of it is done", || async {
        service.counts().await["items"] > 0
    })
    .await;
    drop(stream);
    let repeated = results(batch(&service, "k", named(100)).send().await);
    assert_eq!(statuses(&repeated), [201; 100]);
    let ids: HashSet<_> = repeated
        .iter()
        .map(|result| result["item"]["id"].to_string())
        .collect();
    let counts = service.counts().await;
    assert_eq!(ids.len(), 100);
    assert_eq!(
        (counts["items"], counts["outbox"], counts["keys"]),
        (100, 100, 100)
    );
}

#[tokio::test]
async fn items_of_a_batch_share_transactions() {
    // While the one transaction is under way, the others gather.
    let service = Service::start_with(&[("COMMAND_GROUP_LANES", "1")]).await;
    assert_eq!(
        statuses(&results(batch(&service, "k", named(500)).send().await)),
        [201; 500]
    );
    let transactions: i64 = sqlx::query_scalar("SELECT count(DISTINCT xmin::text) FROM command.items")
        .fetch_one(&service.pool)
        .await
        .unwrap();
    assert!(transactions < 250, "{transactions} transactions of 500 items");
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_whole_and_leaves_nothing() {
    let service = Service::start_with(&[("MAX_BATCH_BYTES", "400000")]).await;
    let before = service.counts().await;
    for (items, pointer) in [
        (json!([]), "/items"),
        (named(501), "/items"),
        (json!({}), "/items"),
        (Value::Null, "/items"),
    ] {
        let refused = batch(&service, "k", items).send().await;
        let refused = refused.expect_problem(422, "validation-failed");
        assert_eq!(refused.pointers(), [pointer], "{refused}");
    }
    let post = || service.by("alice", "POST", PATH).key("k");
    let extra = post()
        .json(json!({"items": [{"name": "a"}], "atomic": true}))
        .send()
        .await;
    assert_eq!(
        extra.expect_problem(422, "validation-failed").pointers(),
        ["/atomic"]
    );
    let no_json = post()
        .header("Content-Type", "application/json")
        .bytes("[{\"name\"");
    no_json.send().await.expect_problem(400, "malformed-json");
    let lines = post().ndjson("{\"name\": \"a\"}\n").send().await;
    lines.expect_problem(415, "unsupported-media-type");
    let without = post()
        .without("idempotency-key")
        .json(json!({"items": [{"name": "a"}]}));
    without
        .send()
        .await
        .expect_problem(400, "idempotency-key-missing");
    let long = json!([{"name": "a", "attributes": {"x": "y".repeat(400_000)}}]);
    let long = batch(&service, "k", long).send().await;
    assert_eq!(
        long.expect_problem(413, "payload-too-large").json()["limit_bytes"],
        400_000
    );
    assert_eq!(service.counts().await, before);
    // More than any other document may have, and each item within its own limits.
    let many: Value = (0..40)
        .map(|n| json!({"name": format!("{n}"), "description": "x".repeat(9_000)}))
        .collect();
    assert_eq!(
        statuses(&results(batch(&service, "k", many).send().await)),
        [201; 40]
    );
}

#[tokio::test]
async fn a_batch_needs_the_role_writer() {
    let service = Service::without_database().await;
    let body = json!({"items": [{"name": "a"}]});
    let post = || service.bare("POST", PATH).key("k").json(body.clone());
    post().send().await.expect_problem(401, "unauthorized");
    for roles in [&[][..], &[Role::Reader]] {
        let refused = post().token(&token("alice", roles)).send().await;
        refused.expect_problem(403, "forbidden");
    }
    let read = service.by("alice", "GET", PATH).send().await;
    read.expect_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn an_item_of_a_batch_whose_database_is_away_says_when_to_come_again() {
    let service = Service::without_database().await;
    let results = results(batch(&service, "k", named(3)).send().await);
    for result in results {
        assert_eq!(
            (&result["status"], &result["retry_after"]),
            (&json!(503), &json!(1))
        );
        assert_eq!(result["problem"]["type"], "/problems/unavailable");
    }
}

#[tokio::test]
async fn each_item_of_a_batch_counts_as_a_request_of_its_principal() {
    let limit = [("RATE_LIMIT_PER_SECOND", "1"), ("RATE_LIMIT_BURST", "3")];
    let service = Service::start_with(&limit).await;
    let results = results(batch(&service, "k", named(200)).send().await);
    let (created, refused): (Vec<_>, Vec<_>) = results.iter().partition(|result| result["status"] == 201);
    // At least what the burst leaves behind the request itself; and no machine is so slow that all are granted.
    assert!(
        created.len() >= 2 && !refused.is_empty(),
        "{} created",
        created.len()
    );
    for result in refused {
        assert_eq!(result["status"], 429);
        assert_eq!(result["problem"]["type"], "/problems/too-many-requests");
        assert!(result["retry_after"].as_u64().unwrap() >= 1);
    }
    assert_eq!(service.counts().await["items"], created.len() as i64);
}

#[tokio::test]
async fn a_batch_waits_for_places_and_leaves_some_to_others() {
    // One command at a time, of two that there are places for.
    let places = [
        ("COMMAND_GROUP_MAX_SIZE", "2"),
        ("COMMAND_GROUP_LANES", "1"),
        ("MAX_GROUPED_COMMANDS", "2"),
    ];
    let service = Service::start_with(&places).await;
    let sent = tokio::spawn(batch(&service, "k", named(60)).send());
    // The other place is free for one that comes alone, all the time.
    while !sent.is_finished() {
        service.item("bob").await;
    }
    assert_eq!(statuses(&results(sent.await.unwrap())), [201; 60]);
}

#[tokio::test]
async fn an_item_of_a_batch_comes_again_where_others_have_all_places() {
    const REFUSED: &str = r#"depot_bulkhead_refused_total{bulkhead="grouped commands"#;
    let service = Service::start_with(&[
        ("COMMAND_GROUP_MAX_SIZE", "2"),
        ("COMMAND_GROUP_LANES", "1"),
        ("MAX_GROUPED_COMMANDS", "1"),
    ])
    .await;
    let mut holder = service.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE command.items IN SHARE MODE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let alone = service.by("bob", "POST", "/api/v1/items").key(&new_key());
    let alone = tokio::spawn(alone.json(json!({"name": "alone"})).send());
    service.somebody_waits().await;
    let before = metric(&service, REFUSED).await;
    let sent = tokio::spawn(batch(&service, "k", named(3)).send());
    wait_until("an item of the batch is refused", || async {
        metric(&service, REFUSED).await > before
    })
    .await;
    holder.rollback().await.unwrap();
    alone.await.unwrap().expect(201);
    assert_eq!(statuses(&results(sent.await.unwrap())), [201; 3]);
}
