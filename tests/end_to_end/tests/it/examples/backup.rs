//! docs/backup.md: views that are emptied, and come back from the log.

use crate::long::is_left_out;
use depot_end_to_end::{Depot, Service};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::json;

use super::{page::marked, shell::Shell};

pub const PAGE: &str = "docs/backup.md";

#[tokio::test(flavor = "multi_thread")]
async fn views_are_built_again_in_their_place_as_the_page_says() {
    if is_left_out("the examples of docs/backup.md") {
        return;
    }
    let mut depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    for name in ["one", "two", "three"] {
        alice.create_item(name, &json!({"name": name})).await.unwrap();
    }
    let rows = |depot: &Depot| {
        let pool = depot.database.clone();
        async move {
            let names = "SELECT coalesce(string_agg(name, ' ' ORDER BY id), '') FROM read.items";
            sqlx::query_scalar::<_, String>(names)
                .fetch_one(&pool)
                .await
                .unwrap()
        }
    };
    wait_until("the views have all", || async {
        rows(&depot).await == "one two three"
    })
    .await;
    assert!(depot.process(Service::Projector).terminate().await.unwrap());
    Shell::on(&depot).run(PAGE, &marked(PAGE, "tested")).await;
    assert_eq!(rows(&depot).await, "");
    depot.process(Service::Projector).restart().unwrap();
    wait_until("they have them again", || async {
        rows(&depot).await == "one two three"
    })
    .await;
}
