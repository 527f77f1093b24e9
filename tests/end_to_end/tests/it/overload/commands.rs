use depot_end_to_end::{Answer, Client, Depot, Service};
use depot_service::auth::Role;
use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    CONNECTIONS, EXCESS, MIB, PLACES, expect_no_more_than_the_places, expect_overloaded, expect_refused,
};

const ROUNDS: usize = 10;

/// As many at once as five times the places.
fn five_times_the_places(client: &Client) -> JoinSet<Answer> {
    let mut commands = JoinSet::new();
    for _ in 0..PLACES + EXCESS {
        let client = client.clone();
        commands.spawn(async move {
            let (key, body) = (Uuid::now_v7().to_string(), json!({"name": "a"}));
            client.create_item(&key, &body).await.unwrap()
        });
    }
    commands
}

#[tokio::test(flavor = "multi_thread")]
async fn at_five_times_the_capacity_the_excess_is_refused_at_once_and_the_rest_is_done() {
    // The places are not set: there are four for each connection.
    refuses_the_excess("commands", &[("COMMAND_GROUP_MAX_SIZE", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_share_transactions_have_places_of_their_own_and_the_excess_is_refused_at_once() {
    // Four groups for each lane.
    let small = [("COMMAND_GROUP_MAX_SIZE", "2"), ("COMMAND_GROUP_LANES", "2")];
    refuses_the_excess("grouped commands", &small).await;
}

async fn refuses_the_excess(bulkhead: &str, settings: &[(&str, &str)]) {
    let connections = CONNECTIONS.to_string();
    let common = [
        ("COMMAND_API_DATABASE_MAX_CONNECTIONS", connections.as_str()),
        // A machine that stands still is not what is tested.
        ("COMMAND_API_DATABASE_ACQUIRE_TIMEOUT_MS", "60000"),
        // These take connections of the same pool.
        ("COMMAND_API_SAGA_ENABLED", "false"),
        ("COMMAND_API_DEAD_LETTERS_ENABLED", "false"),
        ("COMMAND_API_SAGA_SWEEP_ENABLED", "false"),
    ];
    let mut depot = Depot::start_with(&[&common, settings].concat()).await.unwrap();
    let work = "CREATE FUNCTION command.work() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
         CREATE TRIGGER work BEFORE INSERT ON command.items FOR EACH ROW EXECUTE FUNCTION command.work();
         GRANT EXECUTE ON FUNCTION command.work() TO PUBLIC;";
    sqlx::raw_sql(work).execute(&depot.database).await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let mut memory = 0;
    for round in 0..ROUNDS {
        let mut held = depot.database.acquire().await.unwrap();
        sqlx::query("SELECT pg_advisory_lock(1)")
            .execute(&mut *held)
            .await
            .unwrap();
        let mut commands = five_times_the_places(&alice);
        for _ in 0..EXCESS {
            expect_overloaded(&commands.join_next().await.unwrap().unwrap());
        }
        let places = (Service::CommandApi, bulkhead);
        expect_no_more_than_the_places(&depot, places, "depot_command", commands.len()).await;
        sqlx::query("SELECT pg_advisory_unlock(1)")
            .execute(&mut *held)
            .await
            .unwrap();
        for accepted in commands.join_all().await {
            assert_eq!(accepted.status, StatusCode::CREATED, "{accepted:?}");
        }
        if round == 0 {
            memory = depot.process(Service::CommandApi).peak_memory().unwrap();
        }
    }
    let grown = depot.process(Service::CommandApi).peak_memory().unwrap() - memory;
    assert!(grown < 32 * MIB, "grown by {} KiB", grown / 1024);
    expect_refused(&depot, Service::CommandApi, bulkhead, ROUNDS * EXCESS).await;
    let items: i64 = sqlx::query_scalar("SELECT count(*) FROM command.items")
        .fetch_one(&depot.database)
        .await
        .unwrap();
    assert_eq!(
        items as usize,
        ROUNDS * PLACES,
        "who was refused has left nothing behind"
    );
}
