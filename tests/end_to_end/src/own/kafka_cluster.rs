use anyhow::Result;
use depot_test_stack::free_port_with_room;

use super::Server;

/// From one node to the next, and the ports of each, as the script says.
const BETWEEN: u16 = 20;
const OF_A_NODE: u16 = 5;

/// Three brokers, of which one can be stopped.
pub struct KafkaCluster {
    /// For `KAFKA_BROKERS`.
    pub brokers: String,
    server: Server,
}

impl KafkaCluster {
    pub async fn start() -> Result<Self> {
        let nodes = [0, BETWEEN, 2 * BETWEEN];
        let beside: Vec<u16> = nodes
            .into_iter()
            .flat_map(|node| node..node + OF_A_NODE)
            .collect();
        let port = free_port_with_room(&beside)?;
        let brokers = nodes.map(|node| format!("127.0.0.1:{}", port + node));
        let environment = vec![("STACK_KAFKA_PORT", port.to_string())];
        Ok(Self {
            brokers: brokers.join(","),
            server: Server::start("kafka-cluster.sh", environment).await?,
        })
    }

    /// Node 1, 2 or 3, which says goodbye to the others.
    pub async fn stop_node(&self, node: u8) -> Result<()> {
        self.server.run_with(&["stop-node", &node.to_string()]).await
    }

    /// On the data that it had.
    pub async fn start_node(&self, node: u8) -> Result<()> {
        self.server.run_with(&["start-node", &node.to_string()]).await
    }
}
