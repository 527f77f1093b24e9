//! Five times as much at once as a service takes.
//!
//! The database's work is held up as long as the test likes, so nothing here depends on how fast anything is: who is
//! refused is refused while nobody who was accepted can be at the end. How long those wait who were accepted is a matter of
//! how many are before them at the pool, and that is what is asserted.

mod commands;
mod reads;

use depot_end_to_end::{Answer, Depot, Service};
use depot_test_stack::wait_until;
use reqwest::StatusCode;

/// Of a pool.
const CONNECTIONS: usize = 4;
/// Four for each connection.
const PLACES: usize = 16;
const EXCESS: usize = 4 * PLACES;
const MIB: u64 = 1024 * 1024;

fn expect_overloaded(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert!(answer.text("type").ends_with("overloaded"), "{answer:?}");
    assert!(answer.header("retry-after").is_some());
}

/// Asserts of a service whose database is held up, and which was asked by all: `under_way` of them have no answer yet, which
/// is as many as there are places; all connections of the pool are at work, so that the others wait for one of them.
async fn expect_no_more_than_the_places(
    depot: &Depot,
    (service, bulkhead): (Service, &str),
    role: &str,
    under_way: usize,
) {
    assert_eq!(under_way, PLACES);
    let in_use = format!("depot_bulkhead_in_use{{bulkhead=\"{bulkhead}\"}}");
    assert_eq!(depot.metric(service, &in_use).await.unwrap(), PLACES as f64);
    wait_until("all connections are at work", || async {
        let held_up: i64 = sqlx::query_scalar(
            "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
             WHERE NOT granted AND datname = current_database() AND usename = $1",
        )
        .bind(role)
        .fetch_one(&depot.database)
        .await
        .unwrap();
        held_up == CONNECTIONS as i64
    })
    .await;
    // Nobody was let in meanwhile.
    assert_eq!(depot.metric(service, &in_use).await.unwrap(), PLACES as f64);
}

async fn expect_refused(depot: &Depot, service: Service, bulkhead: &str, refused: usize) {
    let counted = format!("depot_bulkhead_refused_total{{bulkhead=\"{bulkhead}\"}}");
    assert_eq!(depot.metric(service, &counted).await.unwrap(), refused as f64);
}
