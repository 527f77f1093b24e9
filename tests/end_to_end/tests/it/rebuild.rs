//! The views are built anew, switched to, switched back and dropped, while everybody goes on writing and reading.

mod reading;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use depot_end_to_end::{Depot, Service};
use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_service::auth::Role;
use depot_test_stack::{eventually, wait_until};
use serde_json::Value;
use tokio::task::JoinHandle;
use tonic::{Code, Request, transport::Channel};

use self::reading::Readers;
use crate::{
    load::{Acknowledged, Load},
    long::is_left_out,
};

/// Items that are there before the rebuild begins: more events than one batch.
const BEFORE: usize = 250;
/// Reads of each kind between two steps.
const BETWEEN: usize = 40;

/// Runs `depot projection …` to its end, which has to be a good one; answers its JSON.
async fn projection(depot: &Depot, arguments: &[&str]) -> Value {
    let (code, answer) = projection_ends(depot, arguments).await;
    assert_eq!(code, 0, "projection {arguments:?}: {answer}");
    answer
}

async fn projection_ends(depot: &Depot, arguments: &[&str]) -> (i32, Value) {
    let admin = depot.token("root", Role::Admin);
    let arguments: Vec<&str> = ["projection"]
        .into_iter()
        .chain(arguments.iter().copied())
        .chain(["--json"])
        .collect();
    let tool = depot.start_tool(&arguments, &[("DEPOT_TOKEN", &admin)]).unwrap();
    let output = tool.wait_with_output().await.unwrap();
    let (told, errors) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    let answer = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{arguments:?}: {told} {errors}"));
    (output.status.code().unwrap_or(-1), answer)
}

/// `(projection, state)` of all versions.
async fn states(depot: &Depot) -> Vec<(i64, String)> {
    let list = projection(depot, &["status"]).await;
    let projections = list["projections"].as_array().unwrap().iter();
    let state = |status: &Value| {
        let state = status["state"].as_str().unwrap().to_owned();
        (status["projection"].as_i64().unwrap(), state)
    };
    projections.map(state).collect()
}

/// The versions of each item, in the order in which a stream tells of them.
type Told = BTreeMap<String, Vec<i64>>;

/// A stream from now on, that goes on until `wanted` was told of.
async fn watch(depot: &Depot, wanted: tokio::sync::watch::Receiver<Option<Told>>) -> JoinHandle<Told> {
    let channel = Channel::from_shared(depot.grpc_url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut request = Request::new(v1::WatchItemsRequest::default());
    let token = format!("Bearer {}", depot.token("reader", Role::Reader));
    request
        .metadata_mut()
        .insert("authorization", token.parse().unwrap());
    let mut client = QueryServiceClient::new(channel);
    let mut stream = client.watch_items(request).await.unwrap().into_inner();
    // The first message says from where on.
    stream.message().await.unwrap().unwrap();
    tokio::spawn(async move {
        let mut told = Told::new();
        loop {
            let is_complete = |wanted: &Told| {
                wanted.iter().all(|(id, versions)| {
                    told.get(id)
                        .is_some_and(|told: &Vec<i64>| told.last() >= versions.last())
                })
            };
            if wanted.borrow().as_ref().is_some_and(is_complete) {
                return told;
            }
            let message = match stream.message().await {
                Ok(Some(message)) => message,
                Ok(None) => panic!("the stream has ended"),
                Err(status) => {
                    assert_ne!(status.code(), Code::OutOfRange, "{status}");
                    panic!("the stream was ended: {status}");
                }
            };
            if let Some(change) = message.change {
                let version = change.version.parse().unwrap();
                told.entry(change.item_id).or_default().push(version);
            }
        }
    })
}

/// The versions that each item has had, by what its clients were told last.
fn versions(acknowledged: &Acknowledged) -> Told {
    let items = acknowledged.items.lock().unwrap();
    let versions = items
        .iter()
        .map(|(id, (version, _))| (id.clone(), (1..=*version).collect()));
    versions.collect()
}

async fn is_written(acknowledged: &Acknowledged, items: usize) {
    wait_until("the writers have written more", || {
        let written = acknowledged.items.lock().unwrap().len();
        std::future::ready(written >= items)
    })
    .await;
}

/// Of each item of the state whether the views have another version of it.
async fn differing(depot: &Depot, projection: i32) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM command.items s
         FULL JOIN (SELECT id, version, description FROM read.items WHERE projection = $1) v USING (id)
         WHERE (s.version, s.description) IS DISTINCT FROM (v.version, v.description)",
    )
    .bind(projection)
    .fetch_one(&depot.database)
    .await
    .unwrap()
}

