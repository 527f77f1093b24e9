use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use depot_test_stack::free_port;
use tokio::process::{Child, Command};

use super::{Folder, tools, workspace};
use crate::authority::Signed;

/// A Kafka of one node with three listeners: TLS, TLS with a client's certificate, and TLS with SASL.
pub struct TlsKafka {
    _process: Child,
    log: PathBuf,
    pub tls_port: u16,
    pub mutual_port: u16,
    pub sasl_port: u16,
    _folder: Folder,
}

const NAMES: &str = "TLS:SSL,MUTUAL:SSL,SASL:SASL_SSL,CONTROLLER:PLAINTEXT,INNER:PLAINTEXT";

impl TlsKafka {
    /// Users are `depot` by SCRAM-SHA-512 and `plain` by PLAIN, both with that password.
    pub async fn start(server: &Signed, authority: &Path, password: &str) -> Result<Self> {
        let folder = Folder::new()?;
        let [tls_port, mutual_port, sasl_port, inner, controller] = [
            free_port()?,
            free_port()?,
            free_port()?,
            free_port()?,
            free_port()?,
        ];
        let config = folder.0.join("server.properties");
        let common = fs::read_to_string(workspace().join("deploy/native/kafka/server.properties"))?;
        let listeners = [
            ("TLS", tls_port),
            ("MUTUAL", mutual_port),
            ("SASL", sasl_port),
            ("INNER", inner),
        ];
        let addresses = |host: &str| {
            let all = listeners
                .iter()
                .map(|(name, port)| format!("{name}://{host}:{port}"));
            all.collect::<Vec<_>>().join(",")
        };
        let plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule";
        let own = format!(
            "\nlisteners={},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners={}\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller}\nlog.dirs={}\n\
             listener.security.protocol.map={NAMES}\ninter.broker.listener.name=INNER\n\
             ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
             listener.name.mutual.ssl.client.auth=required\n\
             sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN\n\
             listener.name.sasl.scram-sha-512.sasl.jaas.config={scram} required;\n\
             listener.name.sasl.plain.sasl.jaas.config={plain} required user_plain=\"{password}\";\n",
            addresses("127.0.0.1"),
            addresses("localhost"),
            folder.0.join("data").display(),
            server.both.display(),
            authority.display(),
        );
        fs::write(&config, common + &own)?;
        let credentials = format!("SCRAM-SHA-512=[name=depot,password={password}]");
        let formatted = java("kafka.tools.StorageTool")?
            .args([
                "format",
                "--standalone",
                "--cluster-id",
                "AAAAAAAAAAAAAAAAAAAAAQ",
                "--config",
            ])
            .arg(&config)
            .args(["--add-scram", &credentials])
            .output()
            .await?;
        if !formatted.status.success() {
            bail!("the storage of Kafka was not formatted: {formatted:?}");
        }
        let log = folder.0.join("kafka.log");
        let file = fs::File::create(&log)?;
        let process = java("kafka.Kafka")?
            .arg(&config)
            .stdout(file.try_clone()?)
            .stderr(file)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let kafka = Self {
            _process: process,
            log,
            tls_port,
            mutual_port,
            sasl_port,
            _folder: folder,
        };
        kafka.wait_until_it_listens().await?;
        Ok(kafka)
    }

    async fn wait_until_it_listens(&self) -> Result<()> {
        for _ in 0..3_000 {
            let log = fs::read_to_string(&self.log)?;
            if log.contains("Kafka Server started") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = fs::read_to_string(&self.log)?;
        let lines: Vec<_> = log.lines().collect();
        bail!(
            "Kafka did not start:\n{}",
            lines[lines.len().saturating_sub(20)..].join("\n")
        )
    }
}

fn java(class: &str) -> Result<Command> {
    let tools = tools().join("kafka");
    anyhow::ensure!(
        tools.is_dir(),
        "{} is not there: make services-up",
        tools.display()
    );
    let log_settings = workspace()
        .join("deploy/native/kafka/log4j2.properties")
        .canonicalize()
        .context("the log settings of Kafka")?;
    let mut command = Command::new("java");
    command
        .arg("-Xmx384m")
        .arg(format!("-Dlog4j2.configurationFile={}", log_settings.display()))
        .arg("-cp")
        .arg(format!("{}/*", tools.display()))
        .arg(class);
    Ok(command)
}
