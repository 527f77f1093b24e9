//! Dead letters of real topics: listed, shown, brought back, given up.

use std::time::Duration;

use depot_consumer::header;
use depot_schemas::Entity;
use depot_test_stack::{TestTopics, settings, wait_until};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders, OwnedMessage},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::{Value, json};

use crate::{
    admin::audit,
    client::Request,
    service::{Service, new_key},
};

const LIMIT: Duration = Duration::from_secs(30);

async fn service(topics: &TestTopics) -> Service {
    Service::start_with(&[
        ("KAFKA_BROKERS", settings().kafka_brokers()),
        ("TOPIC_PREFIX", topics.prefix()),
        ("TOPIC_PARTITIONS", topics.partitions()),
        ("DEAD_LETTERS_ENABLED", "true"),
    ])
    .await
}

/// Writes a letter as a group does that gives a message of an entity up.
async fn give_up(topics: &TestTopics, group: &str, entity: Entity, offset: i64, attempts: i32) {
    let source = topics.names().events(entity);
    give_up_of(topics, group, &source, offset, attempts).await;
}

async fn give_up_of(topics: &TestTopics, group: &str, source: &str, offset: i64, attempts: i32) {
    let client = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .create();
    let producer: FutureProducer = client.unwrap();
    let group = topics.names().group(group);
    let attempts = attempts.to_string();
    let (partition, offset) = (0_i32.to_be_bytes(), offset.to_be_bytes());
    let headers: [(&str, &[u8]); 9] = [
        ("ce_id", b"event-1"),
        (header::ORIGINAL_TOPIC, source.as_bytes()),
        (header::ORIGINAL_PARTITION, &partition),
        (header::ORIGINAL_OFFSET, &offset),
        (header::ORIGINAL_CONSUMER_GROUP, group.as_bytes()),
        (header::REASON_CLASS, b"invalid_data"),
        (header::REASON_MESSAGE, b"no member `size_bytes`"),
        (header::ATTEMPTS, attempts.as_bytes()),
        (header::LAST_FAILURE, b"2026-01-02T03:04:05.678Z"),
    ];
    let headers = headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: Some(*value),
        })
    });
    let topic = depot_consumer::dead_letter_topic(source).unwrap();
    let record = FutureRecord::to(&topic)
        .partition(0)
        .key("k")
        .payload(&[0xff, 0x00][..]);
    producer.send(record.headers(headers), LIMIT).await.unwrap();
}

async fn list(service: &Service, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/admin/dlq?{query}");
    let page = service.by_admin("GET", &path).send().await.expect(200).json();
    page["letters"].as_array().unwrap().clone()
}