async fn rows_of(depot: &Depot, projection: i32) -> i64 {
    sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM read.items WHERE projection = $1)
              + (SELECT count(*) FROM read.item_history WHERE projection = $1)
              + (SELECT count(*) FROM read.uploads WHERE projection = $1)",
    )
    .bind(projection)
    .fetch_one(&depot.database)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_are_built_anew_under_load_and_no_read_fails() {
    if is_left_out("the rebuild under load") {
        return;
    }
    let depot = Depot::start_with(&[("RATE_LIMIT_PER_SECOND", "0")])
        .await
        .unwrap();
    // Partitions are shared by two projectors, which both have to feed both versions.
    let _another = depot.start_another(Service::Projector).await.unwrap();
    let (finish, wanted) = tokio::sync::watch::channel(None);
    let watching = watch(&depot, wanted).await;
    let load = Load::start(&depot.client("alice", Role::Writer));
    let acknowledged: Arc<Acknowledged> = Arc::clone(&load.acknowledged);
    is_written(&acknowledged, BEFORE).await;
    let readers = Readers::start(&depot, &acknowledged).await;
    readers.have_read(BETWEEN).await;

    let began = Instant::now();
    let built = projection(&depot, &["rebuild"]).await;
    let took = began.elapsed();
    assert_eq!(
        (
            built["projection"].as_i64(),
            built["comparison"]["differences"].as_i64()
        ),
        (Some(2), Some(0))
    );
    assert_eq!(built["comparison"]["views"].as_array().map(Vec::len), Some(6));
    let rows = built["comparison"]["views"][0]["of_projection"]["rows"].as_u64();
    assert!(rows.is_some_and(|rows| rows >= BEFORE as u64), "{built}");
    readers.have_read(BETWEEN).await;

    let mut stood_still = Vec::new();
    for (arguments, expected) in [
        (&["switch", "2", "--wait", "120"][..], ["standby", "serving"]),
        (&["rollback", "--wait", "120"], ["serving", "standby"]),
        (&["switch", "2", "--wait", "120"], ["standby", "serving"]),
    ] {
        let switched = projection(&depot, arguments).await;
        stood_still.push(switched["held_ms"].as_u64().unwrap());
        let expected = [(1, expected[0].to_owned()), (2, expected[1].to_owned())];
        assert_eq!(states(&depot).await, expected, "{arguments:?}");
        readers.have_read(BETWEEN).await;
    }
    let (code, refused) = projection_ends(&depot, &["drop", "2"]).await;
    assert_eq!(code, 3, "{refused}");
    let dropped = projection(&depot, &["drop", "1"]).await;
    assert_eq!(rows_of(&depot, 1).await, 0);
    assert_eq!(states(&depot).await[0], (1, "dropped".to_owned()));
    readers.have_read(BETWEEN).await;

    let acknowledged = load.stop().await;
    let figures = readers.stop().await;
    let wanted = versions(&acknowledged);
    finish.send(Some(wanted.clone())).unwrap();
    // A last change, since the stream looks up at what is wanted when it is told of one.
    let alice = depot.client("alice", Role::Writer);
    let last = alice
        .create_item("the-last", &serde_json::json!({"name": "last"}))
        .await
        .unwrap();
    assert_eq!(last.status, 201);
    let told = watching.await.unwrap();
    for (id, versions) in &wanted {
        let told = told.get(id).map_or(&[][..], Vec::as_slice);
        let told = told.get(..versions.len()).unwrap_or(told);
        assert_eq!(told, versions, "the stream has a gap or a double in {id}");
    }
    wait_until("the views are as the state is", || async {
        differing(&depot, 2).await == 0
    })
    .await;
    let shown = eventually("the last item is shown", || async {
        let path = format!("/api/v1/items/{}", last.text("id"));
        alice
            .read_at_least(&path, "1")
            .await
            .ok()
            .filter(|answer| answer.status == 200)
    })
    .await;
    assert_eq!(shown.header("etag"), Some("\"1-p2\""));
    println!(
        "built {} events in {:.1} s, {:.0} a second (the command took {:.1} s); stood still for {stood_still:?} ms; \
         dropped {} rows; {} items written meanwhile; {figures}",
        built["events"],
        built["seconds"].as_f64().unwrap_or_default(),
        built["events_per_second"].as_f64().unwrap_or_default(),
        took.as_secs_f64(),
        dropped["rows"],
        wanted.len()
    );
}
