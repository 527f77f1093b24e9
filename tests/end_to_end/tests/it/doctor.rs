//! `depot doctor`. A healthy installation has no finding. Each that there can be is planted on real services, told of in
//! words with its mend, and gone when it is mended.

mod cache;
mod cluster;
mod database;
mod database_durability;
mod database_roles;
mod kafka;
mod lag;
mod object_store;
mod running;
mod settings;
mod waiting;
mod wrong_instance;

use std::{fs, process::Output};

use depot_end_to_end::built_program;
use depot_test_stack::{OperatorRole, ServiceRole, TestDatabase};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

type Pairs = Vec<(String, String)>;

/// The tool with that environment and no other, away from any .env.
async fn output(environment: &[(String, String)], arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(built_program("depot").unwrap());
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(std::env::temp_dir())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

/// Its exit code, and all that it printed.
async fn run(environment: &[(String, String)], arguments: &[&str]) -> (i32, String) {
    let output = output(environment, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    (output.status.code().unwrap(), format!("{text}{errors}"))
}

/// What the tool found.
#[derive(Debug)]
struct Found {
    code: i32,
    report: Value,
}

/// Looks at parts of an installation: `--part database`, for example.
async fn look(environment: &[(String, String)], arguments: &[&str]) -> Found {
    let output = output(environment, &[&["doctor", "--json"], arguments].concat()).await;
    let report = serde_json::from_slice(&output.stdout);
    Found {
        code: output.status.code().unwrap(),
        report: report.unwrap_or_else(|error| panic!("{error}: {output:?}")),
    }
}

impl Found {
    fn findings(&self) -> impl Iterator<Item = &Value> {
        let parts = self.report["parts"].as_array().unwrap().iter();
        parts.flat_map(|part| part["findings"].as_array().unwrap())
    }

    /// Whether something of that kind is found, and said in these words, which its mend may have too.
    fn has(&self, kind: &str, words: &[&str]) -> bool {
        self.findings()
            .filter(|finding| finding["kind"] == kind)
            .any(|finding| {
                let said = format!("{} {}", finding["what"], finding["mend"]);
                words.iter().all(|word| said.contains(word))
            })
    }

    /// Fails unless it is found.
    fn assert_has(&self, kind: &str, words: &[&str]) {
        assert!(self.has(kind, words), "{kind} {words:?} is not in\n{self:#?}");
    }

    /// Fails unless it is found, and nothing of another kind.
    fn assert_only(&self, kind: &str, words: &[&str]) {
        self.assert_has(kind, words);
        assert!(
            self.findings().all(|finding| finding["kind"] == kind),
            "more than {kind} in\n{self:#?}"
        );
    }

    fn severity(&self, kind: &str) -> &Value {
        let mut of_kind = self.findings().filter(|finding| finding["kind"] == kind);
        &of_kind.next().unwrap_or_else(|| panic!("no {kind} in {self:#?}"))["severity"]
    }

    fn is_clean(&self) -> bool {
        self.code == 0 && self.findings().next().is_none()
    }

    fn assert_clean(&self) {
        assert!(self.is_clean(), "{self:#?}");
    }
}

/// The same environment, but for these.
fn with(environment: &[(String, String)], more: &[(&str, &str)]) -> Pairs {
    let more = more.iter();
    let more = more.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    environment.iter().cloned().chain(more).collect()
}

/// The settings of the machine, with nobody at the admin ports: what a test has running there is not to be looked at.
fn of_machine() -> Pairs {
    let settings: Pairs = depot_test_stack::settings()
        .all()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let nobody = ["COMMAND_API", "QUERY_API", "PROJECTOR", "UPLOADER"]
        .map(|service| (format!("{service}_ADMIN_URLS"), NOWHERE.to_owned()));
    settings.into_iter().chain(nobody).collect()
}

/// The same with a database of a test's own.
fn of_database(database: &TestDatabase) -> Pairs {
    let mut environment = of_machine();
    environment.extend(ServiceRole::ALL.map(|role| (role.url_variable().to_owned(), database.url(role))));
    environment.push((OperatorRole::URL_VARIABLE.to_owned(), database.operator_url()));
    environment
}

async fn execute(pool: &PgPool, statement: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(pool)
        .await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// The table in the document has what the code has: a test beside the code compares them.
#[test]
fn each_kind_of_finding_is_planted_by_a_test() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let document = fs::read_to_string(format!("{root}/docs/operations.md")).unwrap();
    let (_, section) = document.split_once("## Is everything right?").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let kinds: Vec<&str> = section
        .lines()
        .filter(|line| line.matches(" | ").count() >= 3)
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert!(kinds.len() > 30, "only {} kinds are documented", kinds.len());
    let folder = format!("{root}/tests/end_to_end/tests/it/doctor");
    let tests: String = fs::read_dir(folder)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let unplanted: Vec<_> = kinds
        .iter()
        .filter(|kind| !tests.contains(&format!("\"{kind}\"")))
        .collect();
    assert!(unplanted.is_empty(), "planted by no test: {unplanted:?}");
}
