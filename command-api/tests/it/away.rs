//! The database is away, and comes back.

use std::time::Duration;

use depot_test_stack::{Gate, ServiceRole, TestDatabase, wait_until};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    client::{Request, Response},
    service::{Service, metric, new_key},
};

/// A service whose database is behind a gate.
async fn behind_a_gate(settings: &[(&str, &str)]) -> (Service, Gate) {
    let database = TestDatabase::create().await.unwrap();
    let url = database.url(ServiceRole::Command);
    let (_, place) = url.rsplit_once('@').unwrap();
    let (server, _) = place.split_once('/').unwrap();
    let gate = Gate::to(server).await;
    let url = url.replace(server, gate.address());
    let pool = database.owner_pool().await;
    let service = Service::at(&url, pool, Some(database), settings).await;
    (service, gate)
}

fn create(service: &Service, key: &str) -> Request {
    service
        .by("alice", "POST", "/api/v1/items")
        .key(key)
        .json(json!({"name": "a"}))
}

fn expect_unavailable(answer: &Response) {
    let answer = answer.clone().expect_problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

#[tokio::test]
async fn while_the_database_is_cut_off_commands_are_refused_at_once_and_it_comes_back_by_itself() {
    let (service, gate) = behind_a_gate(&[]).await;
    create(&service, "before").send().await.expect(201);
    let opened = "depot_breaker_opened_total{dependency=\"postgres\"}";
    let before = metric(&service, opened).await;
    gate.shut();
    wait_until("the database is known to be away", || async {
        expect_unavailable(&create(&service, "during").send().await);
        metric(&service, opened).await > before
    })
    .await;

    // Known to be away, it is asked once a second; whoever else comes is answered without it.
    let (begun, asked) = (Instant::now(), gate.turned_away());
    for _ in 0..100 {
        expect_unavailable(&create(&service, "during").send().await);
    }
    let asked = gate.turned_away() - asked;
    // The relay is off; readiness is not asked. Each try of the pool is one connection.
    let at_most = 2 + usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(asked <= at_most, "{asked} connections for 100 commands");
    expect_unavailable(&service.by("alice", "GET", "/api/v1/accounts/alice").send().await);

    gate.open();
    wait_until("commands are accepted again", || async {
        create(&service, "during").send().await.status == 201
    })
    .await;
    let replayed = create(&service, "before").send().await.expect(201);
    assert!(replayed.is_replayed());
    let items: i64 = sqlx::query_scalar("SELECT count(*) FROM command.items")
        .fetch_one(&service.pool)
        .await
        .unwrap();
    assert_eq!(items, 2, "each key has acted once");
    service.stop().await;
}

#[tokio::test]
async fn a_database_that_falls_silent_keeps_no_command_and_no_place() {
    let (service, gate) = behind_a_gate(&[("MAX_CONCURRENT_COMMANDS", "20")]).await;
    create(&service, "before").send().await.expect(201);
    gate.hold();
    // As many as there are places, and then as many again: a command that was kept would have kept its place, and the
    // second round would be answered that there is none.
    for _ in 0..2 {
        let waiting: Vec<_> = (0..20)
            .map(|n| tokio::spawn(create(&service, &format!("silent-{n}")).send()))
            .collect();
        for answer in waiting {
            expect_unavailable(&answer.await.unwrap());
        }
    }

    gate.open();
    wait_until("commands are accepted again", || async {
        create(&service, &new_key()).send().await.status == 201
    })
    .await;
    // What was cut off in the middle has happened once or not at all, and its key says which.
    for n in 0..20 {
        create(&service, &format!("silent-{n}")).send().await.expect(201);
    }
    let rows: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM command.idempotency_keys), (SELECT count(*) FROM command.items)",
    )
    .fetch_one(&service.pool)
    .await
    .unwrap();
    assert_eq!(rows.0, rows.1, "an item for each key");
    tokio::time::timeout(Duration::from_secs(30), service.stop())
        .await
        .expect("nothing is left that keeps it from ending");
}
