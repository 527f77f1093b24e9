//! A door in front of a real server, which a test can shut: connections are cut, new ones refused; or hold: connections
//! stay, and nothing comes through.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Bytes on their way in one direction of a connection.
const BUFFER: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Held,
    Shut,
}

pub struct Gate {
    pub endpoint: String,
    state: watch::Sender<State>,
    turned_away: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Gate {
    /// An open gate to `http://host:port`, or `host:port`.
    pub async fn to(endpoint: &str) -> Self {
        let server = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port of loopback");
        let endpoint = format!(
            "http://{}",
            listener.local_addr().expect("a bound listener has an address")
        );
        let (state, seen) = watch::channel(State::Open);
        let turned_away = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(serve(listener, server, seen, Arc::clone(&turned_away)));
        Self {
            endpoint,
            state,
            turned_away,
            task,
        }
    }

    /// `host:port` of the gate.
    pub fn address(&self) -> &str {
        self.endpoint.trim_start_matches("http://")
    }

    pub fn shut(&self) {
        self.state.send_replace(State::Shut);
    }

    /// Swallows what is sent, as a network does that lost its way, or a server that is stopped.
    pub fn hold(&self) {
        self.state.send_replace(State::Held);
    }

    /// Lets through, also what was held.
    pub fn open(&self) {
        self.state.send_replace(State::Open);
    }

    /// How many connections met a shut gate.
    pub fn turned_away(&self) -> usize {
        self.turned_away.load(Ordering::Relaxed)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    server: String,
    state: watch::Receiver<State>,
    turned_away: Arc<AtomicUsize>,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        if *state.borrow() == State::Shut {
            turned_away.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let (server, mut shut) = (server.clone(), state.clone());
        let state = state.clone();
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(&server).await else {
                return;
            };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                _ = async {
                    tokio::join!(
                        forward(from_client, to_server, state.clone()),
                        forward(from_server, to_client, state),
                    )
                } => {}
                _ = shut.wait_for(|state| *state == State::Shut) => {}
            }
        });
    }
}

/// Passes on what comes until its end, which is passed on too.
async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await;
        if state.wait_for(|state| *state != State::Held).await.is_err() {
            return;
        }
        match read {
            Ok(0) | Err(_) => break,
            Ok(length) => {
                if to.write_all(&buffer[..length]).await.is_err() {
                    break;
                }
            }
        }
    }
    // The other side may be gone already.
    let _gone = to.shutdown().await;
}
