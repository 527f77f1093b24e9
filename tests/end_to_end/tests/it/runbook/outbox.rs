//! An outbox that is not published: wholly, in part, or not in order.

use depot_end_to_end::{Backing, OwnKafka, Service};
use depot_schemas::Entity;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use serde_json::json;
use uuid::Uuid;

use super::{scene::Scene, table::Group};
use crate::long::is_left_out;

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_that_is_not_published_is_dealt_with_as_the_page_says() {
    if is_left_out("the runbook for the outbox") {
        return;
    }
    let kafka = OwnKafka::start().await.unwrap();
    let backing = Backing::create_on_brokers(kafka.gate.address()).await.unwrap();
    let mut scene = Scene::start(Group::Outbox, backing, &[], &[]).await;

    let mut waiting = scene.begin(&["DepotOutboxNotDraining"]).await;
    kafka.gate.shut();
    create(&scene, "while it is away").await;
    scene.fires(&mut waiting).await;
    kafka.gate.open();
    scene.clears(waiting).await;

    parked(&mut scene, kafka.gate.address()).await;
    without_relay(&mut scene).await;
    out_of_order(&mut scene).await;
    scene.end();
}

async fn create(scene: &Scene, name: &str) -> String {
    let created = scene
        .client("alice")
        .create_item(&Uuid::now_v7().to_string(), &json!({"name": name}))
        .await;
    let created = created.unwrap();
    assert_eq!(created.status.as_u16(), 201, "{created:?}");
    created.text("id")
}

/// Gives the topic its declared settings, and that limit instead of its own.
async fn limit(scene: &Scene, brokers: &str, bytes: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    let topic = scene.depot.topics().events(Entity::Items);
    let specs = scene.depot.topics().declared();
    let declared = specs.iter().find(|spec| spec.name == topic).unwrap().settings();
    let config = declared.iter().fold(
        AlterConfig::new(ResourceSpecifier::Topic(&topic)),
        |config, (name, value)| match *name {
            "max.message.bytes" => config.set(name, bytes),
            _ => config.set(name, value),
        },
    );
    let done = admin
        .alter_configs([&config], &AdminOptions::new())
        .await
        .unwrap();
    done.into_iter().for_each(|topic| drop(topic.unwrap()));
}

async fn parked(scene: &mut Scene, brokers: &str) {
    let mut parked = scene.begin(&["DepotOutboxAggregateParked"]).await;
    limit(scene, brokers, "100").await;
    create(scene, "too large").await;
    scene.fires(&mut parked).await;
    scene.mends(&mut parked, "DepotOutboxAggregateParked").await;
    scene.clears(parked).await;
}

async fn without_relay(scene: &mut Scene) {
    let mut unheld = scene.begin(&["DepotOutboxWithoutLeader"]).await;
    relay(scene, "false").await;
    scene.fires(&mut unheld).await;
    relay(scene, "true").await;
    scene.clears(unheld).await;
}

async fn relay(scene: &mut Scene, enabled: &str) {
    let command_api = scene.depot.process(Service::CommandApi);
    command_api.set("RELAY_ENABLED", enabled);
    assert!(command_api.terminate().await.unwrap());
    command_api.restart().unwrap();
    scene.depot.wait_ready(Service::CommandApi).await;
}

/// By somebody's SQL, which knows nothing of the lock under which versions are given out.
async fn out_of_order(scene: &mut Scene) {
    let item = create(scene, "written once").await;
    let mut violated = scene.begin(&["DepotOutboxOrderViolated"]).await;
    let twice = format!(
        "INSERT INTO command.outbox (occurred_at, aggregate_version, aggregate_id, event_id, shard, topic, event_type,
                                     headers, payload)
         SELECT occurred_at, aggregate_version, aggregate_id, event_id, shard, topic, event_type, headers, payload
         FROM command.outbox, generate_series(1, 2) WHERE aggregate_id = '{item}'"
    );
    scene.execute(&twice).await;
    scene.fires(&mut violated).await;
    // Found to be nobody's.
    scene
        .execute(&format!(
            "DELETE FROM command.outbox_parked WHERE aggregate_id = '{item}'"
        ))
        .await;
    scene.mends(&mut violated, "DepotOutboxOrderViolated").await;
    scene.clears(violated).await;
}
