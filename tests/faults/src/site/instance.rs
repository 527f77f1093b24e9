use std::{fs::File, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

/// More than a service takes for its own deadline and what comes after it.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// One of the four programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    CommandApi,
    QueryApi,
    Projector,
    Uploader,
}

impl Service {
    pub const ALL: [Self; 4] = [Self::CommandApi, Self::QueryApi, Self::Projector, Self::Uploader];

    pub fn name(self) -> &'static str {
        match self {
            Self::CommandApi => "command-api",
            Self::QueryApi => "query-api",
            Self::Projector => "projector",
            Self::Uploader => "uploader",
        }
    }

    pub fn prefix(self) -> &'static str {
        match self {
            Self::CommandApi => "COMMAND_API",
            Self::QueryApi => "QUERY_API",
            Self::Projector => "PROJECTOR",
            Self::Uploader => "UPLOADER",
        }
    }

    pub fn index(self) -> u16 {
        self as u16
    }
}

/// A running copy of a service; it ends with the value.
pub struct Instance {
    pub service: Service,
    /// From 1; several share all of the work.
    pub number: u16,
    /// Its public port, its gRPC port and its admin port follow one another.
    pub port: u16,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    child: Child,
}

/// What an instance is started from.
pub struct Program {
    pub path: PathBuf,
    /// Before the environment's: which service a program is that holds all of them.
    pub arguments: Vec<String>,
}

impl Instance {
    pub fn start(
        service: Service,
        number: u16,
        port: u16,
        program: Program,
        mut environment: Vec<(String, String)>,
        log: PathBuf,
    ) -> Result<Self> {
        let prefix = service.prefix();
        for (name, port) in [("PORT", port), ("GRPC_PORT", port + 1), ("ADMIN_PORT", port + 2)] {
            environment.push((format!("{prefix}_{name}"), port.to_string()));
        }
        let Program { path, arguments } = program;
        let child = spawn(&path, &arguments, &environment, &log)?;
        Ok(Self {
            service,
            number,
            port,
            program: path,
            arguments,
            environment,
            log,
            child,
        })
    }

    pub fn name(&self) -> String {
        format!("{}-{}", self.service.name(), self.number)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port + 2)
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Starts it again as it was, after it ended.
    pub fn start_again(&mut self) -> Result<()> {
        self.child = spawn(&self.program, &self.arguments, &self.environment, &self.log)?;
        Ok(())
    }

    /// The same with another program, after it ended.
    pub fn start_other(&mut self, program: Program) -> Result<()> {
        let Program { path, arguments } = program;
        (self.program, self.arguments) = (path, arguments);
        self.start_again()
    }

    /// SIGKILL, and the end awaited.
    pub async fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .await
            .with_context(|| format!("kill {}", self.name()))
    }

    /// Whether it has ended, and said that nothing had to be dropped.
    pub fn has_ended_in_order(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(status)) if status.success())
    }

    /// SIGTERM, and the end awaited. False for one that has not ended after its own deadline and more: it is killed, and
    /// what its threads were at is kept beside its log.
    pub async fn terminate(&mut self) -> Result<bool> {
        self.signal("TERM").await?;
        let ended = tokio::time::timeout(ENDS_WITHIN, self.child.wait()).await;
        if ended.is_err() {
            self.keep_threads().await?;
            self.kill().await?;
        }
        Ok(ended.is_ok())
    }

    /// By a debugger, where there is one.
    async fn keep_threads(&self) -> Result<()> {
        let id = self.child.id().context("it has ended")?.to_string();
        let file = File::create(self.log.with_extension("threads"))?;
        let debugger = Command::new("gdb")
            .args(["-batch", "-p", &id, "-ex", "thread apply all backtrace"])
            .stdin(Stdio::null())
            .stderr(file.try_clone()?)
            .stdout(file)
            .status()
            .await;
        match debugger {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// By name: STOP, CONT, TERM.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let id = self
            .child
            .id()
            .with_context(|| format!("{} has ended", self.name()))?;
        signal(id, name).await
    }
}

/// Sends a process a signal by name.
pub async fn signal(id: u32, name: &str) -> Result<()> {
    let sent = Command::new("kill")
        .args(["-s", name, &id.to_string()])
        .status()
        .await?;
    ensure!(sent.success(), "kill -s {name} {id}: {sent}");
    Ok(())
}

fn spawn(
    program: &PathBuf,
    arguments: &[String],
    environment: &[(String, String)],
    log: &PathBuf,
) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}: `cargo build --workspace` makes it", program.display()))
}
