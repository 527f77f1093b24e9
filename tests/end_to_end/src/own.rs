//! Backing services of one test's own: to be stopped, cut off, or asked for TLS. Each ends with its value.

mod configured_postgres;
mod kafka;
mod kafka_cluster;
mod postgres;
mod prometheus;
mod redis;
mod replicated_postgres;
mod store;
mod tls_kafka;
mod tls_postgres;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use depot_test_stack::unique_name;

pub use configured_postgres::ConfiguredPostgres;
pub use kafka::OwnKafka;
pub use kafka_cluster::KafkaCluster;
pub use postgres::OwnPostgres;
pub use prometheus::OwnPrometheus;
pub use redis::OwnRedis;
pub use replicated_postgres::ReplicatedPostgres;
pub use store::OwnStore;
pub use tls_kafka::TlsKafka;
pub use tls_postgres::TlsPostgres;

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where the programs are that are not the machine's: this does not depend on the instance.
fn tools() -> PathBuf {
    std::env::var_os("STACK_TOOLS_DIR").map_or_else(|| workspace().join(".stack/tools"), PathBuf::from)
}

/// A folder that is removed with the value.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Of a short path, which sockets need, and open to all, which servers with a user of their own need.
    pub fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(unique_name());
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What lies in it may tell why a test failed.
        if !std::thread::panicking()
            && let Err(error) = fs::remove_dir_all(&self.0)
        {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// A server that one of the scripts of deploy/native runs, as it runs the stack's.
struct Server {
    script: &'static str,
    environment: Vec<(&'static str, String)>,
    folder: Arc<Folder>,
}

impl Server {
    async fn start(script: &'static str, environment: Vec<(&'static str, String)>) -> Result<Self> {
        Self::start_in(Arc::new(Folder::new()?), script, environment).await
    }

    /// In the folder of another one.
    async fn start_in(
        folder: Arc<Folder>,
        script: &'static str,
        environment: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let server = Self {
            script,
            environment,
            folder,
        };
        server.run("start").await?;
        Ok(server)
    }

    fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// `start` waits until it answers, on the data that it had; `stop` leaves the data.
    async fn run(&self, verb: &str) -> Result<()> {
        self.run_other(self.script, &[verb]).await
    }

    async fn run_with(&self, arguments: &[&str]) -> Result<()> {
        self.run_other(self.script, arguments).await
    }

    /// Another script that works on this server.
    async fn run_other(&self, script: &str, arguments: &[&str]) -> Result<()> {
        let mut command = self.command(script, arguments);
        let done = tokio::task::spawn_blocking(move || command.output()).await??;
        ensure!(
            done.status.success(),
            "{script} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(())
    }

    fn command(&self, script: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(workspace().join("deploy/native").join(script));
        command
            .args(arguments)
            .env("STACK_DIR", self.folder())
            .env("STACK_TOOLS_DIR", tools())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match self.command(self.script, &["stop"]).output() {
            Ok(stopped) if stopped.status.success() => {}
            stopped => eprintln!(
                "{} of {} may still run: {stopped:?}",
                self.script,
                self.folder().display()
            ),
        }
    }
}
