//! A door in front of a real server, which a test can shut: connections are cut, new ones refused.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub struct Gate {
    pub endpoint: String,
    open: watch::Sender<bool>,
    turned_away: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Gate {
    /// An open gate to `http://host:port`.
    pub async fn to(endpoint: &str) -> Self {
        let server = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port of loopback");
        let endpoint = format!(
            "http://{}",
            listener.local_addr().expect("a bound listener has an address")
        );
        let (open, is_open) = watch::channel(true);
        let turned_away = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(serve(listener, server, is_open, Arc::clone(&turned_away)));
        Self {
            endpoint,
            open,
            turned_away,
            task,
        }
    }

    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
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
    is_open: watch::Receiver<bool>,
    turned_away: Arc<AtomicUsize>,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((mut client, _)) = listener.accept().await else {
            return;
        };
        if !*is_open.borrow() {
            turned_away.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let (server, mut is_open) = (server.clone(), is_open.clone());
        connections.spawn(async move {
            let Ok(mut server) = TcpStream::connect(&server).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = is_open.wait_for(|open| !open) => {}
            }
        });
    }
}
