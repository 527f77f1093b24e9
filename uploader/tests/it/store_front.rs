//! Stands before the real object store, and does with requests for a copy what a test wants; all else goes through.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use depot_test_stack::settings;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What becomes of a request for a copy.
#[derive(Debug, Clone)]
pub enum Copies {
    /// Answered as by a store that has no room.
    Refused {
        status: &'static str,
        code: &'static str,
    },
    /// The first waits, after telling that it has arrived, until it may go on; later ones go through.
    Held(Arc<Hold>),
}

#[derive(Debug, Default)]
pub struct Hold {
    pub arrived: Notify,
    pub go_on: Notify,
    held: AtomicBool,
}

impl Hold {
    async fn pass(&self) {
        if !self.held.swap(true, Ordering::Relaxed) {
            self.arrived.notify_one();
            self.go_on.notified().await;
        }
    }
}

/// The endpoint of a store whose copies are treated so.
pub async fn store_front(copies: Copies) -> String {
    let server = settings()
        .get("MINIO_ENDPOINT")
        .trim_start_matches("http://")
        .to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(client, server.clone(), copies.clone()));
        }
    });
    endpoint
}

/// One request a connection, so that each is looked at.
async fn answer(mut client: TcpStream, server: String, copies: Copies) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head).to_lowercase();
    if text.contains("x-amz-copy-source") {
        match copies {
            Copies::Refused { status, code } => return refuse(client, status, code).await,
            Copies::Held(hold) => hold.pass().await,
        }
    }
    let mut server = TcpStream::connect(server).await?;
    let first_line = head.iter().position(|byte| *byte == b'\n').unwrap_or_default() + 1;
    server.write_all(&head[..first_line]).await?;
    server.write_all(b"connection: close\r\n").await?;
    server.write_all(&head[first_line..]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

async fn refuse(mut client: TcpStream, status: &str, code: &str) -> std::io::Result<()> {
    let body = format!("<Error><Code>{code}</Code><Message>no room</Message></Error>");
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    client.write_all(answer.as_bytes()).await
}
