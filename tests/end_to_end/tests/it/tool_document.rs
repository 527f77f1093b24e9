//! The examples of docs/tool.md, run as they stand.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use depot_end_to_end::{Depot, built_program};
use tokio::process::Command;

use crate::readme::{script, tested_blocks};

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_tools_document_do_what_they_say() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let blocks = tested_blocks(&fs::read_to_string(root.join("docs/tool.md")).unwrap());
    assert!(
        blocks.len() >= 6,
        "docs/tool.md has only {} tested examples",
        blocks.len()
    );

    let depot = Depot::start().await.unwrap();
    let tool = built_program("depot").unwrap();
    let path = std::env::var("PATH").unwrap();
    let run = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script("docs/tool.md", &blocks)])
        .current_dir(&root)
        .envs(depot.environment())
        .env("PATH", format!("{}:{path}", tool.parent().unwrap().display()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(180), run)
        .await
        .expect("the examples end")
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
