//! `ADMIN_PORT`, `PROFILING`, `STARTUP_WAIT_SECONDS`, `SHUTDOWN_NOTICE_MS`, `SHUTDOWN_DEADLINE_SECONDS`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{AppEnv, ConfigReader, http::bind_address};
use crate::shutdown::DrainPolicy;

/// What every process has, with a public API or without.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// The address of the admin listener.
    pub bind: IpAddr,
    /// `/metrics`, `/livez`, `/readyz`, `/startupz`; 0 lets the system choose.
    pub admin_port: u16,
    /// Whether `/debug/` is among them.
    pub profiling: bool,
    /// How long a step of the installation is waited for that has not been run yet. Less than the ten minutes for which the
    /// chart's start-up probe waits, so that the process says why before it is ended.
    pub startup_wait: Duration,
    /// How the process ends.
    pub drain: DrainPolicy,
}

impl ProcessConfig {
    /// Reads the group.
    pub fn read(reader: &mut ConfigReader, default_admin_port: u16) -> Self {
        // Whoever takes a profile takes time from the process.
        let is_production = reader.app_env() == AppEnv::Production;
        let profiling = reader.boolean("PROFILING", !is_production);
        Self {
            bind: bind_address(reader),
            admin_port: reader.port("ADMIN_PORT", default_admin_port),
            profiling,
            startup_wait: reader.seconds("STARTUP_WAIT_SECONDS", 300, 0..=86_400),
            drain: DrainPolicy {
                notice: reader.millis("SHUTDOWN_NOTICE_MS", 0, 0..=60_000),
                deadline: reader.seconds("SHUTDOWN_DEADLINE_SECONDS", 25, 1..=600),
            },
        }
    }
}

impl Default for ProcessConfig {
    /// A port that the system chooses and a short drain: for tests.
    fn default() -> Self {
        Self {
            bind: Ipv4Addr::LOCALHOST.into(),
            admin_port: 0,
            profiling: true,
            startup_wait: Duration::from_secs(300),
            drain: DrainPolicy {
                notice: Duration::ZERO,
                deadline: Duration::from_secs(10),
            },
        }
    }
}
