use std::fs;

use anyhow::{Context as _, Result};
use depot_test_stack::{Gate, free_port};

use super::Server;

/// A Kafka behind a gate. It sends clients to the gate, so that one which reconnects to what the broker advertises meets
/// the gate again.
pub struct OwnKafka {
    pub gate: Gate,
    server: Server,
}

impl OwnKafka {
    pub async fn start() -> Result<Self> {
        Self::start_with("").await
    }

    /// With more properties of the broker, `name=value name=value`.
    pub async fn start_with(options: &str) -> Result<Self> {
        let (port, controller) = (free_port()?, free_port()?);
        let gate = Gate::to(&format!("127.0.0.1:{port}")).await;
        let (_, advertised) = gate.address().rsplit_once(':').context("an address has a port")?;
        let environment = vec![
            ("STACK_KAFKA_PORT", port.to_string()),
            ("STACK_KAFKA_CONTROLLER_PORT", controller.to_string()),
            ("STACK_KAFKA_ADVERTISED_PORT", advertised.to_owned()),
            ("STACK_KAFKA_OPTIONS", options.to_owned()),
        ];
        // The gate is served by this runtime, and the script asks the broker by its own port only.
        let server = Server::start("kafka.sh", environment).await?;
        Ok(Self { gate, server })
    }

    /// Stops it, and starts another one in its place, which has nothing: neither topics nor the offsets of groups.
    pub async fn lose_everything(&self) -> Result<()> {
        self.server.run("stop").await?;
        let data = self.server.folder().join("kafka/data");
        fs::remove_dir_all(&data).with_context(|| data.display().to_string())?;
        self.server.run("start").await
    }
}
