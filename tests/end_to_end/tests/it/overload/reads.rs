use depot_end_to_end::{Depot, Service};
use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_service::auth::Role;
use reqwest::StatusCode;
use sqlx::{Postgres, Transaction};
use tokio::task::JoinSet;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use super::{
    CONNECTIONS, EXCESS, MIB, PLACES, expect_no_more_than_the_places, expect_overloaded, expect_refused,
};

const ROUNDS: usize = 10;
/// Half of them are for the lists that are asked for here, the newest pages.
const FOR_LISTS: usize = 2 * CONNECTIONS;

/// Lists wait until the transaction ends.
async fn hold_lists(depot: &Depot) -> Transaction<'static, Postgres> {
    let mut held = depot.database.begin().await.unwrap();
    sqlx::query("LOCK TABLE read.items IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *held)
        .await
        .unwrap();
    held
}

/// As many lists as have places are under way and answered at the end; each that comes beyond is refused meanwhile.
async fn over_rest(depot: &Depot, bulkhead: &str) {
    let reader = depot.client("rita", Role::Reader);
    let held = hold_lists(depot).await;
    let mut lists = JoinSet::new();
    for _ in 0..PLACES + EXCESS {
        let reader = reader.clone();
        lists.spawn(async move { reader.send(reader.query("/api/v1/items")).await.unwrap() });
    }
    for _ in 0..EXCESS {
        expect_overloaded(&lists.join_next().await.unwrap().unwrap());
    }
    expect_no_more_than_the_places(depot, (Service::QueryApi, bulkhead), "depot_query", lists.len()).await;
    if bulkhead == "searches" {
        reads_by_key_have_room(depot).await;
    }
    held.rollback().await.unwrap();
    for accepted in lists.join_all().await {
        assert_eq!(accepted.status, StatusCode::OK, "{accepted:?}");
    }
}

/// Both of the places and of the connections.
async fn reads_by_key_have_room(depot: &Depot) {
    let reader = depot.client("rita", Role::Reader);
    let path = format!("/api/v1/uploads/{}", Uuid::now_v7());
    for _ in 0..PLACES {
        let answer = reader.send(reader.query(&path)).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    }
}

async fn over_grpc(depot: &Depot) {
    let client = QueryServiceClient::connect(depot.grpc_url()).await.unwrap();
    let authorization = format!("Bearer {}", depot.token("rita", Role::Reader));
    let held = hold_lists(depot).await;
    let mut lists: JoinSet<Result<(), Status>> = JoinSet::new();
    for _ in 0..PLACES + EXCESS {
        let mut client = client.clone();
        let mut request = Request::new(v1::ListItemsRequest::default());
        let token = authorization.parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        lists.spawn(async move { client.list_items(request).await.map(drop) });
    }
    for _ in 0..EXCESS {
        let refused = lists.join_next().await.unwrap().unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert!(
            String::from_utf8_lossy(refused.details()).contains("OVERLOADED"),
            "{refused:?}"
        );
    }
    let places = (Service::QueryApi, "gRPC calls");
    expect_no_more_than_the_places(depot, places, "depot_query", lists.len()).await;
    held.rollback().await.unwrap();
    for accepted in lists.join_all().await {
        accepted.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_five_times_the_capacity_excess_reads_are_refused_at_once_and_the_rest_is_answered() {
    let (connections, places) = (FOR_LISTS.to_string(), PLACES.to_string());
    let mut depot = Depot::start_with(&[
        ("QUERY_API_DATABASE_SEARCH_MAX_CONNECTIONS", &connections),
        ("QUERY_API_MAX_CONCURRENT_REQUESTS", &places),
        ("QUERY_API_DATABASE_ACQUIRE_TIMEOUT_MS", "60000"),
    ])
    .await
    .unwrap();
    let mut memory = 0;
    for round in 0..ROUNDS {
        over_rest(&depot, "requests").await;
        over_grpc(&depot).await;
        if round == 0 {
            memory = depot.process(Service::QueryApi).peak_memory().unwrap();
        }
    }
    let grown = depot.process(Service::QueryApi).peak_memory().unwrap() - memory;
    assert!(grown < 32 * MIB, "grown by {} KiB", grown / 1024);
    for bulkhead in ["requests", "gRPC calls"] {
        expect_refused(&depot, Service::QueryApi, bulkhead, ROUNDS * EXCESS).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_take_long_are_refused_beyond_their_own_places_and_leave_room_to_reads_by_key() {
    let (connections, places) = (FOR_LISTS.to_string(), PLACES.to_string());
    let depot = Depot::start_with(&[
        ("QUERY_API_DATABASE_SEARCH_MAX_CONNECTIONS", &connections),
        ("QUERY_API_MAX_CONCURRENT_SEARCHES", &places),
        ("QUERY_API_DATABASE_ACQUIRE_TIMEOUT_MS", "60000"),
    ])
    .await
    .unwrap();
    over_rest(&depot, "searches").await;
    expect_refused(&depot, Service::QueryApi, "searches", EXCESS).await;
}
