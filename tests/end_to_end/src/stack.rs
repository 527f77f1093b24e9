use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use depot_schemas::topics::Topics;
use depot_service::{
    auth::{Role, TokenMinter},
    config::JwtConfig,
};
use depot_test_stack::{eventually, free_port, settings};
use sqlx::PgPool;

use crate::{
    backing::Backing,
    client::Client,
    process::{Service, ServiceProcess, built_program},
};

/// A whole Depot: four processes on backing services of their own.
pub struct Depot {
    processes: HashMap<Service, ServiceProcess>,
    pub backing: Backing,
    ports: HashMap<&'static str, u16>,
    /// The owner's: for looking into every schema from outside.
    pub database: PgPool,
    logs: PathBuf,
    /// Where another build lies, if it is not this one.
    programs: Option<PathBuf>,
}

/// An instance of a service beside the first.
pub struct Another {
    pub process: ServiceProcess,
    /// Of its API, where it has one.
    pub url: Option<String>,
}

impl Depot {
    /// Starts all four services and waits until they are ready.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// As `start`, with further environment variables for all services.
    pub async fn start_with(overrides: &[(&str, &str)]) -> Result<Self> {
        Self::start_on(Backing::create().await?, overrides).await
    }

    /// As `start_with`, on backing services that were made before.
    pub async fn start_on(backing: Backing, overrides: &[(&str, &str)]) -> Result<Self> {
        Self::start_programs(None, backing, overrides).await
    }

    /// As `start_on`, of another build, whose programs lie in a folder; the tool is from there too.
    pub async fn start_from(programs: PathBuf, backing: Backing) -> Result<Self> {
        Self::start_programs(Some(programs), backing, &[]).await
    }

