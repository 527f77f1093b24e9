//! A whole installation of one campaign's own: backing services, links between everything, two of each service.

mod arrows;
mod backing;
mod clock;
mod environment;
mod instance;
mod link;
mod ports;
mod programs;

use std::{collections::BTreeMap, fs, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use depot_service::{
    auth::{Role, TokenMinter},
    config::JwtConfig,
};
use depot_test_stack::settings;
use tokio::{process::Command, sync::Mutex};

use self::{arrows::Links, clock::Clock};
pub use self::{
    arrows::{Arrow, Dependency, PAIRS},
    backing::{BackingServices, Server},
    clock::TAKES as CLOCK_TAKES,
    instance::{Instance, Service},
    link::{Link, Mode},
    ports::{NODES, Ports},
    programs::Programs,
};

/// Instances of each service that always run.
pub const INSTANCES: u16 = 2;
/// Services that use Kafka, in the order of the brokers' listeners.
const ON_KAFKA: [Service; 3] = [Service::CommandApi, Service::Projector, Service::Uploader];
/// Services whose last instance goes by a clock that can be moved: they look at tokens.
const ON_A_CLOCK: [Service; 2] = [Service::CommandApi, Service::QueryApi];
const READY: Duration = Duration::from_secs(90);
/// Longer than a campaign, and shorter than a clock jumps.
pub const TOKENS_LIVE: Duration = Duration::from_secs(2 * 3_600);

pub struct Site {
    pub ports: Ports,
    pub backing: BackingServices,
    pub clock: Clock,
    pub logs: PathBuf,
    links: Links,
    instances: BTreeMap<(Service, u16), Mutex<Instance>>,
    programs: Programs,
    /// What every instance is told beside its addresses.
    settings: Vec<(&'static str, &'static str)>,
}

impl Site {
    /// Starts everything, and waits until it is ready. `folder` takes data and logs.
    pub async fn start(
        folder: PathBuf,
        programs: Programs,
        settings: Vec<(&'static str, &'static str)>,
    ) -> Result<Self> {
        let ports = Ports::find()?;
        let logs = folder.join("services");
        fs::create_dir_all(&logs)?;
        let (links, clock) = (Links::open(ports).await?, Clock::new(&folder)?);
        let backing = BackingServices::start(folder, ports, environment::direct(ports)).await?;
        let mut site = Self {
            ports,
            backing,
            clock,
            logs,
            links,
            instances: BTreeMap::new(),
            programs,
            settings,
        };
        if let Err(error) = site.start_services().await {
            site.end().await;
            return Err(error);
        }
        Ok(site)
    }

    async fn start_services(&mut self) -> Result<()> {
        let site = self;
        for arguments in [&["migrate"][..], &["topics"], &["buckets"]] {
            site.tool(arguments, None).await?;
        }
        for service in Service::ALL {
            for number in 1..=INSTANCES {
                let instance = site.instance_of(service, number)?;
                site.instances.insert((service, number), Mutex::new(instance));
            }
        }
        for service in Service::ALL {
            for number in 1..=INSTANCES {
                site.wait_ready(&*site.instance(service, number).lock().await)
                    .await?;
            }
        }
        Ok(())
    }

    pub fn instance(&self, service: Service, number: u16) -> &Mutex<Instance> {
        &self.instances[&(service, number)]
    }

    /// Another instance beside the two, which its caller owns.
    pub fn further_instance(&self, service: Service) -> Result<Instance> {
        self.instance_of(service, INSTANCES + 1)
    }

    fn instance_of(&self, service: Service, number: u16) -> Result<Instance> {
        let mut environment = environment::through(&self.links, self.ports, service);
        let settings = self.settings.iter();
        environment.extend(settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if let Some((_, sabotage)) = &self.programs.sabotage {
            environment.push(("DEPOT_SABOTAGE".to_owned(), sabotage.clone()));
            // Its breaks are where a command has a transaction of its own.
            environment.push(("COMMAND_GROUP_MAX_SIZE".to_owned(), "1".to_owned()));
        }
        if number == INSTANCES && ON_A_CLOCK.contains(&service) {
            environment.extend(self.clock.environment());
        }
        let log = self.logs.join(format!("{}-{number}.log", service.name()));
        let port = self.ports.instance(service.index(), number - 1);
        Instance::start(service, number, port, self.programs.of(service), environment, log)
    }

    /// Where the instances go by a clock that can be moved, past all links.
    pub fn urls_on_a_clock(&self) -> [(Service, String); ON_A_CLOCK.len()] {
        ON_A_CLOCK.map(|service| {
            let port = self.ports.instance(service.index(), INSTANCES - 1);
            (service, environment::url(port))
        })
    }

    /// Where clients reach the instances of an API, or of its gRPC side: each through its own link.
    pub fn urls_for_clients(&self, api: Dependency) -> Vec<String> {
        let links = self.links((None, api)).iter();
        links.map(|link| environment::url(link.port)).collect()
    }

    /// Runs the `depot` tool to its end, past all links; answers what it printed. Codes but 0 and `also` are errors.
    pub async fn tool(&self, arguments: &[&str], also: Option<i32>) -> Result<String> {
        self.tool_of(&self.programs, arguments, also).await
    }

    /// As `tool`, that of other programs.
    pub async fn tool_of(
        &self,
        programs: &Programs,
        arguments: &[&str],
        also: Option<i32>,
    ) -> Result<String> {
        let mut command = Command::new(programs.folder.join("depot"));
        command
            .env_clear()
            .envs(environment::direct(self.ports))
            .env("TOKEN", token("campaign", Role::Admin)?)
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await?;
        let (out, error) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let is_well = output.status.success() || output.status.code().is_some_and(|code| Some(code) == also);
        ensure!(is_well, "depot {arguments:?}: {}\n{out}{error}", output.status);
        Ok(out.into_owned())
    }

    pub fn links(&self, arrow: Arrow) -> &[Link] {
        self.links.of(arrow)
    }

    /// Every connection to a dependency.
    pub fn links_to(&self, dependency: Dependency) -> impl Iterator<Item = &Link> {
        self.links.to(dependency)
    }

    pub async fn wait_ready(&self, instance: &Instance) -> Result<()> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()?;
        let url = instance.admin_url("/readyz");
        let ready = async {
            while !client
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let in_time = tokio::time::timeout(READY, ready).await;
        ensure!(
            in_time.is_ok(),
            "{} is not ready within {READY:?}: see {}",
            instance.name(),
            self.logs.display()
        );
        Ok(())
    }

    pub fn direct_postgres(&self) -> String {
        environment::owners_postgres(self.ports)
    }

    pub fn direct_brokers(&self) -> String {
        environment::brokers(self.ports)
    }

    pub fn direct_store(&self) -> String {
        environment::url(self.ports.object_store())
    }

    /// Ends all processes.
    pub async fn end(&self) {
        for instance in self.instances.values() {
            let mut instance = instance.lock().await;
            if instance.is_running()
                && let Err(error) = instance.kill().await
            {
                eprintln!("{error:#}");
            }
        }
        self.backing.end().await;
    }
}

/// A token that outlives the campaign.
pub fn token(subject: &str, role: Role) -> Result<String> {
    let minter = TokenMinter::new(&JwtConfig::for_secret(settings().get("JWT_SECRET")));
    minter.mint(subject, &[role], TOKENS_LIVE).context("sign a token")
}
