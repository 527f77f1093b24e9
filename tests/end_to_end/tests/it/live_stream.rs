//! What a writer does, as server-sent events: over cuts, kills and restarts of the service that sends them.

use depot_end_to_end::{Client, Depot, EventStream, Service};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::json;

/// An item that is changed step by step.
struct Changing {
    alice: Client,
    id: String,
    version: String,
}

impl Changing {
    async fn create(alice: Client) -> Self {
        let created = alice.create_item("created", &json!({"name": "a"})).await.unwrap();
        assert_eq!(created.status, 201, "{created:?}");
        Self {
            alice,
            id: created.text("id"),
            version: created.version().unwrap(),
        }
    }

    async fn change(&mut self) {
        let key = format!("changed-{}", self.version);
        let patch = json!({"description": format!("after {}", self.version)});
        let changed = self
            .alice
            .patch_item(&self.id, &self.version, &key, &patch)
            .await
            .unwrap();
        assert_eq!(changed.status, 200, "{changed:?}");
        self.version = changed.version().unwrap();
    }

    /// Reads the next change, which has to be this one; answers the place behind it.
    async fn expect(&self, stream: &mut EventStream, event: &str, version: i64) -> String {
        let sent = stream.event().await.unwrap();
        let told = sent.json();
        assert_eq!(
            (sent.event.as_deref(), &told["item_id"], &told["version"]),
            (Some(event), &self.id.as_str().into(), &version.into()),
            "{sent:?}"
        );
        sent.id.unwrap()
    }
}

const UPDATED: &str = "depot.item.updated.v1";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_writer_does_is_streamed_in_order_over_cuts_and_restarts() {
    let mut depot = Depot::start().await.unwrap();
    let rita = depot.client("rita", Role::Reader);
    let mut stream = rita.stream(None).await.unwrap();
    // Where it begins: what comes after it is told.
    stream.next().await.unwrap().unwrap();
    assert_eq!(streams(&depot, "open{door=\"rest\"").await, 1.0);

    let mut item = Changing::create(depot.client("alice", Role::Writer)).await;
    for _ in 2..=4 {
        item.change().await;
    }
    item.expect(&mut stream, "depot.item.created.v1", 1).await;
    let mut id = String::new();
    for version in 2..=4 {
        id = item.expect(&mut stream, UPDATED, version).await;
    }

    // The connection is cut, and the item changed meanwhile.
    drop(stream);
    item.change().await;
    let depot_of_now = &depot;
    wait_until("the cut is noticed", || async move {
        streams(depot_of_now, "ended_total{door=\"rest\",reason=\"client\"").await == 1.0
    })
    .await;
    let mut stream = rita.stream(Some(&id)).await.unwrap();
    id = item.expect(&mut stream, UPDATED, 5).await;

    // The process is killed, which says nothing.
    depot.process(Service::QueryApi).kill().await.unwrap();
    item.change().await;
    item.change().await;
    assert!(stream.event().await.is_err(), "cut off");
    depot.process(Service::QueryApi).restart().unwrap();
    depot.wait_ready(Service::QueryApi).await;
    let mut stream = rita.stream(Some(&id)).await.unwrap();
    item.expect(&mut stream, UPDATED, 6).await;
    item.expect(&mut stream, UPDATED, 7).await;

    // The process is asked to stop, and says so.
    let stopping = async {
        let goodbye = stream.event().await.unwrap();
        assert!(stream.next().await.unwrap().is_none(), "behind {goodbye:?}");
        goodbye
    };
    let (ended_well, goodbye) = tokio::join!(depot.process(Service::QueryApi).terminate(), stopping);
    assert!(ended_well.unwrap());
    assert_eq!(goodbye.event.as_deref(), Some("draining"));
    id = goodbye.id.unwrap();
    let deleted = item.alice.delete_item(&item.id, &item.version).await.unwrap();
    assert_eq!(deleted.status, 204, "{deleted:?}");
    depot.process(Service::QueryApi).restart().unwrap();
    depot.wait_ready(Service::QueryApi).await;
    let mut stream = rita.stream(Some(&id)).await.unwrap();
    item.expect(&mut stream, "depot.item.deleted.v1", 8).await;
}

/// What is measured of streams under that name.
async fn streams(depot: &Depot, begins: &str) -> f64 {
    depot
        .metric(Service::QueryApi, &format!("depot_watch_streams_{begins}"))
        .await
        .unwrap()
}
