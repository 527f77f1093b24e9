use std::net::SocketAddr;

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Speaks clamd's protocol on a port of its own, and finds a word.
pub struct Scanner {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Scanner {
    /// What is found in whatever has it.
    pub const FOUND: &'static str = "what the scanner of this test finds";

    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(answer(client));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(client: TcpStream) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut command = Vec::new();
    loop {
        match client.read_u8().await? {
            0 => break,
            byte => command.push(byte),
        }
    }
    if command == b"zPING" {
        return client.write_all(b"PONG\0").await;
    }
    let mut stream = Vec::new();
    loop {
        let length = client.read_u32().await? as usize;
        if length == 0 {
            break;
        }
        let start = stream.len();
        stream.resize(start + length, 0);
        client.read_exact(&mut stream[start..]).await?;
    }
    let word = Scanner::FOUND.as_bytes();
    let verdict: &[u8] = match stream.windows(word.len()).any(|bytes| bytes == word) {
        true => b"stream: Test.Word FOUND\0",
        false => b"stream: OK\0",
    };
    client.write_all(verdict).await
}
