use std::net::TcpListener;

use anyhow::{Context, Result};

/// How many ports a campaign has for itself.
const BLOCK: u16 = 300;
/// Where a proxy stands before a listener of a broker: as many ports higher. `kafka-cluster.sh` advertises it.
pub const KAFKA_SHIFT: u16 = 100;
/// Brokers of the cluster.
pub const NODES: u16 = 3;

/// A block of ports below those that the system hands out, so that nobody gets one while its owner is killed.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    base: u16,
}

impl Ports {
    pub fn find() -> Result<Self> {
        let first = 20_000 + (std::process::id() % 24) as u16 * BLOCK;
        let bases = (first..27_500).chain(20_000..first).step_by(BLOCK.into());
        bases
            .into_iter()
            .find(|base| (*base..base + BLOCK).all(is_free))
            .map(|base| Self { base })
            .context("no block of free ports between 20000 and 27500")
    }

    pub fn postgres(self) -> u16 {
        self.base
    }

    pub fn redis(self) -> u16 {
        self.base + 1
    }

    /// The store's parts listen on some of the ports behind it.
    pub fn object_store(self) -> u16 {
        self.base + 10
    }

    /// A broker's own listener, which nothing stands before; nodes count from 1.
    pub fn broker(self, node: u16) -> u16 {
        self.base + 40 + 20 * (node - 1)
    }

    /// Where a broker listens for one of the services that use Kafka.
    pub fn broker_for(self, node: u16, listener: u16) -> u16 {
        self.broker(node) + 2 + listener
    }

    /// Three ports for an instance of a service, the first of them: public, gRPC, admin; numbers count from 0.
    pub fn instance(self, service: u16, number: u16) -> u16 {
        self.base + 200 + 20 * service + 4 * number
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
