//! A person who copies the blocks of a page into one shell, from top to bottom.

use std::{fmt::Write as _, fs, path::Path, process::Stdio, time::Duration};

use depot_end_to_end::{Depot, built_program};
use depot_service::auth::Role;
use depot_test_stack::unique_name;
use tokio::process::Command;

use super::page::Block;

/// Of all blocks of a page together: one of docs/profiling.md reads the symbols of a program that is built for tests, for a minute.
const LIMIT: Duration = Duration::from_secs(600);

/// What the blocks of a page are given, before they are run.
pub struct Shell {
    environment: Vec<(String, String)>,
}

impl Shell {
    /// On that installation: what the tool is told of it, where its APIs are, tokens of alice, who writes, and olivia, who
    /// is an admin.
    pub fn on(depot: &Depot) -> Self {
        let mut shell = Self {
            environment: depot.environment(),
        };
        let authority = |url: String| url.trim_start_matches("http://").to_owned();
        shell.set("COMMAND", depot.command_url());
        shell.set("QUERY", depot.query_url());
        shell.set("GRPC", authority(depot.grpc_url()));
        shell.set("GRPC_COMMANDS", authority(depot.command_grpc_url()));
        shell.set("TOKEN", depot.token("alice", Role::Writer));
        shell.set("ADMIN_TOKEN", depot.token("olivia", Role::Admin));
        shell.set("DEPOT_TOKEN", depot.token("olivia", Role::Admin));
        shell.set("MIGRATE_DATABASE_URL", depot.backing.database.owner_url());
        shell
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Runs the blocks in a new folder, with the programs of the workspace at hand; answers what they print.
    ///
    /// # Panics
    /// If a command fails, or they do not end in time.
    pub async fn run(&self, page: &str, blocks: &[Block]) -> String {
        let folder = std::env::temp_dir().join(unique_name());
        fs::create_dir_all(&folder).unwrap();
        let said = self.run_in(&folder, page, blocks).await;
        fs::remove_dir_all(&folder).unwrap();
        said
    }

    /// As `run`, in that folder.
    pub async fn run_in(&self, folder: &Path, page: &str, blocks: &[Block]) -> String {
        let tool = built_program("depot").unwrap();
        let path = std::env::var("PATH").unwrap();
        let run = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script(page, blocks)])
            .current_dir(folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("PATH", format!("{}:{path}", tool.parent().unwrap().display()))
            // Where `go tool pprof` keeps what it has read.
            .env("PPROF_TMPDIR", folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LIMIT, run)
            .await
            .unwrap_or_else(|_| panic!("the examples of {page} do not end within {LIMIT:?}"))
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{}\n{said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        said
    }
}

/// Statements are given to psql as the owner, as the pages say.
fn script(page: &str, blocks: &[Block]) -> String {
    let mut script = String::new();
    for Block {
        line, language, text, ..
    } in blocks
    {
        let command = match language.as_str() {
            "sh" => text.clone(),
            "sql" => format!(
                "psql -X -v ON_ERROR_STOP=1 -v subject=\"${{SUBJECT-}}\" \"$MIGRATE_DATABASE_URL\" <<'STATEMENTS'\n\
                 {text}\nSTATEMENTS"
            ),
            _ => panic!("{page}, line {line}: nobody runs {language}"),
        };
        writeln!(script, "echo; echo '== {page}, line {line}'\n{command}").unwrap();
    }
    script
}
