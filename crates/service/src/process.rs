//! A running service: its listeners, tasks, probes and end.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use futures::FutureExt as _;
use tokio::net::TcpListener;

use crate::auth::Door;
use crate::config::ProcessConfig;
use crate::connections::{self, ConnectionLimits};
use crate::health::{Readiness, ReadyState, admin_router_with};
use crate::heartbeat::{Pulse, Vitals};
use crate::metrics::{Metrics, MetricsError};
use crate::profiling;
use crate::shutdown::{DrainError, DrainPolicy, Shutdown};
use crate::startup::Clearance;

/// A port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; is the port in use?")]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// Opens a listener; port 0 lets the system choose, `local_addr` of the listener tells which.
///
/// # Errors
/// [`BindError`].
pub async fn bind(address: IpAddr, port: u16) -> Result<TcpListener, BindError> {
    let address = SocketAddr::new(address, port);
    TcpListener::bind(address)
        .await
        .map_err(|source| BindError { address, source })
}

/// What an operator tells one process of a service from the others by: `command-api@host 7`. In a container the host is the
/// container's or the pod's name, and the number of the process is the same in all of them.
#[must_use]
pub fn instance_name(service: &str) -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    format!("{service}@{host} {}", std::process::id())
}

/// What every service is made of.
#[derive(Debug, Clone)]
pub struct Process {
    /// Owns the tasks.
    pub shutdown: Shutdown,
    /// What is waited for.
    pub readiness: Readiness,
    /// What is measured.
    pub metrics: Metrics,
    /// Whether all that is waited for has been named.
    parts: ReadyState,
}

impl Process {
    /// A process without listeners and tasks; its metrics are being recorded. It is not ready before it is
    /// [`complete`](Self::complete).
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn new(shutdown: Shutdown) -> Result<Self, MetricsError> {
        let metrics = Metrics::install()?;
        shutdown.spawn_last(
            "metrics upkeep",
            metrics.clone().run_upkeep(shutdown.last_token()),
        );
        let waits = metrics.clone().measure_waits(shutdown.last_token());
        shutdown.spawn_last("pool waits", waits);
        let readiness = Readiness::new();
        let parts = readiness.part("process");
        Ok(Self {
            shutdown,
            readiness,
            metrics,
            parts,
        })
    }

    /// Says that all parts and checks of its readiness are registered. Before, one that is asked would be ready for want of
    /// anything to wait for, and would count as started.
    pub fn complete(&self) {
        self.parts.ready();
    }

    /// Keeps the door's keys of tokens fresh, until the very end; while none was read, the process is not ready.
    pub fn watch_keys(&self, door: &Arc<Door>) {
        let checked = Arc::clone(door);
        self.readiness.check("token keys", move || {
            std::future::ready(checked.verifier().check_keys())
        });
        let keeping = door.verifier().keep_keys(self.shutdown.last_token());
        self.shutdown.spawn_last("token keys", keeping);
    }

    /// The route by which the process tells how it is, for the admin port.
    pub fn heartbeat(&self, vitals: Vitals) -> Router {
        let stop = self.shutdown.last_token();
        let (pulse, looking) = Pulse::new(vitals, self.readiness.clone(), self.metrics.clone(), stop);
        self.shutdown.spawn_last("heartbeat", looking);
        pulse.route()
    }

    /// Serves the admin routes, also while the process drains.
    pub fn serve_admin(&self, config: &ProcessConfig, listener: TcpListener) {
        self.serve_admin_with(config, listener, Router::new());
    }

    /// As [`serve_admin`](Self::serve_admin), with more routes, which say themselves who may call them.
    pub fn serve_admin_with(&self, config: &ProcessConfig, listener: TcpListener, more: Router) {
        let more = match config.profiling {
            true => more.merge(profiling::routes(&self.shutdown)),
            false => more,
        };
        let router = admin_router_with(self.readiness.clone(), self.metrics.clone(), more);
        let told = self.readiness.clone().keep_told(self.shutdown.last_token());
        self.shutdown.spawn_last("readiness", told);
        let stop = self.shutdown.last_token();
        let limits = ConnectionLimits::default();
        let name = "admin listener".to_owned();
        let serving = connections::serve(name, listener, router, limits, self.readiness.clone(), stop);
        self.shutdown.spawn_last("admin listener", serving);
    }

    /// Serves a public router until the process drains; requests under way are finished. From the signal on, clients are told
    /// to go elsewhere with their next one.
    pub fn serve(&self, name: &str, listener: TcpListener, router: Router, limits: ConnectionLimits) {
        let (readiness, stop) = (self.readiness.clone(), self.shutdown.token());
        let serving = connections::serve(name.to_owned(), listener, router, limits, readiness, stop);
        self.shutdown.spawn(name, serving);
    }

    /// Spawns a task that begins when the clearance is given, and does not begin if the process ends before.
    pub fn spawn_cleared(
        &self,
        name: &str,
        cleared: Clearance,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = cleared.then(self.shutdown.token(), task);
        self.shutdown.spawn(name, task.map(|_| ()));
    }

    /// Runs until a signal, a request or a failed task, then drains.
    ///
    /// # Errors
    /// [`DrainError`] names failed tasks and those that were still running at the deadline.
    pub async fn run_until_stopped(self, policy: DrainPolicy) -> Result<(), DrainError> {
        self.shutdown.requested().await;
        tracing::info!("draining");
        self.shutdown.drain(&self.readiness, policy).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_instance_is_named_by_service_host_and_process() {
        let name = super::instance_name("projector");
        let (service, rest) = name.split_once('@').unwrap();
        let (host, process) = rest.rsplit_once(' ').unwrap();
        assert_eq!(
            (service, process),
            ("projector", std::process::id().to_string().as_str())
        );
        let told = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(host, told.trim());
    }
}
