//! Programs of tests/foreign, as others would write them on the contracts alone: clients that generators made, and consumers
//! in other languages. They need what `deploy/native/install.sh clients` installs, as `make test-all` does.

mod consumer;
mod reading;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use depot_end_to_end::Depot;
use depot_service::auth::Role;
use tokio::process::Command;

use crate::long::is_left_out;

/// Generating, compiling and running each end far sooner.
const PATIENCE: Duration = Duration::from_secs(600);

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../foreign")
        .join(name)
}

/// Runs one of a folder's scripts to its end, which has to be a good one; answers what it printed.
async fn run(name: &str, script: &str, out: &Path, environment: &[(&str, String)]) -> String {
    let ended = Command::new(folder(name).join(script))
        .arg(out)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, ended)
        .await
        .unwrap_or_else(|_| panic!("{name}/{script} has not ended within {PATIENCE:?}"))
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{name}/{script}: {}\n{printed}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Generates a client, compiles it, and runs its round trip against a Depot of its own.
async fn generated_client(name: &str) {
    let out = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/foreign")
        .join(name);
    run(name, "build.sh", &out, &[]).await;

    let depot = Depot::start().await.unwrap();
    let environment = [
        ("COMMAND_URL", depot.command_url()),
        ("QUERY_URL", depot.query_url()),
        ("GRPC", depot.grpc_url().trim_start_matches("http://").to_owned()),
        ("TOKEN", depot.token("alice", Role::Writer)),
    ];
    let printed = run(name, "run.sh", &out, &environment).await;
    // A program that did nothing would end well too.
    assert_eq!(printed, "round trip: ok\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_client_made_from_the_openapi_documents_compiles_and_makes_a_round_trip() {
    if !is_left_out("the generated REST client") {
        generated_client("rest-client").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_client_in_go_made_from_the_proto_files_compiles_and_makes_a_round_trip() {
    if !is_left_out("the generated gRPC client") {
        generated_client("grpc-client").await;
    }
}