    async fn start_programs(
        programs: Option<PathBuf>,
        backing: Backing,
        overrides: &[(&str, &str)],
    ) -> Result<Self> {
        let logs = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/end-to-end"))
            .join(backing.topics.prefix());
        fs::create_dir_all(&logs)?;
        let names = [
            "COMMAND_API_PORT",
            "COMMAND_API_GRPC_PORT",
            "QUERY_API_PORT",
            "QUERY_API_GRPC_PORT",
        ];
        let admin = Service::ALL.map(admin_variable);
        let ports = free_ports(names.into_iter().chain(admin))?;
        let mut environment = backing.environment();
        environment.extend(
            ports
                .iter()
                .map(|(name, port)| ((*name).to_owned(), port.to_string())),
        );
        environment.push((
            "QUERY_PUBLIC_URL".into(),
            format!("http://127.0.0.1:{}", ports["QUERY_API_PORT"]),
        ));
        environment.push((
            "COMMAND_PUBLIC_URL".into(),
            format!("http://127.0.0.1:{}", ports["COMMAND_API_PORT"]),
        ));
        environment.push((
            "GRPC_PUBLIC_URL".into(),
            format!("http://127.0.0.1:{}", ports["QUERY_API_GRPC_PORT"]),
        ));
        environment.push((
            "UPLOADER_ADMIN_URL".into(),
            format!("http://127.0.0.1:{}", ports["UPLOADER_ADMIN_PORT"]),
        ));
        environment.extend(Service::ALL.map(|service| {
            let variable = format!("{}_ADMIN_URLS", service.prefix());
            let port = ports[admin_variable(service)];
            (variable, format!("http://127.0.0.1:{port}"))
        }));
        environment.extend(
            overrides
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let mut processes = HashMap::new();
        for service in Service::ALL {
            let program = program(programs.as_ref(), service.name())?;
            let process = ServiceProcess::start_program(service, program, environment.clone(), &logs)?;
            processes.insert(service, process);
        }
        let database = backing.database.owner_pool().await;
        let mut depot = Self {
            processes,
            backing,
            ports,
            database,
            logs,
            programs,
        };
        for service in Service::ALL {
            depot.wait_ready(service).await;
        }
        Ok(depot)
    }

    /// Another instance of a service beside the first. It ends with the value.
    pub async fn start_another(&self, service: Service) -> Result<Another> {
        let public = match service {
            Service::CommandApi => Some("COMMAND_API_PORT"),
            Service::QueryApi => Some("QUERY_API_PORT"),
            Service::Projector | Service::Uploader => None,
        };
        let grpc = match service {
            Service::CommandApi => Some("COMMAND_API_GRPC_PORT"),
            Service::QueryApi => Some("QUERY_API_GRPC_PORT"),
            Service::Projector | Service::Uploader => None,
        };
        let admin = admin_variable(service);
        let ports = free_ports(public.into_iter().chain(grpc).chain([admin]))?;
        let mut environment = self.environment();
        environment.extend(
            ports
                .iter()
                .map(|(name, port)| ((*name).to_owned(), port.to_string())),
        );
        let logs = self.logs.join(format!("another-{}", ports[admin]));
        fs::create_dir_all(&logs)?;
        let program = program(self.programs.as_ref(), service.name())?;
        let mut process = ServiceProcess::start_program(service, program, environment, &logs)?;
        let address = |name: &str| format!("http://127.0.0.1:{}", ports[name]);
        wait_for_ready(&mut process, &format!("{}/readyz", address(admin))).await;
        Ok(Another {
            process,
            url: public.map(address),
        })
    }

    /// What the services have written so far.
    pub fn logs(&self) -> Vec<PathBuf> {
        self.processes
            .values()
            .map(|process| process.log_file().to_owned())
            .collect()
    }

    pub fn process(&mut self, service: Service) -> &mut ServiceProcess {
        self.processes.get_mut(&service).expect("all four are started")
    }

    /// The services that run, with their process ids.
    pub fn process_ids(&self) -> Vec<(Service, u32)> {
        let ids = self
            .processes
            .iter()
            .map(|(service, process)| (*service, process.id()));
        ids.filter_map(|(service, id)| Some((service, id?))).collect()
    }

    /// Waits until the service says that it is ready.
    ///
    /// # Panics
    /// If it ends instead, or takes longer than any machine needs.
    pub async fn wait_ready(&mut self, service: Service) {
        let url = self.admin_url(service, "/readyz");
        wait_for_ready(self.process(service), &url).await;
    }

    pub fn admin_url(&self, service: Service, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[admin_variable(service)])
    }

    /// The sum of the samples of a service's metric whose name and labels begin like that; none of them is a fault.
    pub async fn metric(&self, service: Service, begins: &str) -> Result<f64> {
        let answer = reqwest::get(self.admin_url(service, "/metrics")).await?;
        let text = answer.text().await?;
        let mut samples = text.lines().filter(|line| line.starts_with(begins)).peekable();
        anyhow::ensure!(samples.peek().is_some(), "{} has no {begins}", service.name());
        samples.try_fold(0.0, |sum, line| {
            let (_, value) = line.rsplit_once(' ').context("a sample has a value")?;
            Ok(sum + value.parse::<f64>()?)
        })
    }

