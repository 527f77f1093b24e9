//! `depot upload`, as a person and as a script use it.

use std::{path::PathBuf, process::Output};

use depot_end_to_end::{Client, Depot, built_program, sha256_hex};
use depot_service::auth::Role;
use depot_test_stack::{settings, wait_until};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{store_door::StoreDoor, verify};

const PART: usize = 5 * 1024 * 1024;
const SMALL_PARTS: [(&str, &str); 2] = [
    ("MULTIPART_OVER_BYTES", "1000000"),
    ("MULTIPART_PART_BYTES", "5242880"),
];

/// A Depot, an item of alice's, and a folder for files and for what the tool remembers.
struct Scene {
    depot: Depot,
    alice: Client,
    item: String,
    folder: PathBuf,
}

impl Scene {
    async fn set(settings: &[(&str, &str)]) -> Self {
        let depot = Depot::start_with(settings).await.unwrap();
        let alice = depot.client("alice", Role::Writer);
        let item = alice
            .create_item("k", &json!({"name": "a"}))
            .await
            .unwrap()
            .text("id");
        let folder = std::env::temp_dir().join(depot.backing.topics.prefix());
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            depot,
            alice,
            item,
            folder,
        }
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The tool as alice runs it.
    fn start(&self, arguments: &[&str]) -> Child {
        let token = self.depot.token("alice", Role::Writer);
        let state = self.folder.join("state");
        let environment = [
            ("DEPOT_TOKEN", token.as_str()),
            ("XDG_STATE_HOME", state.to_str().unwrap()),
        ];
        let arguments = [&["upload", "--item", &self.item], arguments].concat();
        self.depot.start_tool(&arguments, &environment).unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait_with_output().await.unwrap()
    }

    /// What the tool remembers.
    fn remembered(&self) -> usize {
        let folder = self.folder.join("state/depot/uploads");
        std::fs::read_dir(folder).map_or(0, |files| files.count())
    }

    async fn uploads(&self) -> Vec<(String, String)> {
        sqlx::query_as("SELECT id::text, status FROM command.uploads ORDER BY created_at")
            .fetch_all(&self.depot.database)
            .await
            .unwrap()
    }

    /// How many parts of the newest upload are in the store.
    async fn arrived_parts(&self) -> usize {
        let Some((id, _)) = self.uploads().await.pop() else {
            return 0;
        };
        let arrived = self.alice.arrived_parts(&id).await.unwrap().json();
        arrived["parts"].as_array().map_or(0, Vec::len)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("{} is left behind: {error}", self.folder.display());
        }
    }
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

async fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    let sent = Command::new("kill")
        .args(["-s", name, &id])
        .status()
        .await
        .unwrap();
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_killed_and_interrupted_goes_on_and_sends_no_part_again() {
    let door = StoreDoor::to(settings().get("MINIO_ENDPOINT"), 3).await;
    let mut settings = SMALL_PARTS.to_vec();
    settings.push(("MINIO_PUBLIC_ENDPOINT", &door.endpoint));
    let scene = Scene::set(&settings).await;
    let content: Vec<u8> = (0..7 * PART + 1_000).map(|i| (i % 239) as u8).collect();
    let file = scene.file("large.bin", &content);
    let arguments = [&file, "--parallel", "2", "--json"];

    // Cut off twice: so that nothing can be put in order, and as a person does it.
    for (passing, name, code) in [(3, "KILL", None), (5, "INT", Some(130))] {
        door.let_pass(passing);
        let held = door.held();
        let cut_off = scene.start(&arguments);
        wait_until("some parts have arrived, and others wait at the door", || async {
            scene.arrived_parts().await == passing && door.held() > held
        })
        .await;
        signal(&cut_off, name).await;
        let ended = cut_off.wait_with_output().await.unwrap();
        assert_eq!(ended.status.code(), code, "{ended:?}");
        if code.is_some() {
            let failure = json_of(&ended);
            assert_eq!(
                (&failure["error"], &failure["exit_code"]),
                (&json!("interrupted"), &json!(130))
            );
            assert_eq!(failure["upload_id"], scene.uploads().await[0].0);
        }
        assert_eq!(scene.remembered(), 1);
    }
    door.let_pass(usize::MAX);
    let ended = scene.run(&arguments).await;
    assert!(ended.status.success(), "{ended:?}");
    let outcome = json_of(&ended);
    assert_eq!(outcome["status"], "stored", "{outcome}");
    assert_eq!(
        (&outcome["parts_found"], &outcome["parts_sent"]),
        (&json!(5), &json!(3))
    );
    assert_eq!(outcome["sha256"], sha256_hex(&content));
    let mut passed = door.passed();
    passed.sort_unstable();
    assert_eq!(passed, [1, 2, 3, 4, 5, 6, 7, 8], "each part once");
    assert_eq!(
        scene.uploads().await,
        [(
            outcome["upload_id"].as_str().unwrap().to_owned(),
            "stored".to_owned()
        )]
    );
    assert_eq!(scene.remembered(), 0);
    verify::quiet(&scene.depot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_told_what_came_of_it_and_a_person_sees_how_far_it_is() {
    let scene = Scene::set(&SMALL_PARTS).await;
    let small = scene.file("small.txt", b"hello");
    let ended = scene
        .run(&[&small, "--name", "other.txt", "--content-type", "text/plain"])
        .await;
    assert!(ended.status.success(), "{ended:?}");
    let (id, _) = scene.uploads().await.pop().unwrap();
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), format!("stored {id}\n"));
    assert_eq!(ended.stderr, b"", "no bar where nobody looks on");
    let item = scene
        .alice
        .read_at_least(&format!("/api/v1/items/{}", scene.item), "2")
        .await;
    let file = item.unwrap().json()["files"][0].clone();
    assert_eq!(
        (&file["file_name"], &file["content_type"]),
        (&json!("other.txt"), &json!("text/plain"))
    );

    // `script` is a terminal.
    let (token, tool) = (
        scene.depot.token("alice", Role::Writer),
        built_program("depot").unwrap(),
    );
    let command = format!("{} upload --item {} {small}", tool.display(), scene.item);
    let mut terminal = Command::new("script");
    terminal
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .env_clear()
        .envs(scene.depot.environment())
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .env("DEPOT_TOKEN", token)
        .env("XDG_STATE_HOME", scene.folder.join("state"));
    let ended = terminal
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    let seen = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && seen.contains("sending") && seen.contains("stored"),
        "{ended:?}"
    );

    let large = scene.file("large.bin", &vec![7; PART + 1]);
    let ended = scene.run(&[&large, "--through-api", "--json"]).await;
    let outcome = json_of(&ended);
    assert_eq!(
        (&outcome["status"], &outcome["parts_sent"]),
        (&json!("stored"), &json!(0))
    );
    let ended = scene.run(&[&large, "--no-wait", "--json"]).await;
    let outcome = json_of(&ended);
    assert_eq!(
        (&outcome["status"], &outcome["parts_sent"]),
        (&json!("received"), &json!(2))
    );
    let again = scene
        .run(&[
            &large,
            "--resume",
            outcome["upload_id"].as_str().unwrap(),
            "--json",
        ])
        .await;
    assert_eq!(
        json_of(&again)["status"],
        "stored",
        "gone on with after it was received"
    );

    let code = |output: &Output| output.status.code();
    let nothing = scene.file("empty", b"");
    for (arguments, expected) in [
        (vec![nothing.as_str()], 4),
        (vec!["/no/such/file"], 4),
        (vec![small.as_str(), "--parallel", "0"], 2),
        (vec![small.as_str(), "--resume", "x"], 2),
        (
            vec![small.as_str(), "--resume", "01a20eadd2ca7b0f8fe4000000000000"],
            4,
        ),
        (vec![small.as_str(), "--name", "a/b"], 4),
    ] {
        let ended = scene.run(&arguments).await;
        assert_eq!(code(&ended), Some(expected), "{arguments:?}: {ended:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{ended:?}");
    }
    // Somebody else's item.
    let bob = scene.depot.client("bob", Role::Writer);
    let not_hers = bob
        .create_item("k", &json!({"name": "b"}))
        .await
        .unwrap()
        .text("id");
    let token = scene.depot.token("alice", Role::Writer);
    let state = scene.folder.join("state");
    let environment = [
        ("DEPOT_TOKEN", token.as_str()),
        ("XDG_STATE_HOME", state.to_str().unwrap()),
    ];
    let refused = scene
        .depot
        .start_tool(&["upload", &small, "--item", &not_hers, "--json"], &environment);
    let refused = refused.unwrap().wait_with_output().await.unwrap();
    assert_eq!(code(&refused), Some(4), "{refused:?}");
    assert!(
        json_of(&refused)["error"].as_str().unwrap().contains("403"),
        "{refused:?}"
    );
    assert_eq!(scene.remembered(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_and_has_ended_since_is_begun_anew() {
    let door = StoreDoor::to(settings().get("MINIO_ENDPOINT"), 1).await;
    let mut settings = SMALL_PARTS.to_vec();
    settings.push(("MINIO_PUBLIC_ENDPOINT", &door.endpoint));
    let scene = Scene::set(&settings).await;
    let large = scene.file("large.bin", &vec![7; 2 * PART + 1]);
    let cut_off = scene.start(&[&large]);
    // A part that is still on its way may be stored after its upload is aborted, by S3's rules.
    wait_until("a part has arrived, and others wait at the door", || async {
        scene.arrived_parts().await == 1 && door.held() > 0
    })
    .await;
    signal(&cut_off, "INT").await;
    assert_eq!(cut_off.wait_with_output().await.unwrap().status.code(), Some(130));
    let (first, _) = scene.uploads().await.pop().unwrap();
    assert_eq!(scene.alice.abort_upload(&first).await.unwrap().status, 204);
    door.let_pass(usize::MAX);

    let resumed = scene.run(&[&large, "--resume", &first, "--json"]).await;
    assert_eq!(resumed.status.code(), Some(4), "it is told: {resumed:?}");
    let ended = scene.run(&[&large, "--json"]).await;
    let outcome = json_of(&ended);
    assert_eq!(outcome["status"], "stored", "{ended:?}");
    let uploads = scene.uploads().await;
    assert_eq!(uploads.len(), 2);
    assert_eq!(
        (uploads[0].1.as_str(), uploads[1].1.as_str()),
        ("aborted", "stored")
    );
    assert_eq!(uploads[1].0, outcome["upload_id"]);
    verify::quiet(&scene.depot).await;
    let staging = &scene.depot.backing.staging;
    let open = scene
        .depot
        .backing
        .store
        .open_multiparts(staging, None)
        .await
        .unwrap();
    assert!(open.open.is_empty(), "{open:?}");
}
