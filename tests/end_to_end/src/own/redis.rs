use anyhow::{Result, ensure};
use depot_test_stack::free_port;
use tokio::process::Command;

use super::Server;

/// A Redis of one test's own.
pub struct OwnRedis {
    /// For `REDIS_ADDR`.
    pub address: String,
    port: u16,
    _server: Server,
}

impl OwnRedis {
    pub async fn start() -> Result<Self> {
        let port = free_port()?;
        let environment = vec![("STACK_REDIS_PORT", port.to_string())];
        Ok(Self {
            address: format!("127.0.0.1:{port}"),
            port,
            _server: Server::start("redis.sh", environment).await?,
        })
    }

    /// Changes a setting of the server.
    pub async fn configure(&self, name: &str, value: &str) -> Result<()> {
        let port = self.port.to_string();
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &port, "CONFIG", "SET", name, value]);
        let done = command.output().await?;
        ensure!(done.stdout.starts_with(b"OK"), "{done:?}");
        Ok(())
    }
}
