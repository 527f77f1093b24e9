//! The connections of one party to another, through a proxy that can disturb them.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// What the proxy does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Open,
    /// Connections are reset, new ones too.
    Cut,
    /// Connections stay, and nothing comes through.
    Silent,
    /// Each piece of at most 16 KiB waits so long.
    Slow(Duration),
}

pub struct Link {
    pub name: String,
    pub port: u16,
    mode: watch::Sender<Mode>,
    task: tokio::task::JoinHandle<()>,
}

impl Link {
    /// Stands before `127.0.0.1:server`, on `port` or, with 0, on any.
    pub async fn open(name: String, port: u16, server: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("a port for the link {name}"))?;
        let port = listener.local_addr()?.port();
        let (mode, modes) = watch::channel(Mode::Open);
        let task = tokio::spawn(serve(listener, server, modes));
        Ok(Self {
            name,
            port,
            mode,
            task,
        })
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: u16, modes: watch::Receiver<Mode>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(carry(client, server, modes.clone()));
    }
}

async fn carry(client: TcpStream, server: u16, mut modes: watch::Receiver<Mode>) {
    // Where it is cut, both ends see a reset rather than an orderly end. Fails only for a closed socket.
    let _ = client.set_zero_linger();
    if modes.wait_for(|mode| *mode != Mode::Silent).await.is_err() || *modes.borrow() == Mode::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    let _ = (
        client.set_nodelay(true),
        server.set_nodelay(true),
        server.set_zero_linger(),
    );
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let until_cut = async {
        let mut modes = modes.clone();
        let _ = modes.wait_for(|mode| *mode == Mode::Cut).await;
    };
    tokio::select! {
        () = pump(from_client, to_server, modes.clone()) => {}
        () = pump(from_server, to_client, modes.clone()) => {}
        () = until_cut => {}
    }
}

/// Ends when its source does.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut modes: watch::Receiver<Mode>) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut piece).await else {
            return;
        };
        if modes.wait_for(|mode| *mode != Mode::Silent).await.is_err() {
            return;
        }
        let mode = *modes.borrow();
        if let Mode::Slow(pause) = mode {
            tokio::time::sleep(pause).await;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
