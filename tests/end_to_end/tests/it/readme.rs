use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use depot_end_to_end::Depot;
use depot_service::auth::Role;
use tokio::process::Command;

const MARK: &str = "<!-- tested -->";

/// The shell blocks of a Markdown text that follow the mark, each with the number of its first line.
pub fn tested_blocks(text: &str) -> Vec<(usize, String)> {
    let mut lines = text.lines().zip(1..);
    let mut blocks = Vec::new();
    while lines.any(|(line, _)| line == MARK) {
        let (fence, number) = lines.next().expect("a block follows the mark");
        assert_eq!(fence, "```sh", "line {number}: a shell block follows the mark");
        let block: Vec<_> = lines
            .by_ref()
            .map(|(line, _)| line)
            .take_while(|line| *line != "```")
            .collect();
        blocks.push((number + 1, block.join("\n")));
    }
    blocks
}

/// One shell runs all blocks, as a reader would who copies them from top to bottom.
pub fn script(document: &str, blocks: &[(usize, String)]) -> String {
    let block = |(line, text): &(usize, String)| format!("echo; echo '== {document}, line {line}'\n{text}\n");
    blocks.iter().map(block).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_readme_do_what_they_say() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let blocks = tested_blocks(&fs::read_to_string(root.join("README.md")).unwrap());
    assert!(
        blocks.len() >= 9,
        "README.md has only {} tested examples",
        blocks.len()
    );

    let depot = Depot::start().await.unwrap();
    let run = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script("README.md", &blocks)])
        .current_dir(&root)
        .envs(depot.environment())
        .env("COMMAND", depot.command_url())
        .env("QUERY", depot.query_url())
        .env("GRPC", depot.grpc_url().trim_start_matches("http://"))
        .env(
            "GRPC_COMMANDS",
            depot.command_grpc_url().trim_start_matches("http://"),
        )
        .env("TOKEN", depot.token("alice", Role::Writer))
        .env("ADMIN_TOKEN", depot.token("olivia", Role::Admin))
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

#[test]
fn only_blocks_behind_the_mark_are_taken() {
    let text = "```sh\nno\n```\n<!-- tested -->\n```sh\na\nb\n```\ntext\n<!-- tested -->\n```sh\nc\n```\n";
    assert_eq!(
        tested_blocks(text),
        [(6, "a\nb".to_owned()), (12, "c".to_owned())]
    );
}
