use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use anyhow::{Context, Result};
use tokio::process::{Child, Command};

/// One of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    CommandApi,
    QueryApi,
    Projector,
    Uploader,
}

impl Service {
    pub const ALL: [Service; 4] = [Self::CommandApi, Self::QueryApi, Self::Projector, Self::Uploader];

    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::CommandApi => "command-api",
            Self::QueryApi => "query-api",
            Self::Projector => "projector",
            Self::Uploader => "uploader",
        }
    }

    /// The prefix of its environment variables.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::CommandApi => "COMMAND_API",
            Self::QueryApi => "QUERY_API",
            Self::Projector => "PROJECTOR",
            Self::Uploader => "UPLOADER",
        }
    }
}

/// A service as a process; it ends with the value.
pub struct ServiceProcess {
    service: Service,
    program: PathBuf,
    environment: Vec<(String, String)>,
    log: PathBuf,
    child: Child,
}

impl ServiceProcess {
    /// Starts the program that the workspace's build left beside this one.
    pub fn start(service: Service, environment: Vec<(String, String)>, logs: &Path) -> Result<Self> {
        Self::start_program(service, built_program(service.name())?, environment, logs)
    }

    /// As `start`, of another build.
    pub fn start_program(
        service: Service,
        program: PathBuf,
        environment: Vec<(String, String)>,
        logs: &Path,
    ) -> Result<Self> {
        let log = logs.join(format!("{}.log", service.name()));
        let child = spawn(&program, &environment, &log)?;
        Ok(Self {
            service,
            program,
            environment,
            log,
            child,
        })
    }

    pub fn service(&self) -> Service {
        self.service
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Of the process; none once it was waited for.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// SIGKILL, and the end of the process awaited.
    pub async fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .await
            .with_context(|| format!("kill {}", self.service.name()))
    }

    /// SIGTERM, and the end of the process awaited; true if it ended by itself and well.
    pub async fn terminate(&mut self) -> Result<bool> {
        self.signal("TERM").await?;
        Ok(self.child.wait().await?.success())
    }

    /// Sends a signal by name, `STOP` or `CONT` for instance.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let id = self.child.id().context("the process has ended")?.to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await?;
        anyhow::ensure!(sent.success(), "kill -s {name} {id} failed");
        Ok(())
    }

    /// Sets an environment variable for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it again with the same environment, after it ended.
    pub fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.program, &self.environment, &self.log)?;
        Ok(())
    }

    /// The most memory it had resident so far, in bytes (`VmHWM` of Linux).
    pub fn peak_memory(&self) -> Result<u64> {
        let id = self.child.id().context("the process has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .context("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }
}

/// Runs a program of this workspace with exactly that environment, to its end.
pub async fn run_program(name: &str, environment: &[(&str, &str)]) -> Result<std::process::Output> {
    let mut command = Command::new(built_program(name)?);
    // Away from any .env, which development would read.
    command
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null());
    Ok(command.kill_on_drop(true).output().await?)
}

/// A program that the workspace's build left beside this one: in target/<profile>, where programs lie, or over its
/// folder `deps`, where tests do.
pub fn built_program(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.parent().context("a program lies in a folder")?;
    let profile = match folder.file_name() {
        Some(last) if last == "deps" => folder.parent().context("deps lies in a profile's folder")?,
        _ => folder,
    };
    Ok(profile.join(name))
}

fn spawn(program: &Path, environment: &[(String, String)], log: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    Command::new(program)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}: `cargo build --workspace` makes it", program.display()))
}