    /// Where commands are taken over gRPC.
    pub fn command_grpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports["COMMAND_API_GRPC_PORT"])
    }

    /// Where questions are answered over gRPC.
    pub fn grpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports["QUERY_API_GRPC_PORT"])
    }

    pub fn command_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports["COMMAND_API_PORT"])
    }

    pub fn query_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports["QUERY_API_PORT"])
    }

    pub fn topics(&self) -> Topics {
        self.backing.topics.names()
    }

    pub fn token(&self, subject: &str, role: Role) -> String {
        let jwt = JwtConfig::for_secret(settings().get("JWT_SECRET"));
        TokenMinter::new(&jwt)
            .mint(subject, &[role], Duration::from_secs(3600))
            .expect("a token can be signed")
    }

    /// A client of both APIs with a token of its own.
    pub fn client(&self, subject: &str, role: Role) -> Client {
        Client::new(self.command_url(), self.query_url(), &self.token(subject, role))
    }

    /// Runs the `depot` tool against this stack, to its end.
    pub async fn tool(&self, arguments: &[&str]) -> Result<std::process::Output> {
        let mut command = tokio::process::Command::new(program(self.programs.as_ref(), "depot")?);
        command
            .env_clear()
            .envs(self.environment())
            .args(arguments)
            .stdin(std::process::Stdio::null());
        Ok(command.kill_on_drop(true).output().await?)
    }

    /// Starts the `depot` tool against this stack, with more of an environment. It ends with the value.
    pub fn start_tool(&self, arguments: &[&str], more: &[(&str, &str)]) -> Result<tokio::process::Child> {
        let mut command = tokio::process::Command::new(program(self.programs.as_ref(), "depot")?);
        command
            .env_clear()
            .envs(self.environment())
            .envs(more.iter().copied())
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        Ok(command.kill_on_drop(true).spawn()?)
    }

    /// What the programs of this repository are given to talk to this stack.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.backing.environment();
        environment.push(("COMMAND_PUBLIC_URL".into(), self.command_url()));
        environment.push(("QUERY_PUBLIC_URL".into(), self.query_url()));
        environment.push(("GRPC_PUBLIC_URL".into(), self.grpc_url()));
        environment.push(("UPLOADER_ADMIN_URL".into(), self.admin_url(Service::Uploader, "")));
        environment.push((
            "PROJECTOR_ADMIN_URL".into(),
            self.admin_url(Service::Projector, ""),
        ));
        environment.extend(Service::ALL.map(|service| {
            let variable = format!("{}_ADMIN_URLS", service.prefix());
            (variable, self.admin_url(service, ""))
        }));
        environment
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Only a failed test's logs are worth keeping; one that cannot be removed only takes space.
            if let Err(error) = fs::remove_dir_all(&self.logs) {
                eprintln!("{} is left behind: {error}", self.logs.display());
            }
            return;
        }
        for process in self.processes.values() {
            let text = fs::read_to_string(process.log_file()).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(30)..];
            eprintln!(
                "--- {} (last lines)\n{}",
                process.log_file().display(),
                tail.join("\n")
            );
        }
    }
}

async fn wait_for_ready(process: &mut ServiceProcess, url: &str) {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()
        .expect("a plain client");
    let name = process.service().name();
    let told = Mutex::new(String::new());
    eventually(&format!("{name} answers as ready"), || {
        let ended = process.ended().expect("a child can be asked for its end");
        assert!(
            ended.is_none(),
            "{} ended: {ended:?}",
            process.log_file().display()
        );
        async {
            let answer = client.get(url).send().await;
            let is_ready = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
            let reason = match answer {
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            // A test that fails shows what was waited for, one line a change.
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if !is_ready && *told != reason {
                println!("{name} is not ready: {reason}");
                *told = reason;
            }
            is_ready.then_some(())
        }
    })
    .await;
}

/// A program of another build, or of this one.
fn program(programs: Option<&PathBuf>, name: &str) -> Result<PathBuf> {
    match programs {
        Some(folder) => Ok(folder.join(name)),
        None => built_program(name),
    }
}

fn admin_variable(service: Service) -> &'static str {
    match service {
        Service::CommandApi => "COMMAND_API_ADMIN_PORT",
        Service::QueryApi => "QUERY_API_ADMIN_PORT",
        Service::Projector => "PROJECTOR_ADMIN_PORT",
        Service::Uploader => "UPLOADER_ADMIN_PORT",
    }
}

/// A free port for each of these.
pub fn free_ports(names: impl Iterator<Item = &'static str>) -> Result<HashMap<&'static str, u16>> {
    names.map(|name| Ok((name, free_port()?))).collect()
}
