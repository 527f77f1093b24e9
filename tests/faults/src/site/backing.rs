//! The backing services: private instances, started by the scripts that start everybody's.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::{
    instance::signal,
    ports::{KAFKA_SHIFT, NODES, Ports},
};

/// For the object store: enough for a campaign, and filled up in a moment.
const STORE_DISK: &str = "size=600m";
/// A server that was asked to end.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// A backing service that can be broken by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    Postgres,
    Redis,
    /// A broker, from 1.
    Kafka(u16),
    ObjectStore,
}

impl Server {
    /// What its script calls its process.
    fn process(self) -> String {
        match self {
            Self::Postgres => "postgres".into(),
            Self::Redis => "redis".into(),
            Self::Kafka(node) => format!("kafka-{node}"),
            Self::ObjectStore => "object-store".into(),
        }
    }
}

pub struct BackingServices {
    pub folder: PathBuf,
    environment: Vec<(String, String)>,
    /// Whether the object store's data lies on a small disk of its own, which root alone can make.
    pub has_small_disk: bool,
}

impl BackingServices {
    /// Starts all of them; `environment` is that of the scripts.
    pub async fn start(
        folder: PathBuf,
        ports: Ports,
        mut environment: Vec<(String, String)>,
    ) -> Result<Self> {
        let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
        set("STACK_DIR", folder.display().to_string());
        set("STACK_POSTGRES_PORT", ports.postgres().to_string());
        set("STACK_REDIS_PORT", ports.redis().to_string());
        set("STACK_KAFKA_PORT", ports.broker(1).to_string());
        set("STACK_S3_PORT", ports.object_store().to_string());
        set("KAFKA_ADVERTISED_SHIFT", KAFKA_SHIFT.to_string());
        let disk = folder.join("object-store/data");
        fs::create_dir_all(&disk)?;
        let has_small_disk = mount(&disk).await;
        // The names of its objects lie on another disk, as whoever runs it is told to have them: names that did not find
        // room are a loss that nothing can mend.
        let names = folder.join("object-store/names");
        fs::create_dir_all(&names)?;
        symlink(names, disk.join("filerldb2"))?;
        let services = Self {
            folder,
            environment,
            has_small_disk,
        };
        // All are waited for, so that none comes up behind the end of another.
        let started = tokio::join!(
            services.script("postgres.sh", &["start"]),
            services.script("redis.sh", &["start"]),
            services.script("object-store.sh", &["start"]),
            services.script("kafka-cluster.sh", &["start"]),
        );
        let all = started.0.and(started.1).and(started.2).and(started.3);
        if let Err(error) = all {
            services.end().await;
            return Err(error);
        }
        Ok(services)
    }

    pub fn store_disk(&self) -> PathBuf {
        self.folder.join("object-store/data")
    }

    /// Starts one that ended, on the data that it had, and waits until it answers.
    pub async fn start_again(&self, server: Server) -> Result<()> {
        match server {
            Server::Postgres => self.script("postgres.sh", &["start"]).await,
            Server::Redis => self.script("redis.sh", &["start"]).await,
            Server::Kafka(node) => {
                let node = node.to_string();
                self.script("kafka-cluster.sh", &["start-node", &node]).await
            }
            Server::ObjectStore => self.script("object-store.sh", &["start"]).await,
        }
    }

    /// SIGKILL for all of its processes.
    pub async fn kill(&self, server: Server) -> Result<()> {
        let processes = self.processes(server)?;
        self.signal_all(&processes, "KILL").await?;
        while processes.iter().any(|id| is_alive(*id)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Asks it to end, and kills it where it does not, as whoever runs servers does.
    pub async fn stop(&self, server: Server) -> Result<()> {
        let (id, name) = (
            self.process(server)?,
            if server == Server::Postgres { "INT" } else { "TERM" },
        );
        signal(id, name).await?;
        let ended = tokio::time::timeout(ENDS_WITHIN, async {
            while is_alive(id) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        match ended.await {
            Ok(()) => Ok(()),
            Err(_) => self.kill(server).await,
        }
    }

    /// With the tool that the object store has for it: the index of a volume that ends in the middle of an entry is
    /// refused at the next start, and all of the volume with it. The store must have ended.
    pub async fn mend_volumes(&self) -> Result<()> {
        let mut command = Command::new("bash");
        command
            .args(["-c", r#"source "$0" && weed -logtostderr=false fix "$1" &>>"$2""#])
            .arg(scripts().join("settings.sh"))
            .arg(self.store_disk())
            .arg(self.folder.join("log/object-store-fix.log"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        let status = command.status().await?;
        ensure!(
            status.success(),
            "weed fix: {status}, see {}",
            self.folder.display()
        );
        Ok(())
    }

    /// Stops the clocks of all of its processes, or lets them go on.
    pub async fn pause(&self, server: Server, is_paused: bool) -> Result<()> {
        let processes = self.processes(server)?;
        self.signal_all(&processes, if is_paused { "STOP" } else { "CONT" })
            .await
    }

    async fn signal_all(&self, processes: &[u32], name: &str) -> Result<()> {
        for (n, id) in processes.iter().enumerate() {
            match n {
                0 => signal(*id, name).await?,
                // A child may have ended since it was listed, by itself or with its parent.
                _ if is_alive(*id) => drop(signal(*id, name).await),
                _ => {}
            }
        }
        Ok(())
    }

    fn process(&self, server: Server) -> Result<u32> {
        let file = self.folder.join("run").join(format!("{}.pid", server.process()));
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        Ok(text.trim().parse()?)
    }

    /// Postgres has a process a session, each in a group of its own.
    fn processes(&self, server: Server) -> Result<Vec<u32>> {
        let first = self.process(server)?;
        let mut all = vec![first];
        all.extend(children_of(first)?);
        Ok(all)
    }

    async fn script(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let status = self.command(name, arguments).status().await?;
        ensure!(
            status.success(),
            "{name} {arguments:?}: {status}, see {}",
            self.folder.display()
        );
        Ok(())
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(scripts().join(name));
        command
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Ends all of them; what cannot be ended is said.
    pub async fn end(&self) {
        for server in [Server::Postgres, Server::Redis, Server::ObjectStore] {
            self.end_one(server).await;
        }
        for node in 1..=NODES {
            self.end_one(Server::Kafka(node)).await;
        }
        if self.has_small_disk {
            let unmounted = Command::new("umount")
                .arg("--lazy")
                .arg(self.store_disk())
                .status()
                .await;
            if !unmounted.is_ok_and(|status| status.success()) {
                eprintln!("{} is still mounted", self.store_disk().display());
            }
        }
    }

    async fn end_one(&self, server: Server) {
        if self.process(server).is_ok_and(is_alive)
            && let Err(error) = self.kill(server).await
        {
            eprintln!("{server:?} may still run: {error:#}");
        }
    }
}

pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/native")
}

async fn mount(folder: &Path) -> bool {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", STORE_DISK, "tmpfs"])
        .arg(folder)
        .stderr(Stdio::null())
        .status()
        .await;
    mounted.is_ok_and(|status| status.success())
}

/// A process that has ended and was not waited for counts as gone.
fn is_alive(id: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
        return false;
    };
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

fn children_of(parent: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(id) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
            continue;
        };
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest);
        let its_parent = fields.and_then(|fields| fields.split(' ').nth(1)?.parse::<u32>().ok());
        if its_parent == Some(parent) {
            children.push(id);
        }
    }
    Ok(children)
}
