use depot_end_to_end::{Depot, Service};
use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::Method;
use serde_json::json;
use tonic::{Request, Streaming, transport::Channel};
use uuid::Uuid;

const WATCHERS: usize = 100;
const ITEMS: usize = 20;
const CHANGES: usize = 20;
/// As long as a description may be: in a message, and in the memory of who keeps it.
const LONG: usize = 10_000;
/// What streams may hold for a reader: as many messages as are buffered and read at a time, and no more however many come.
const PER_WATCHER: usize = (32 + 32) * 2 * LONG;
/// What the server collects of an answer before it waits for the client.
const OF_A_CONNECTION: usize = 512 * 1024;

async fn watch(depot: &Depot, resume_token: &str) -> Streaming<v1::WatchItemsResponse> {
    // A connection each: streams of one share its window.
    let channel = Channel::from_shared(depot.grpc_url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut request = Request::new(v1::WatchItemsRequest {
        resume_token: resume_token.to_owned(),
        ..Default::default()
    });
    let token = format!("Bearer {}", depot.token("reader", Role::Reader));
    request
        .metadata_mut()
        .insert("authorization", token.parse().unwrap());
    let mut client = QueryServiceClient::new(channel);
    client.watch_items(request).await.unwrap().into_inner()
}

/// Slow watchers of either kind: none is dropped for being slow, so that all hold what they can.
async fn depot() -> Depot {
    Depot::start_with(&[("QUERY_API_WATCH_SLOW_READER_SECONDS", "600")])
        .await
        .unwrap()
}

/// Writes all changes, and waits until the views have them; answers an item, and its version.
async fn write_all(depot: &Depot) -> (String, String) {
    let alice = depot.client("alice", Role::Writer);
    let change = |n: usize| json!({"name": "a", "description": format!("{n:05}").repeat(LONG / 5)});
    let (mut newest, mut items) = (String::new(), Vec::new());
    for n in 0..ITEMS {
        let created = alice.create_item(&format!("k{n}"), &change(n)).await.unwrap();
        items.push(created.text("id"));
    }
    for n in 0..CHANGES {
        for item in &items {
            let put = alice.command(Method::PUT, &format!("/api/v1/items/{item}"));
            let put = put
                .header("If-Match", "*")
                .header("Idempotency-Key", Uuid::now_v7().to_string())
                .json(&change(ITEMS + n));
            newest = alice.send(put).await.unwrap().version().unwrap();
        }
    }
    for item in &items {
        let path = format!("/api/v1/items/{item}");
        wait_until("the views have all changes", || async {
            alice
                .read_at_least(&path, &newest)
                .await
                .is_ok_and(|answer| answer.status == 200)
        })
        .await;
    }
    (items.swap_remove(0), newest)
}

/// What would have to be kept for all of them, if it were kept, is more than twice what the process may grow by.
fn assert_bounded(kind: &str, grown: u64, per_watcher: usize) {
    let kept = (WATCHERS * ITEMS * (CHANGES + 1) * LONG) as u64;
    let bound = (WATCHERS * per_watcher) as u64;
    println!(
        "{WATCHERS} {kind}: grown by {} MiB of {} MiB",
        grown >> 20,
        kept >> 20
    );
    assert!(grown < bound, "grown by {} MiB", grown >> 20);
    assert!(bound * 2 < kept, "the bound says something");
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_that_do_not_read_cost_the_server_no_memory_beyond_their_bound() {
    let mut depot = depot().await;
    let mut reads = watch(&depot, "").await;
    let begin = reads.message().await.unwrap().unwrap().resume_token;
    let (item, newest) = write_all(&depot).await;
    // One that reads has all of it, from the beginning: so much is there to be sent.
    let mut all = watch(&depot, &begin).await;
    let mut seen = 0;
    while seen < ITEMS * (CHANGES + 1) {
        seen += usize::from(all.message().await.unwrap().unwrap().change.is_some());
    }

    let before = depot.process(Service::QueryApi).peak_memory().unwrap();
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS {
        watchers.push(watch(&depot, &begin).await);
    }
    // Each has something to read, and does not read it.
    let mut one_more = watch(&depot, &begin).await;
    for _ in 0..ITEMS * (CHANGES + 1) {
        one_more.message().await.unwrap().unwrap();
    }
    let after = depot.process(Service::QueryApi).peak_memory().unwrap();
    assert_bounded("slow watchers", after - before, PER_WATCHER);
    drop(watchers);
    answers(&depot, &item, &newest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn event_streams_that_are_not_read_cost_the_server_no_memory_beyond_their_bound() {
    let mut depot = depot().await;
    let rita = depot.client("rita", Role::Reader);
    let begin = rita.stream(None).await.unwrap().next().await.unwrap();
    let begin = begin.unwrap().id.unwrap();
    let (item, newest) = write_all(&depot).await;
    let read_all = async || {
        let mut stream = rita.stream(Some(&begin)).await.unwrap();
        for _ in 0..ITEMS * (CHANGES + 1) {
            stream.event().await.unwrap();
        }
    };
    read_all().await;

    let before = depot.process(Service::QueryApi).peak_memory().unwrap();
    let mut streams = Vec::new();
    for _ in 0..WATCHERS {
        streams.push(rita.stream(Some(&begin)).await.unwrap());
    }
    read_all().await;
    let after = depot.process(Service::QueryApi).peak_memory().unwrap();
    assert_bounded("event streams", after - before, PER_WATCHER + OF_A_CONNECTION);
    drop(streams);
    answers(&depot, &item, &newest).await;
}

async fn answers(depot: &Depot, item: &str, newest: &str) {
    let alice = depot.client("alice", Role::Writer);
    let path = format!("/api/v1/items/{item}");
    assert_eq!(alice.read_at_least(&path, newest).await.unwrap().status, 200);
}
