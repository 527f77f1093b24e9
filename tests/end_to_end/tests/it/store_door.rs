//! A door in front of the object store that sees which parts are sent, and can hold them back.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub struct StoreDoor {
    /// What clients are told to send to.
    pub endpoint: String,
    seen: Arc<Seen>,
    passing: watch::Sender<usize>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    /// The numbers of the parts that were let through, in their order.
    passed: Mutex<Vec<u64>>,
    held: AtomicUsize,
}

impl StoreDoor {
    /// A door to `http://host:port` that lets `passing` parts through.
    pub async fn to(endpoint: &str, passing: usize) -> Self {
        let server = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (passing, may_pass) = watch::channel(passing);
        let seen = Arc::new(Seen::default());
        let task = tokio::spawn(serve(listener, server, may_pass, Arc::clone(&seen)));
        Self {
            endpoint,
            seen,
            passing,
            task,
        }
    }

    /// Lets through so many parts in all, and turns away those that stand before the door.
    pub fn let_pass(&self, parts: usize) {
        self.passing.send_replace(parts);
    }

    pub fn passed(&self) -> Vec<u64> {
        self.seen.passed.lock().unwrap().clone()
    }

    /// How many requests stand before the door, or stood there.
    pub fn held(&self) -> usize {
        self.seen.held.load(Ordering::Relaxed)
    }
}

impl Drop for StoreDoor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: String, may_pass: watch::Receiver<usize>, seen: Arc<Seen>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (server, may_pass, seen) = (server.clone(), may_pass.clone(), Arc::clone(&seen));
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(&server).await else {
                return;
            };
            let ((from_client, mut to_client), (mut from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                _ = forward(from_client, to_server, may_pass, &seen) => {}
                _ = copy(&mut from_server, &mut to_client) => {}
            }
        });
    }
}

/// A client sends the head of a request when it has the answer to the one before, so a head begins what is read.
async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut may_pass: watch::Receiver<usize>,
    seen: &Seen,
) -> std::io::Result<()> {
    let mut piece = vec![0; 256 * 1024];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        if let Some(number) = part_number(&piece[..read])
            && !passes(number, *may_pass.borrow_and_update(), seen)
        {
            seen.held.fetch_add(1, Ordering::Relaxed);
            // Its client may be gone by then, and would have sent half of it: a client that is there comes again.
            drop(may_pass.changed().await);
            return Ok(());
        }
        to.write_all(&piece[..read]).await?;
    }
}

fn passes(number: u64, allowed: usize, seen: &Seen) -> bool {
    let mut passed = seen.passed.lock().unwrap();
    if passed.len() == allowed {
        return false;
    }
    passed.push(number);
    true
}

fn part_number(head: &[u8]) -> Option<u64> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let (_, rest) = line.strip_prefix("PUT ")?.split_once("partNumber=")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
