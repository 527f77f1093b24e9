use depot_end_to_end::{Depot, produce_raw, read_topic};
use depot_schemas::Entity;
use depot_service::auth::Role;
use depot_test_stack::eventually;
use reqwest::StatusCode;
use serde_json::json;

/// Everything that is no event, on each event topic: it ends in the dead letters with its reason, its bytes and its
/// origin, and the next event goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_event_ends_in_the_dead_letters_and_stops_nobody() {
    let depot = Depot::start().await.unwrap();
    let id = "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f";
    for entity in Entity::ALL {
        let topic = depot.topics().events(entity);
        let known = match entity {
            // The saga passes by what else happens to items.
            Entity::Items => "depot.item.deleted.v1",
            Entity::Uploads => "depot.upload.received.v1",
            Entity::Files => "depot.file.stored.v1",
            Entity::Declared(_) => unreachable!("of those that every installation has"),
        };
        let later = known.replace(".v1", ".v9");
        let cases: [(Option<&str>, &str, &[u8]); 4] = [
            (Some(id), known, b"this is no JSON"),
            (None, known, b"{}"),
            (Some(id), "depot.item.painted.v1", b"{}"),
            (Some(id), &later, b"{}"),
        ];
        for (key, event_type, payload) in cases {
            let headers = [
                ("ce_type", event_type),
                ("ce_subject", id),
                ("ce_id", id),
                ("ce_time", "2026-01-01T00:00:00Z"),
                ("ce_aggregateversion", "1"),
                ("ce_causationid", id),
            ];
            produce_raw(&topic, key, &headers, payload).await.unwrap();
        }
    }

    // The next events go on, through all three topics.
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("k", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    let upload = alice.upload(&item, "a.bin", vec![7; 1000]).await.unwrap();
    let stored = alice
        .read_at_least(&format!("/api/v1/uploads/{upload}"), "3")
        .await
        .unwrap();
    assert_eq!(
        (stored.status, stored.text("status")),
        (StatusCode::OK, "stored".to_owned())
    );

    for (entity, groups) in [
        // Each group that reads the topic fails on its own, and has a dead letter of its own.
        (Entity::Items, vec!["projector", "saga"]),
        (Entity::Uploads, vec!["projector", "uploader"]),
        (Entity::Files, vec!["saga"]),
    ] {
        let (topic, source) = (depot.topics().dead_letters(entity), depot.topics().events(entity));
        let letters = eventually(&format!("dead letters of {topic}"), || async {
            let letters = read_topic(&topic).await.ok()?;
            (letters.len() >= 4 * groups.len()).then_some(letters)
        })
        .await;
        for group in groups {
            let group = depot.topics().group(group);
            let of_group: Vec<_> = letters
                .iter()
                .filter(|letter| letter.header("kafka_dlt-original-consumer-group") == group)
                .collect();
            assert_eq!(of_group.len(), 4, "{group} on {topic}");
            for letter in &of_group {
                assert_eq!(letter.header("kafka_dlt-original-topic"), source);
                assert!(!letter.header("kafka_dlt-exception-message").is_empty());
                assert_eq!(letter.header("ce_subject"), id, "the original headers are kept");
            }
            assert!(
                of_group.iter().any(|letter| letter.payload == b"this is no JSON"),
                "the bytes are kept"
            );
            assert!(
                of_group.iter().any(|letter| letter.key.is_none()),
                "so is a missing key"
            );
        }
    }
}
