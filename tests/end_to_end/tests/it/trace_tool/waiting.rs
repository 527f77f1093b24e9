//! What waits: for a process, for a client, for a person.

use depot_end_to_end::{Depot, Service, produce_raw, sha256_hex};
use depot_schemas::Entity;
use depot_service::auth::Role;
use depot_test_stack::{eventually, wait_until};
use serde_json::json;

use super::{
    ON_ITS_WAY, SETTLED, STUCK, assert_lies, events_of, hop, item, not_done, said, told, told_when, verdict,
};

/// The offset that the views have next in a partition of a topic.
async fn next_offset(depot: &Depot, topic: &str, partition: i32) -> i64 {
    sqlx::query_scalar("SELECT next_offset FROM read.offsets WHERE topic = $1 AND partition = $2")
        .bind(topic)
        .bind(partition)
        .fetch_optional(&depot.database)
        .await
        .unwrap()
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_projector_an_item_waits_for_it_behind_as_many_messages_as_there_are() {
    let mut depot = Depot::start().await.unwrap();
    let topic = depot.topics().events(Entity::Items);
    let first = item(&depot, "k").await;
    told_when(&depot, &[&first], SETTLED).await;
    assert!(depot.process(Service::Projector).terminate().await.unwrap());
    let mut last = String::new();
    // More than there are partitions: some lie behind others.
    for number in 0..7 {
        last = item(&depot, &format!("k{number}")).await;
    }
    let event = eventually("the last one is published", || async {
        events_of(&topic, &last).await.pop()
    })
    .await;
    let report = told_when(&depot, &[&last], ON_ITS_WAY).await;
    let expected = event.offset - next_offset(&depot, &topic, event.partition).await;
    let projector = hop(&report, &format!("group {}", depot.topics().group("projector")));
    assert_eq!(
        (&projector["state"], &projector["behind"]),
        (&json!("waiting"), &json!(expected))
    );
    assert_lies(hop(&report, &format!("topic {topic}")), &event);
    assert_eq!(hop(&report, "view read.items")["state"], "not_reached");
    let text = verdict(&report)["text"].as_str().unwrap();
    assert!(text.contains("waits for the projector"), "{text}");
    assert_eq!(verdict(&report)["since"], projector["since"]);
    depot.process(Service::Projector).restart().unwrap();
    told_when(&depot, &[&last], SETTLED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_an_item_is_in_the_outbox() {
    let depot = Depot::start_with(&[("COMMAND_API_RELAY_ENABLED", "false")])
        .await
        .unwrap();
    let item = item(&depot, "k").await;
    let (code, report) = told(&depot, &[&item], &[]).await;
    assert_eq!(code, ON_ITS_WAY, "{report:#}");
    let outbox = hop(&report, "outbox (command-api)");
    assert_eq!(
        (&outbox["state"], &outbox["waiting_rows"], &outbox["holder"]),
        (&json!("here"), &json!(1), &json!(null))
    );
    assert_eq!(
        not_done(&report)[1..],
        [
            (
                &*format!("topic {}", depot.topics().events(Entity::Items)),
                "not_reached"
            ),
            (
                &*format!("group {}", depot.topics().group("projector")),
                "not_reached"
            ),
            ("view read.items", "not_reached"),
        ]
    );
    let text = verdict(&report)["text"].as_str().unwrap();
    assert!(
        text.contains("in the outbox of command-api since") && text.contains("held by nobody"),
        "{text}"
    );
    // Kafka away besides: then it is not known that the log does not have it, and the outbox says so.
    let (code, report) = told(&depot, &[&item], &[("KAFKA_BROKERS", "127.0.0.1:1")]).await;
    assert_eq!(code, super::NOT_ALL_SEEN, "{report:#}");
    assert_eq!(hop(&report, "outbox (command-api)")["state"], "here");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nobody_completes_waits_for_its_client_until_its_deadline() {
    let depot = Depot::start().await.unwrap();
    let (alice, item) = (depot.client("alice", Role::Writer), item(&depot, "k").await);
    let topic = depot.topics().events(Entity::Uploads);
    // Several, of which each lies where the relay's producer puts its key, and the tool finds it there.
    for _ in 0..6 {
        let announced = alice
            .request_upload(&item, "a.bin", 7, &sha256_hex(b"content"))
            .await
            .unwrap();
        let upload = announced.text("id");
        let report = eventually("nothing but the client is waited for", || async {
            let (code, report) = told(&depot, &[&upload], &[]).await;
            let waits = verdict(&report)["place"] == "at the client";
            (code == ON_ITS_WAY && waits).then_some(report)
        })
        .await;
        assert_eq!(hop(&report, "state ")["status"], "pending");
        let saga = hop(&report, "saga upload");
        assert_eq!(
            (&saga["state"], &saga["step"]),
            (&json!("waiting"), &json!("awaiting_bytes"))
        );
        let deadline: String = sqlx::query_scalar(
            "SELECT to_char(deadline AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI') FROM command.sagas WHERE saga_id = $1::uuid",
        )
        .bind(&upload)
        .fetch_one(&depot.database)
        .await
        .unwrap();
        assert!(
            saga["deadline"].as_str().unwrap().starts_with(&deadline),
            "{saga}"
        );
        let reason = verdict(&report)["reason"].as_str().unwrap();
        assert!(reason.contains(&deadline) && reason.contains("(in "), "{reason}");
        assert_eq!(hop(&report, "receipt")["state"], "not_reached");
        let announced = &events_of(&topic, &upload).await[0];
        assert_lies(hop(&report, &format!("topic {topic}")), announced);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_says_why_since_when_and_what_brings_it_back() {
    let depot = Depot::start().await.unwrap();
    let (alice, item) = (depot.client("alice", Role::Writer), item(&depot, "k").await);
    let announced = alice
        .request_upload(&item, "a.bin", 7, &sha256_hex(b"content"))
        .await
        .unwrap();
    let upload = announced.text("id");
    let headers = [
        ("ce_type", "depot.upload.received.v1"),
        ("ce_subject", &*upload),
        ("ce_id", "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f"),
        ("ce_time", "2026-01-01T00:00:00Z"),
        ("ce_aggregateversion", "2"),
        ("ce_causationid", &*upload),
    ];
    let topic = depot.topics().events(Entity::Uploads);
    produce_raw(&topic, Some(&upload), &headers, b"no JSON")
        .await
        .unwrap();
    let report = eventually("both groups that read it have given it up", || async {
        let (code, report) = told(&depot, &[&upload], &[]).await;
        let is_open = code == STUCK && hop(&report, "dead letters")["open"] == 2;
        is_open.then_some(report)
    })
    .await;
    let letters = hop(&report, "dead letters");
    assert_eq!(
        (&letters["state"], &letters["reason"], &letters["attempts"]),
        (&json!("here"), &json!("not_json"), &json!(1))
    );
    let failed: String = sqlx::query_scalar(
        "SELECT to_char(min(failed_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') FROM command.dead_letters",
    )
    .fetch_one(&depot.database)
    .await
    .unwrap();
    assert!(
        letters["since"].as_str().unwrap().starts_with(&failed),
        "{letters}"
    );

    let (code, text) = said(&depot, &[&upload], &[]).await;
    println!("{text}");
    assert_eq!(code, STUCK);
    let last = text.lines().last().unwrap();
    let (projector, uploader) = (
        depot.topics().group("projector"),
        depot.topics().group("uploader"),
    );
    for words in [
        &*format!("upload {upload}: in the dead letters of {projector} and {uploader} since {failed}"),
        "not_json: ",
        &format!("mend the cause, then depot dlq redrive --key {upload}"),
    ] {
        assert!(last.contains(words), "{words} is not in: {last}");
    }

    // Given up, it is nobody's concern any more; what is left to wait for is the client.
    let token = depot.token("root", Role::Admin);
    let discard = ["dlq", "discard", "--key", &upload, "--note", "made by a test"];
    let tool = depot.start_tool(&discard, &[("DEPOT_TOKEN", &*token)]).unwrap();
    assert!(tool.wait_with_output().await.unwrap().status.success());
    wait_until("the client is waited for", || async {
        let (code, report) = told(&depot, &[&upload], &[]).await;
        let is_given_up = hop(&report, "dead letters")["discarded"] == 2;
        code == ON_ITS_WAY && is_given_up && verdict(&report)["place"] == "at the client"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_saga_is_told_with_what_resumes_it() {
    let mut depot = Depot::start().await.unwrap();
    let (alice, item) = (depot.client("alice", Role::Writer), item(&depot, "k").await);
    assert!(depot.process(Service::Uploader).terminate().await.unwrap());
    let upload = alice.upload(&item, "a.bin", vec![7; 1000]).await.unwrap();
    let report = told_when(&depot, &[&upload], ON_ITS_WAY).await;
    let uploader = format!("group {}", depot.topics().group("uploader"));
    wait_until("the uploader is waited for", || async {
        let (_, report) = told(&depot, &[&upload], &[]).await;
        hop(&report, &uploader)["state"] == "waiting"
    })
    .await;
    assert_eq!(hop(&report, "receipt")["state"], "not_reached");
    // As after thirty questions, which take a day.
    sqlx::query(
        "UPDATE command.sagas SET state = 'stuck', deadline = NULL, attempts = 30 WHERE saga_id = $1::uuid",
    )
    .bind(&upload)
    .execute(&depot.database)
    .await
    .unwrap();
    let report = told_when(&depot, &[&upload], STUCK).await;
    let text = verdict(&report)["text"].as_str().unwrap();
    assert!(
        text.contains("in the saga upload at awaiting_file")
            && text.contains(&format!("depot saga resume upload {upload}")),
        "{text}"
    );
}
