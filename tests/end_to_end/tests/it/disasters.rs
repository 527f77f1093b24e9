//! The two disasters: the log is lost and the state is not; the database is set back and the log is not. After the steps of
//! docs/backup.md the views are what the state is.

mod compared;
mod log_lost;
mod set_back;

use std::{io::Write as _, time::Duration};

use depot_end_to_end::{Client, Depot, Service};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{load::Load, verify::unpublished};

/// A row that nothing waits for is one of a fault; it ends with the condition, so a fast machine waits for none of it.
const PATIENCE: Duration = Duration::from_secs(600);
const WRITERS: [Service; 3] = [Service::CommandApi, Service::Projector, Service::Uploader];

/// As `wait_until`, for what takes long.
async fn wait_long_until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// What is told of how long something took.
fn tell(what: &str, begun: Instant) {
    let told = format!("{what}: {:.1} s", begun.elapsed().as_secs_f64());
    writeln!(std::io::stderr(), "{told}").unwrap();
}

/// Runs the tool, which must come to this end, and answers what it printed.
async fn tool(depot: &Depot, owner: &str, arguments: &[&str], code: i32) -> String {
    let token = depot.token("root", Role::Admin);
    let more = [("MIGRATE_DATABASE_URL", owner), ("DEPOT_TOKEN", token.as_str())];
    let tool = depot.start_tool(arguments, &more).unwrap();
    let output = tool.wait_with_output().await.unwrap();
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{errors}");
    out + &errors
}

async fn stop(depot: &mut Depot, services: &[Service]) {
    for service in services {
        assert!(depot.process(*service).terminate().await.unwrap(), "{service:?}");
    }
}

async fn start(depot: &mut Depot, services: &[Service]) {
    for service in services {
        depot.process(*service).restart().unwrap();
    }
    for service in services {
        depot.wait_ready(*service).await;
    }
}

/// Items changed and files uploaded for a while.
async fn load(client: &Client) {
    let load = Load::start(client);
    let acknowledged = load.acknowledged.clone();
    wait_until("enough is acknowledged", || async {
        acknowledged.items.lock().unwrap().len() >= 40 && acknowledged.uploads.lock().unwrap().len() >= 4
    })
    .await;
    load.stop().await;
}

async fn create(client: &Client, name: &str) -> (String, String) {
    let created = client
        .create_item(&Uuid::now_v7().to_string(), &json!({"name": name, "tags": ["t"]}))
        .await
        .unwrap();
    assert_eq!(created.status.as_u16(), 201, "{created:?}");
    (created.text("id"), created.version().unwrap())
}

/// Renames an item, and answers its new version.
async fn rename(client: &Client, id: &str, version: &str, name: &str) -> String {
    let (key, patch) = (Uuid::now_v7().to_string(), json!({"name": name}));
    let answer = client.patch_item(id, version, &key, &patch).await.unwrap();
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    answer.version().unwrap()
}

/// Nothing is on its way to Kafka, no upload is open, and no run is under way.
async fn is_at_rest(database: &PgPool) -> bool {
    unpublished(database, "command").await == 0
        && unpublished(database, "uploader").await == 0
        && crate::verify::open_uploads(database).await == 0
        && run(database).await["stage"] == "done"
}

/// The row of the run that tells the state once more.
async fn run(database: &PgPool) -> Value {
    sqlx::query_scalar("SELECT to_jsonb(r) FROM command.republish r")
        .fetch_one(database)
        .await
        .unwrap()
}

/// Waits until nothing moves any more and the views are what the state is.
async fn views_become_the_state(database: &PgPool) {
    wait_long_until("nothing is on its way", || is_at_rest(database)).await;
    let begun = Instant::now();
    loop {
        let differences = compared::differences(database).await;
        if differences.is_empty() {
            break;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{} differences, such as {:#?}",
            differences.len(),
            &differences[..differences.len().min(10)]
        );
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(compared::miscounted(database).await, Vec::<String>::new());
    // They are not right for a moment only.
    assert!(is_at_rest(database).await);
    assert_eq!(compared::differences(database).await, Vec::<String>::new());
}
