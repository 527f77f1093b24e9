//! What a Service of Kubernetes is to clients: one address, and each new connection goes to an instance that is ready.
//!
//! Connections that are open stay where they are. Nothing is sent twice: a connection that an instance refuses, or that is
//! opened while none is ready, is closed, and its client sees that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Between two looks at an instance's readiness.
const PROBE_PERIOD: Duration = Duration::from_millis(500);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// So many looks in a row find it unready before it gets no more connections, as the chart has it.
const FAILURES: u32 = 2;

/// An instance, by the port for its clients and the URL of its readiness.
#[derive(Debug, Clone)]
pub struct Backend {
    pub port: u16,
    pub readiness: String,
}

/// It ends with the value.
pub struct Balancer {
    port: u16,
    /// Aborted when it is dropped.
    _tasks: JoinSet<()>,
}

struct Pool {
    backends: Vec<(Backend, AtomicBool)>,
    turn: AtomicUsize,
}

impl Balancer {
    /// Stands before instances that are ready now.
    pub async fn open(backends: Vec<Backend>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("a port for a balancer")?;
        let port = listener.local_addr()?.port();
        let probe = reqwest::Client::builder().timeout(PROBE_TIMEOUT).build()?;
        let ready = backends
            .into_iter()
            .map(|backend| (backend, AtomicBool::new(true)));
        let pool = Arc::new(Pool {
            backends: ready.collect(),
            turn: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        for number in 0..pool.backends.len() {
            tasks.spawn(watch(Arc::clone(&pool), number, probe.clone()));
        }
        tasks.spawn(serve(listener, pool));
        Ok(Self { port, _tasks: tasks })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Pool {
    /// Of those that are ready each in its turn.
    fn next(&self) -> Option<u16> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let ready = || {
            self.backends
                .iter()
                .filter(|(_, ready)| ready.load(Ordering::Relaxed))
        };
        let count = ready().count().max(1);
        ready().nth(turn % count).map(|(backend, _)| backend.port)
    }
}

async fn watch(pool: Arc<Pool>, number: usize, probe: reqwest::Client) {
    let (backend, ready) = &pool.backends[number];
    let mut failures = 0;
    loop {
        let answer = probe.get(&backend.readiness).send().await;
        failures = match answer.is_ok_and(|answer| answer.status().is_success()) {
            true => 0,
            false => failures + 1,
        };
        if failures == 0 || failures >= FAILURES {
            ready.store(failures == 0, Ordering::Relaxed);
        }
        tokio::time::sleep(PROBE_PERIOD).await;
    }
}

async fn serve(listener: TcpListener, pool: Arc<Pool>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        if let Some(port) = pool.next() {
            connections.spawn(carry(client, port));
        }
    }
}

/// To its end, whichever side ends it. What goes wrong is for both sides to see.
async fn carry(mut client: TcpStream, port: u16) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    // Answers are small, and wait for nothing.
    _ = (client.set_nodelay(true), server.set_nodelay(true));
    _ = copy_bidirectional(&mut client, &mut server).await;
}
