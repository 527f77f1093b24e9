//! docs/privacy.md: what is told of a person, and what can be erased.

use crate::long::is_left_out;
use depot_end_to_end::Depot;
use depot_proto::v1::{self, command_service_client::CommandServiceClient};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::json;
use tonic::Request;

use super::{page::marked, shell::Shell};

const PAGE: &str = "docs/privacy.md";

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_data_are_told_and_erased_as_the_page_says() {
    if is_left_out("the examples of docs/privacy.md") {
        return;
    }
    let depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let body = json!({"name": "Alice's bicycle", "description": "where she lives"});
    let item = alice
        .create_item("a-key-of-hers", &body)
        .await
        .unwrap()
        .text("id");
    let upload = alice
        .upload(&item, "alice.txt", b"what she wrote".to_vec())
        .await
        .unwrap();
    create_over_grpc(&depot).await;
    // Created, and the file attached.
    let seen = "SELECT count(*) FROM read.items WHERE id = $1::uuid AND version >= 2";
    wait_until("the views have it", || async {
        count(&depot, seen, &item).await == 1
    })
    .await;

    let mut shell = Shell::on(&depot);
    let token = depot.token("olivia", Role::Admin);
    shell.set("AUTH", format!("Authorization: Bearer {token}"));
    shell.set("SUBJECT", "alice");
    shell.set("ID", &*item);
    shell.set("UPLOAD", &*upload);
    let told = shell.run(PAGE, &marked(PAGE, "tested: access")).await;
    for part in [
        // By the routes.
        "\"where she lives\"",
        "\"used_bytes\":14",
        // By the statements.
        "| where she lives |",
        "| alice.txt",
        "POST /api/v1/items",
        "gRPC /depot.v1.CommandService/CreateItem",
    ] {
        assert!(told.contains(part), "{part} is not told:\n{told}");
    }
    shell.run(PAGE, &marked(PAGE, "tested: erasure")).await;
    let text = "SELECT count(*) FROM command.items WHERE id = $1::uuid AND deleted AND name = 'erased' AND description = ''";
    assert_eq!(count(&depot, text, &item).await, 1);
    wait_until("its files go", || async {
        let show = ["saga", "show", "item_deletion", &item, "--json"];
        let token = depot.token("olivia", Role::Admin);
        let shown = depot.start_tool(&show, &[("DEPOT_TOKEN", &token)]).unwrap();
        let shown = shown.wait_with_output().await.unwrap();
        String::from_utf8_lossy(&shown.stdout).contains("\"completed\"")
    })
    .await;
}

/// Its kept answer is no text, as those of REST are.
async fn create_over_grpc(depot: &Depot) {
    let mut create = Request::new(v1::CreateItemRequest {
        item: Some(v1::ItemContent {
            name: "Alice's tandem".to_owned(),
            ..v1::ItemContent::default()
        }),
    });
    let token = format!("Bearer {}", depot.token("alice", Role::Writer));
    for (name, value) in [("authorization", token.as_str()), ("idempotency-key", "k")] {
        create.metadata_mut().insert(name, value.parse().unwrap());
    }
    let url = depot.command_grpc_url();
    let mut commands = CommandServiceClient::connect(url).await.unwrap();
    commands.create_item(create).await.unwrap();
}

async fn count(depot: &Depot, statement: &'static str, id: &str) -> i64 {
    let found = sqlx::query_scalar(statement).bind(id);
    found.fetch_one(&depot.database).await.unwrap()
}
