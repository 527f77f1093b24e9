//! `depot load`, as a person and as a script use it.

mod answer_door;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use depot_end_to_end::{Depot, built_program};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

use self::answer_door::AnswerDoor;
use crate::{long::is_left_out, verify};

/// A Depot behind a door, and a folder for files and for what the tool keeps beside them.
struct Scene {
    depot: Depot,
    door: AnswerDoor,
    folder: PathBuf,
}

impl Scene {
    async fn set() -> Self {
        let depot = Depot::start().await.unwrap();
        let door = AnswerDoor::to(&depot.command_url()).await;
        let folder = std::env::temp_dir().join(depot.backing.topics.prefix());
        std::fs::create_dir_all(&folder).unwrap();
        Self { depot, door, folder }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The tool as alice runs it, with a token of that role.
    fn start_as(&self, role: Role, arguments: &[&str]) -> Child {
        let token = self.depot.token("alice", role);
        let environment = [
            ("DEPOT_TOKEN", token.as_str()),
            ("COMMAND_PUBLIC_URL", self.door.endpoint.as_str()),
        ];
        let arguments = [&["load"], arguments].concat();
        self.depot.start_tool(&arguments, &environment).unwrap()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.start_as(Role::Writer, arguments)
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait_with_output().await.unwrap()
    }

    /// The exit code, and what is printed with `--json`.
    async fn ask(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[arguments, &["--json"]].concat()).await;
        (output.status.code().unwrap(), json_of(&output))
    }

    /// How many items there are, and how many names they have.
    async fn items(&self) -> (i64, i64) {
        sqlx::query_as("SELECT count(*), count(DISTINCT name) FROM command.items")
            .fetch_one(&self.depot.database)
            .await
            .unwrap()
    }

