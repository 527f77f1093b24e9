use anyhow::Result;
use depot_test_stack::free_port_beside;

use super::Server;

/// Its parts listen beside its port, as the script says.
const PORTS_BESIDE: [u16; 7] = [1, 2, 3, 10, 11, 12, 13];

/// An object store of the kind that all share: it can be stopped.
pub struct OwnStore {
    pub endpoint: String,
    server: Server,
}

impl OwnStore {
    pub async fn start() -> Result<Self> {
        let port = free_port_beside(&PORTS_BESIDE)?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let environment = vec![
            ("STACK_S3_PORT", port.to_string()),
            ("MINIO_ENDPOINT", endpoint.clone()),
        ];
        Ok(Self {
            endpoint,
            server: Server::start("object-store.sh", environment).await?,
        })
    }

    /// Its process ends, and its data stays.
    pub async fn stop(&self) -> Result<()> {
        self.server.run("stop").await
    }

    /// Starts it on the data that it had, and waits until an object goes in and comes back.
    pub async fn start_again(&self) -> Result<()> {
        self.server.run("start").await
    }
}