/// What `/metrics` says of a group's letters.
async fn told(service: &Service, metric: &str, group: &str) -> Option<f64> {
    let answer = Request::new(service.admin_address, "GET", "/metrics")
        .send()
        .await;
    let text = String::from_utf8(answer.body).unwrap();
    let group = format!("group=\"{group}\"");
    let line = text
        .lines()
        .find(|line| line.starts_with(metric) && line.contains(&group))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn wait_for(service: &Service, query: &str, count: usize) {
    wait_until("the index shows it", || async {
        list(service, query).await.len() == count
    })
    .await;
}

/// All that lies in a topic's only partition.
async fn read_all(topic: String) -> Vec<OwnedMessage> {
    let read = move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", settings().kafka_brokers())
            .set("group.id", "reader")
            .create()
            .unwrap();
        let (low, high) = consumer.fetch_watermarks(&topic, 0, LIMIT).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(low)).unwrap();
        consumer.assign(&list).unwrap();
        let mut found = Vec::new();
        while (found.len() as i64) < high - low {
            found.push(consumer.poll(LIMIT).unwrap().unwrap().detach());
        }
        found
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

fn header_of(message: &OwnedMessage, name: &str) -> Option<Vec<u8>> {
    let headers = message.headers()?;
    let found = headers.iter().find(|header| header.key == name);
    found.and_then(|header| header.value).map(<[u8]>::to_vec)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_shown_brought_back_to_its_group_only_open_again_when_it_fails_and_given_up() {
    let topics = TestTopics::create(1).await.unwrap();
    let service = service(&topics).await;
    // Written twice, as by a crash between the letter and the offset: one row.
    give_up(&topics, "uploader", Entity::Uploads, 7, 1).await;
    give_up(&topics, "uploader", Entity::Uploads, 7, 1).await;
    give_up(&topics, "uploader", Entity::Uploads, 8, 1).await;
    wait_for(&service, "state=open", 2).await;

    let (group, source) = (
        topics.names().group("uploader"),
        topics.names().events(Entity::Uploads),
    );
    let path = format!("/api/v1/admin/dlq/{group}/{source}/0/7");
    let shown = service.by_admin("GET", &path).send().await.expect(200).json();
    assert_eq!(shown["attempts"], 1);
    assert_eq!(shown["reason"], "invalid_data");
    assert_eq!(shown["key"], "k");
    assert_eq!(shown["value_base64"], "/wA=");
    assert_eq!(shown["value_text"], Value::Null);
    let headers = shown["headers"].as_array().unwrap();
    assert!(
        headers
            .iter()
            .any(|header| header["name"] == "ce_id" && header["text"] == "event-1")
    );

    let redrive = |body: Value| {
        let request = service.by_admin("POST", "/api/v1/admin/dlq/redrive");
        request.key(&new_key()).json(body).send()
    };
    let dry = redrive(json!({"dry_run": true})).await.expect(202).json();
    assert_eq!(dry, json!({"count": 2, "dry_run": true}));
    assert_eq!(
        list(&service, "state=open").await.len(),
        2,
        "a dry run does nothing"
    );
    let done = redrive(json!({"filter": {"group": group}, "rate": 100}))
        .await
        .expect(202)
        .json();
    assert_eq!(done["count"], 2);
    wait_for(&service, "state=redriven", 2).await;
    assert_eq!(
        redrive(json!({})).await.expect(202).json()["count"],
        0,
        "once is enough"
    );
    let refused = service.by_admin("POST", &format!("{path}/redrive")).send().await;
    refused.expect_problem(409, "dead-letter-not-open");

    let sent = read_all(topics.names().retries()[0].clone()).await;
    let offsets: Vec<_> = sent
        .iter()
        .map(|one| header_of(one, header::ORIGINAL_OFFSET).unwrap())
        .collect();
    assert_eq!(
        offsets,
        [7_i64.to_be_bytes(), 8_i64.to_be_bytes()],
        "oldest first"
    );
    assert_eq!(sent[0].key(), Some(&b"k"[..]));
    assert_eq!(sent[0].payload(), Some(&[0xff, 0x00][..]));
    assert_eq!(header_of(&sent[0], "ce_id").unwrap(), b"event-1");
    assert_eq!(header_of(&sent[0], header::ATTEMPTS).unwrap(), b"1");
    assert_eq!(header_of(&sent[0], header::REDRIVEN).unwrap(), b"1");
    assert!(read_all(source.clone()).await.is_empty(), "never to the source");

    // It fails once more: the same letter, open again.
    give_up(&topics, "uploader", Entity::Uploads, 7, 2).await;
    wait_for(&service, "state=open", 1).await;
    wait_until("the metric says that one is open", || async {
        told(&service, "depot_dead_letters_open", &group).await == Some(1.0)
    })
    .await;
    assert_eq!(list(&service, "state=open").await[0]["attempts"], 2);
    assert_eq!(list(&service, "").await.len(), 2);
    assert_eq!(told(&service, "depot_dead_letters_open", &group).await, Some(1.0));
    let age = told(&service, "depot_dead_letters_oldest_seconds", &group).await;
    assert!(age.unwrap() > 0.0);
    let all = "/api/v1/admin/dlq/discard";
    for (path, body, pointer) in [
        (all, json!({"filter": {}, "note": "why"}), "/filter"),
        (all, json!({"filter": {"group": group}, "note": " "}), "/note"),
        (
            all,
            json!({"filter": {"group": group}, "note": "a\u{0}"}),
            "/note",
        ),
        (
            &format!("{path}/discard"),
            json!({"note": "x".repeat(501)}),
            "/note",
        ),
    ] {
        let refused = service.by_admin("POST", path).json(body).send().await;
        let problem = refused.expect_problem(422, "validation-failed").json();
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let discard = service.by_admin("POST", &format!("{path}/discard"));
    let discard = discard.json(json!({"note": "no such upload"})).send().await;
    assert_eq!(discard.expect(202).json()["count"], 1);
    assert_eq!(list(&service, "state=discarded").await.len(), 1);
    wait_until("the metric says that none is open", || async {
        told(&service, "depot_dead_letters_open", &group).await == Some(0.0)
            && told(&service, "depot_dead_letters_oldest_seconds", &group).await == Some(0.0)
    })
    .await;
    let actions: Vec<_> = audit(&service)
        .await
        .into_iter()
        .map(|(_, action, _)| action)
        .collect();
    assert_eq!(
        actions,
        ["dlq.redrive", "dlq.redrive", "dlq.redrive", "dlq.discard"]
    );
    let note: String =
        sqlx::query_scalar("SELECT detail ->> 'note' FROM command.audit WHERE action = 'dlq.discard'")
            .fetch_one(&service.pool)
            .await
            .unwrap();
    assert_eq!(note, "no such upload");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_filtered_paged_and_what_cannot_be_brought_back_says_so() {
    let topics = TestTopics::create(1).await.unwrap();
    let service = service(&topics).await;
    for offset in 0..5 {
        give_up(&topics, "projector", Entity::Items, offset, 1).await;
    }
    // Nothing of ours: a group without a way back.
    give_up(&topics, "reports", Entity::Files, 9, 1).await;
    wait_for(&service, "", 6).await;
    let group = topics.names().group("projector");
    assert_eq!(
        list(&service, &format!("group={group}&reason=invalid_data&key=k"))
            .await
            .len(),
        5
    );
    assert_eq!(
        list(&service, "failed_before=2026-01-02T03:04:05Z").await.len(),
        0
    );
    assert_eq!(
        list(&service, "failed_from=2026-01-02T03:04:05Z&reason=other")
            .await
            .len(),
        0
    );

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/admin/dlq?group={group}&limit=2{cursor}");
        let page = service.by_admin("GET", &path).send().await.expect(200).json();
        seen.extend(
            page["letters"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["offset"].as_i64().unwrap()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    for bad in [
        format!("limit=2{cursor}"),
        "limit=0".into(),
        "state=lost".into(),
        "cursor=x".into(),
        "colour=red".into(),
    ] {
        let path = format!("/api/v1/admin/dlq?{bad}");
        service
            .by_admin("GET", &path)
            .send()
            .await
            .expect_problem(400, "invalid-parameter");
    }

    let (source, reports) = (
        topics.names().events(Entity::Files),
        topics.names().group("reports"),
    );
    let path = format!("/api/v1/admin/dlq/{reports}/{source}/0/9");
    let refused = service.by_admin("POST", &format!("{path}/redrive")).send().await;
    refused.expect_problem(409, "no-retry-topic");
    let none = format!("/api/v1/admin/dlq/{group}/{source}/0/70");
    for request in [
        service.by_admin("GET", &none),
        service
            .by_admin("POST", &format!("{none}/discard"))
            .json(json!({"note": "why"})),
    ] {
        request.send().await.expect_problem(404, "dead-letter-not-found");
    }
    assert_eq!(audit(&service).await, [], "what was refused left nothing");
    assert_eq!(list(&service, "state=open").await.len(), 6);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_of_each_group_comes_back_to_that_group_alone() {
    let topics = TestTopics::create(1).await.unwrap();
    let service = service(&topics).await;
    let names = topics.names();
    let (items, files, told) = (
        names.events(Entity::Items),
        names.events(Entity::Files),
        names.store_notifications(),
    );
    let letters = [
        ("projector", &items, names.redriven("projector")),
        ("saga", &items, names.redriven("saga")),
        ("saga", &files, names.redriven("saga")),
        (
            "store-notifications",
            &told,
            names.redriven("store-notifications"),
        ),
    ];
    for (group, source, _) in &letters {
        give_up_of(&topics, group, source, 4, 1).await;
    }
    wait_for(&service, "state=open", letters.len()).await;
    // One after the other, so that what came by which is seen.
    for (group, source, retry) in &letters {
        let before = read_all(retry.clone()).await.len();
        let path = format!("/api/v1/admin/dlq/{}/{source}/0/4/redrive", names.group(group));
        service.by_admin("POST", &path).send().await.expect(202);
        wait_until("it was sent", || async {
            read_all(retry.clone()).await.len() == before + 1
        })
        .await;
        let sent = read_all(retry.clone()).await;
        assert_eq!(
            header_of(sent.last().unwrap(), header::ORIGINAL_TOPIC).unwrap(),
            source.as_bytes()
        );
    }
    wait_for(&service, "state=redriven", letters.len()).await;
    for (topic, count) in [
        (names.redriven("projector"), 1),
        (names.redriven("saga"), 2),
        (names.redriven("store-notifications"), 1),
        (names.retries()[0].clone(), 0),
        (items, 0),
        (files, 0),
        (told, 0),
    ] {
        assert_eq!(read_all(topic.clone()).await.len(), count, "{topic}");
    }
    service.stop().await;
}