    /// What is listed as not accepted, each by its row and problem.
    fn failed(&self, name: &str) -> Vec<(u64, String)> {
        let text = std::fs::read_to_string(self.folder.join(name)).unwrap();
        let row = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            (
                line["row"].as_u64().unwrap(),
                line["problem"].as_str().unwrap().to_owned(),
            )
        };
        text.lines().map(row).collect()
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

/// The most memory that it had resident so far, in KiB (`VmHWM` of Linux).
fn peak_memory(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// So many rows, each with a name of its own.
fn ndjson(rows: usize) -> String {
    let row =
        |number| json!({"name": format!("item {number}"), "tags": ["loaded"], "attributes": {"row": number}});
    (1..=rows).map(|number| format!("{}\n", row(number))).collect()
}

/// Has `rows` loaded by a process that is killed twice while answers are on their way, and by one that is not.
async fn killed_twice(scene: &Scene, rows: usize) {
    let file = scene.file("items.ndjson", &ndjson(rows));
    let arguments = [file.as_str(), "--at-once", "8", "--json"];
    let (mut peaks, mut before) = (Vec::new(), 0);
    for stop in [rows / 4, rows * 3 / 5] {
        let lost = scene.door.lost();
        scene.door.let_pass(stop);
        let mut killed = scene.start(&arguments);
        // As long as rows come through: how many a second is the machine's matter.
        while scene.door.lost() == lost {
            let passed = scene.door.passed();
            wait_until("rows come through, or answers are lost on their way", || async {
                scene.door.lost() > lost || scene.door.passed() > passed
            })
            .await;
        }
        assert!(killed.try_wait().unwrap().is_none(), "it waits for them");
        peaks.push(peak_memory(&killed));
        signal(&killed, "KILL").await;
        let ended = killed.wait_with_output().await.unwrap();
        assert_eq!(ended.status.code(), None, "{ended:?}");
        let (items, _) = scene.items().await;
        assert!(
            before < items && items < rows as i64,
            "cut off within: {items} of {rows}"
        );
        before = items;
    }
    scene.door.let_pass(usize::MAX);
    let ended = scene.run(&arguments).await;
    let outcome = json_of(&ended);
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    let rows_64 = rows as i64;
    assert_eq!(
        (&outcome["created"], &outcome["failed"]),
        (&json!(rows), &json!(0)),
        "{outcome}"
    );
    assert!(
        outcome["found"].as_i64().unwrap() > 0,
        "what was under way was found: {outcome}"
    );
    assert!(
        outcome["rows"].as_i64().unwrap() < rows_64,
        "it goes on from the journal: {outcome}"
    );
    assert_eq!(scene.items().await, (rows_64, rows_64), "each row once");
    let keys = scene.door.keys();
    assert_eq!(keys.len(), rows, "a key a row");
    assert!(
        scene.door.replayed() >= 2,
        "the server had done some before, at each kill"
    );
    let again: usize = keys.values().sum::<usize>() - rows;
    println!(
        "{rows} rows, killed twice: {again} sent again, {} found; the last run settled {} in {:.1} s, {:.0} a second; peaks of memory {peaks:?} KiB",
        scene.door.replayed(),
        outcome["rows"],
        outcome["seconds"].as_f64().unwrap(),
        outcome["rows"].as_f64().unwrap() / outcome["seconds"].as_f64().unwrap(),
    );
    // Twice the rows behind it, and no more memory.
    assert!(peaks[1] < peaks[0] + 32 * 1024, "{peaks:?} KiB");

    // Once more: nothing is left to do, and nothing is sent.
    let passed = scene.door.passed();
    let ended = scene.run(&[&file]).await;
    assert!(ended.status.success(), "{ended:?}");
    let said = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(said, format!("{rows} items, all of an earlier run\n"));
    assert_eq!(scene.door.passed(), passed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_killed_twice_goes_on_and_makes_no_item_twice() {
    let scene = Scene::set().await;
    killed_twice(&scene, 2_000).await;
    verify::quiet(&scene.depot).await;

    // What was loaded is not this file any more.
    let file = scene.file("items.ndjson", &ndjson(2_001));
    let (code, refused) = scene.ask(&[&file]).await;
    assert_eq!(code, 3, "{refused}");
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("the file has changed"),
        "{refused}"
    );
    // Nor is it alice's for somebody else: a key is one's own.
    let file = scene.file("items.ndjson", &ndjson(2_000));
    let bob = scene.depot.token("bob", Role::Writer);
    let environment = [
        ("DEPOT_TOKEN", bob.as_str()),
        ("COMMAND_PUBLIC_URL", &scene.door.endpoint),
    ];
    let tool = scene
        .depot
        .start_tool(&["load", &file, "--json"], &environment)
        .unwrap();
    let refused = tool.wait_with_output().await.unwrap();
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(
        json_of(&refused)["error"].as_str().unwrap().contains("of alice"),
        "{refused:?}"
    );
    // Without its journal it is sent again, and found by its keys.
    std::fs::remove_file(scene.folder.join("items.ndjson.depot-load")).unwrap();
    let (code, outcome) = scene.ask(&[&file]).await;
    assert_eq!((code, &outcome["found"]), (0, &json!(2_000)), "{outcome}");
    assert_eq!(scene.items().await, (2_000, 2_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_hangs_is_not_passed_by() {
    let scene = Scene::set().await;
    let file = scene.file("items.ndjson", &ndjson(40));
    let arguments = [file.as_str(), "--at-once", "8", "--json"];
    // As if it had not come to the server yet, while those behind it are there.
    scene.door.hold_back("-1");
    let mut killed = scene.start(&arguments);
    wait_until("those beside it are done", || async { scene.door.passed() >= 7 }).await;
    // Long enough for a line of the journal.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(killed.try_wait().unwrap().is_none(), "it waits for the first");
    signal(&killed, "KILL").await;
    killed.wait().await.unwrap();
    scene.door.hold_back_nothing();
    let (code, outcome) = scene.ask(&arguments[..1]).await;
    assert_eq!((code, &outcome["created"]), (0, &json!(40)), "{outcome}");
    assert_eq!(scene.items().await, (40, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_was_cut_off_at_once_knows_how_old_its_keys_are() {
    let scene = Scene::set().await;
    let file = scene.file("items.ndjson", &ndjson(20));
    scene.door.let_pass(0);
    let killed = scene.start(&[&file]);
    wait_until("answers are lost on their way", || async {
        scene.door.lost() > 0
    })
    .await;
    signal(&killed, "KILL").await;
    killed.wait_with_output().await.unwrap();
    scene.door.let_pass(usize::MAX);

    // As if it had been a day ago.
    let path = scene.folder.join("items.ndjson.depot-load");
    let journal = std::fs::read_to_string(&path).unwrap();
    let lines = journal.trim_end().split_once('\n');
    let (about, reached) = lines.expect("a line before anything is sent");
    let mut reached: Value = serde_json::from_str(reached).unwrap();
    assert_eq!(reached["row"], 0);
    reached["at"] = (reached["at"].as_i64().unwrap() - 24 * 3_600).into();
    std::fs::write(&path, format!("{about}\n{reached}\n")).unwrap();
    let (code, late) = scene.ask(&[&file]).await;
    assert_eq!(code, 3, "{late}");
    let said = late["error"].as_str().unwrap();
    assert!(said.contains("24 hours ago") && said.contains("--late"), "{said}");
    assert_eq!(scene.door.passed(), 0, "nothing is sent");
    let (code, outcome) = scene.ask(&[&file, "--late"]).await;
    assert_eq!((code, &outcome["created"]), (0, &json!(20)), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_changed_while_it_is_loaded_is_told() {
    let scene = Scene::set().await;
    let file = scene.file("items.ndjson", &ndjson(20));
    scene.door.be_busy(usize::MAX);
    let load = scene.start(&[&file, "--json"]);
    wait_until("the file is known", || async {
        scene.folder.join("items.ndjson.depot-load").exists()
    })
    .await;
    scene.file("items.ndjson", &ndjson(21));
    scene.door.be_busy(0);
    let ended = load.wait_with_output().await.unwrap();
    assert_eq!(ended.status.code(), Some(4), "{ended:?}");
    let told = json_of(&ended);
    let said = told["error"].as_str().unwrap();
    assert!(said.contains("was changed while it was loaded"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_rows_are_loaded_by_a_tool_that_is_killed_twice() {
    if is_left_out("a load of 100,000 items") {
        return;
    }
    let scene = Scene::set().await;
    killed_twice(&scene, 100_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_not_accepted_are_listed_and_told_by_the_exit_code() {
    let scene = Scene::set().await;
    let lines = [
        r#"{"name": "first"}"#,
        r#"{"name": ""}"#,
        "nonsense",
        "",
        r#"{"name": "x", "colour": "blue"}"#,
        r#"{"name": "last", "status": "active"}"#,
    ];
    let file = scene.file("mixed.ndjson", &lines.join("\n"));
    let ended = scene.run(&[&file]).await;
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    let said = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(
        said,
        format!("2 items; 3 rows were not accepted, see {file}.depot-load.failed\n")
    );
    let list = "mixed.ndjson.depot-load.failed";
    let invalid = "validation-failed".to_owned();
    let expected = [
        (2, invalid.clone()),
        (3, "not-an-object".to_owned()),
        (5, invalid),
    ];
    assert_eq!(scene.failed(list), expected);
    let text = std::fs::read_to_string(scene.folder.join(list)).unwrap();
    assert!(
        text.contains("\"pointer\":\"/name\"") && text.contains("\"pointer\":\"/colour\""),
        "{text}"
    );
    assert!(text.contains("\"input\":\"nonsense\""), "{text}");
    let (code, outcome) = scene.ask(&[&file]).await;
    assert_eq!(
        (code, &outcome["failed"], &outcome["rows"]),
        (3, &json!(3), &json!(0))
    );
    assert_eq!(scene.failed(list), expected, "listed once");
    assert_eq!(scene.items().await, (2, 2));

    let csv = "name,tags,description,attributes.colour\n\
        A bicycle,blue; sold,\"two\nlines\",blue\n\
        too,few\n\
        A tandem,,,\n";
    let file = scene.file("items.csv", csv);
    let (code, outcome) = scene.ask(&[&file]).await;
    assert_eq!(
        (code, &outcome["created"], &outcome["failed"]),
        (3, &json!(2), &json!(1)),
        "{outcome}"
    );
    assert_eq!(
        scene.failed("items.csv.depot-load.failed"),
        [(3, "wrong-number-of-fields".to_owned())]
    );
    let loaded: (Vec<String>, String, Value) =
        sqlx::query_as("SELECT tags, description, attributes FROM command.items WHERE name = 'A bicycle'")
            .fetch_one(&scene.depot.database)
            .await
            .unwrap();
    let tags = vec!["blue".to_owned(), "sold".to_owned()];
    assert_eq!(loaded, (tags, "two\nlines".to_owned(), json!({"colour": "blue"})));

    let strange = scene.file("strange.csv", "title,name\na,b\n");
    let (code, refused) = scene.ask(&[&strange]).await;
    assert_eq!(code, 4, "{refused}");
    assert!(
        refused["error"].as_str().unwrap().contains("`title` is none of"),
        "{refused}"
    );
    assert_eq!(scene.items().await, (4, 4), "nothing of it is sent");
    // Nothing that lies there is taken for a journal, or overwritten.
    let (code, refused) = scene.ask(&[&file, "--journal", &strange]).await;
    assert_eq!(code, 4, "{refused}");
    assert_eq!(std::fs::read_to_string(&strange).unwrap(), "title,name\na,b\n");
    for arguments in [
        &["x.txt"][..],
        &["-", "--journal", "x"][..],
        &[&file, "--load-id", "a b"][..],
    ] {
        let ended = scene.run(arguments).await;
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_sent_again_under_its_key_and_what_will_not_stops_the_load() {
    let scene = Scene::set().await;
    let file = scene.file("items.ndjson", &ndjson(20));
    let reader = scene.start_as(Role::Reader, &[&file, "--json"]);
    let refused = reader.wait_with_output().await.unwrap();
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert_eq!(json_of(&refused)["created"], 0);
    assert!(
        !scene.folder.join("items.ndjson.depot-load.failed").exists(),
        "it is no row's fault"
    );
    let asked = scene.door.keys().len();
    assert!((1..=20).contains(&asked), "{asked}");

    scene.door.be_busy(usize::MAX);
    let (code, away) = scene.ask(&[&file, "--patience", "0"]).await;
    assert_eq!(
        (code, &away["exit_code"], &away["created"]),
        (1, &json!(1), &json!(0)),
        "{away}"
    );
    // With a token that may, once the server has time.
    scene.door.be_busy(5);
    let (code, outcome) = scene.ask(&[&file]).await;
    assert_eq!((code, &outcome["created"]), (0, &json!(20)), "{outcome}");
    assert!(outcome["repeats"].as_u64().unwrap() >= 5, "{outcome}");
    assert_eq!(scene.items().await, (20, 20));
    assert_eq!(scene.door.keys().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_how_far_it_is_and_may_interrupt_it() {
    let scene = Scene::set().await;
    let file = scene.file("items.ndjson", &ndjson(200));
    scene.door.let_pass(50);
    let interrupted = scene.start(&[&file, "--at-once", "4"]);
    wait_until("answers are lost on their way", || async {
        scene.door.lost() > 0
    })
    .await;
    signal(&interrupted, "INT").await;
    let ended = interrupted.wait_with_output().await.unwrap();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        said.contains("interrupted") && said.contains("The same command goes on from there."),
        "{said}"
    );
    scene.door.let_pass(usize::MAX);

    // `script` is a terminal. A busy server makes it last long enough to be looked at.
    scene.door.be_busy(1);
    let tool = built_program("depot").unwrap();
    let command = format!("{} load {file} --at-once 4", tool.display());
    let mut terminal = Command::new("script");
    terminal
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .env_clear()
        .envs(scene.depot.environment())
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .env("DEPOT_TOKEN", scene.depot.token("alice", Role::Writer))
        .env("COMMAND_PUBLIC_URL", &scene.door.endpoint);
    let ended = terminal.stdin(Stdio::null()).output().await.unwrap();
    let seen = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{ended:?}");
    for expected in ["going on behind row ", "loading [", " a second", "200 items"] {
        assert!(seen.contains(expected), "{expected} is missing in {seen}");
    }
    assert_eq!(scene.items().await, (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_a_pipe_are_found_again_by_the_id_of_their_load() {
    let scene = Scene::set().await;
    let rows = ndjson(30);
    let load = async |arguments: &[&str]| {
        let mut child = Command::new(built_program("depot").unwrap())
            .arg("load")
            .args(arguments)
            .current_dir(&scene.folder)
            .env_clear()
            .envs(scene.depot.environment())
            .env("DEPOT_TOKEN", scene.depot.token("alice", Role::Writer))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(rows.as_bytes()).await.unwrap();
        drop(pipe);
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        json_of(&output)
    };
    let (first, again) = (
        load(&["-", "--load-id", "spring", "--json"]).await,
        load(&["-", "--load-id", "spring", "--json"]).await,
    );
    assert_eq!((&first["created"], &first["found"]), (&json!(30), &json!(0)));
    assert_eq!(
        (&again["created"], &again["found"]),
        (&json!(30), &json!(30)),
        "{again}"
    );
    let left: BTreeSet<_> = std::fs::read_dir(&scene.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "nothing is kept unless told: {left:?}");
    let kept = [
        "-",
        "--load-id",
        "spring",
        "--journal",
        "spring.depot-load",
        "--json",
    ];
    assert_eq!(load(&kept).await["rows"], 30);
    assert_eq!(load(&kept).await["rows"], 0, "the journal has them");
    assert_eq!(scene.items().await, (30, 30));
}
