//! The whole process, from Kafka to the views.

use std::collections::BTreeSet;

use depot_domain::VersionToken;
use depot_schemas::{Entity, header};
use depot_service::{config::RedisConfig, shutdown::Shutdown};
use depot_test_stack::{eventually, settings, wait_until};
use projector::Application;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
};

use crate::{
    events::{delete, file, item, item_event, next, upload, upload_event},
    whole_process::{Pipeline, Running},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_goes_to_the_dead_letters_and_the_next_event_goes_on() {
    let pipeline = Pipeline::new(1).await;
    let running = pipeline.start().await;
    let first = item("alice", &["x"]);
    let good = item_event(&first);
    let key = || Some(first.id.to_string());
    let payload = good.payload().unwrap();
    pipeline.send(&good).await;
    pipeline.send_raw(&good, key(), b"{ no json", &[]).await;
    pipeline.send_raw(&good, None, &payload, &[]).await;
    pipeline
        .send_raw(&good, key(), &payload, &[(header::TYPE, "depot.item.painted.v1")])
        .await;
    pipeline
        .send_raw(&good, key(), &payload, &[(header::TYPE, "depot.item.created.v9")])
        .await;
    // Decodes, but no text of Postgres holds it.
    let mut nul = item("alice", &[]);
    nul.name = "\0".to_owned();
    pipeline.send(&item_event(&nul)).await;
    let second = next(&first, |_| ());
    pipeline.send(&item_event(&second)).await;
    let requested = upload_event(&upload("alice"));
    pipeline
        .send_raw(
            &requested,
            Some(requested.envelope.subject.to_string()),
            b"[]",
            &[],
        )
        .await;
    pipeline.send(&requested).await;

    pipeline.wait_for_version(first.id, 2).await;
    let letters = pipeline.dead_letters(Entity::Items, 5);
    let reasons: BTreeSet<&str> = letters.iter().map(|(reason, _, _)| reason.as_str()).collect();
    let wanted = [
        "missing_key",
        "not_json",
        "refused_by_database",
        "unknown_type",
        "unknown_version",
    ];
    assert_eq!(reasons, BTreeSet::from(wanted));
    assert!(
        letters
            .iter()
            .all(|(_, group, _)| *group == pipeline.names().group("projector")),
        "{letters:?}"
    );
    assert!(
        letters
            .iter()
            .any(|(reason, _, payload)| reason == "not_json" && payload == b"{ no json")
    );
    let uploads = pipeline.dead_letters(Entity::Uploads, 1);
    assert_eq!(
        (uploads[0].0.as_str(), uploads[0].2.as_slice()),
        ("invalid_data", &b"[]"[..])
    );
    wait_until("the upload is in its view", || async {
        let uploads: i64 = sqlx::query_scalar("SELECT count(*) FROM read.uploads")
            .fetch_one(&pipeline.fixture.pool)
            .await
            .unwrap();
        uploads == 1
    })
    .await;
    assert_eq!(running.waiting_for().await, "");
    let offset: i64 = sqlx::query_scalar("SELECT next_offset FROM read.offsets WHERE topic = $1")
        .bind(pipeline.names().events(Entity::Items))
        .fetch_one(&pipeline.fixture.pool)
        .await
        .unwrap();
    assert_eq!(offset, 7);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_projectors_share_the_partitions_and_one_takes_over_where_the_other_stopped() {
    let pipeline = Pipeline::new(3).await;
    let mut events = Vec::new();
    let mut newest = Vec::new();
    for n in 0..60 {
        let created = item(["alice", "bob"][n % 2], &["x", "y"]);
        let changed = next(&created, |item| item.files.push(file(n as i64)));
        let last = if n % 3 == 0 {
            delete(&changed)
        } else {
            next(&changed, |item| item.tags.clear())
        };
        newest.push(last.clone());
        events.push([created, changed, last].map(|state| item_event(&state)));
    }
    let (one, two) = (pipeline.start().await, pipeline.start().await);
    let (early, late) = events.split_at(30);
    pipeline.send_all(&early.concat()).await;
    pipeline.wait_for_version(newest[0].id, 3).await;
    pipeline.send_all(&late.concat()).await;
    one.stop().await;
    for item in &newest {
        pipeline.wait_for_version(item.id, 3).await;
    }
    // The log once more: nothing changes.
    let before = pipeline.fixture.views().await;
    pipeline.send_all(&events.concat()).await;
    wait_until("the views stand at the log's end", || async {
        let read: Option<i64> =
            sqlx::query_scalar("SELECT sum(next_offset)::bigint FROM read.offsets WHERE topic = $1")
                .bind(pipeline.names().events(Entity::Items))
                .fetch_one(&pipeline.fixture.pool)
                .await
                .unwrap();
        read == Some(2 * 180)
    })
    .await;
    two.stop().await;
    assert_eq!(pipeline.fixture.views().await, before);
    assert_eq!(pipeline.fixture.count("item_history").await, 180);
    assert_eq!(pipeline.fixture.miscounted().await, Vec::<String>::new());
    for item in &newest {
        let entry = pipeline
            .fixture
            .cached(depot_read_model::EntityKind::Item, item.id)
            .await
            .unwrap();
        assert_eq!(
            (entry.version, entry.is_deleted()),
            (VersionToken::new(0, 3), item.deleted)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_begins_later_than_the_views_stops_its_partition_and_says_so() {
    let pipeline = Pipeline::new(1).await;
    let topic = pipeline.names().events(Entity::Items);
    pipeline.send(&item_event(&item("alice", &[]))).await;
    pipeline.send(&item_event(&item("alice", &[]))).await;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .create()
        .unwrap();
    let mut up_to = TopicPartitionList::new();
    up_to.add_partition_offset(&topic, 0, Offset::Offset(1)).unwrap();
    admin.delete_records(&up_to, &AdminOptions::new()).await.unwrap();

    let running = pipeline.start().await;
    let reason = eventually("readiness names the stopped partition", || async {
        Some(running.waiting_for().await).filter(|waiting| waiting.contains("is stopped"))
    })
    .await;
    assert!(reason.contains(&format!("{topic} [0]")), "{reason}");
    // The other topic goes on.
    pipeline.send(&upload_event(&upload("alice"))).await;
    wait_until("the upload is in its view", || async {
        let uploads: i64 = sqlx::query_scalar("SELECT count(*) FROM read.uploads")
            .fetch_one(&pipeline.fixture.pool)
            .await
            .unwrap();
        uploads == 1
    })
    .await;
    assert_eq!(pipeline.fixture.count("items").await, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_events_become_visible_and_the_projector_is_ready() {
    let pipeline = Pipeline::new(1).await;
    let mut config = pipeline.config();
    // A port of the loopback on which nobody listens.
    config.redis = RedisConfig::new("127.0.0.1:1", "none:");
    let shutdown = Shutdown::new();
    let application = Application::build(config, shutdown.clone()).await.unwrap();
    let readiness = application.readiness();
    let running = Running {
        shutdown,
        readiness,
        ended: tokio::spawn(application.run_until_stopped()),
    };
    let created = item("alice", &["x"]);
    pipeline.send(&item_event(&created)).await;
    pipeline.wait_for_version(created.id, 1).await;
    wait_until("nothing is pending", || async {
        pipeline.fixture.count("pending_cache").await == 0
    })
    .await;
    assert!(pipeline.fixture.generation().await > 1);
    // The partitions of the other topics may still be on their way to it.
    wait_until("the projector is ready", || async {
        running.waiting_for().await.is_empty()
    })
    .await;
    running.stop().await;
}
