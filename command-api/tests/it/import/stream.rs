//! An import that is sent and read bit by bit.

use std::io;

use depot_service::auth::Role;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::PATH;
use crate::service::{Service, token};

/// Small, so that what is not read is soon the server's.
const RECEIVES: u32 = 16 * 1024;

pub struct Import {
    sender: Sender,
    reader: Reader,
}

pub struct Sender(OwnedWriteHalf);

pub struct Reader {
    answer: BufReader<OwnedReadHalf>,
    has_head: bool,
    /// What was read of a line and of those behind it.
    text: Vec<u8>,
}

impl Import {
    /// Sends the head of an import of alice's.
    pub async fn begin(service: &Service, key: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(RECEIVES).unwrap();
        let stream = socket.connect(service.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (read, mut write) = stream.into_split();
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nIdempotency-Key: {key}\r\n\
             Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
            token("alice", &[Role::Writer])
        );
        write.write_all(head.as_bytes()).await.unwrap();
        let reader = Reader {
            answer: BufReader::new(read),
            has_head: false,
            text: Vec::new(),
        };
        Self {
            sender: Sender(write),
            reader,
        }
    }

    pub fn split(self) -> (Sender, Reader) {
        (self.sender, self.reader)
    }

    pub async fn send(&mut self, text: &str) {
        self.sender.send(text).await;
    }

    pub async fn finish(&mut self) {
        self.sender.finish().await;
    }

    pub async fn line(&mut self) -> Option<Value> {
        self.reader.line().await
    }
}

impl Sender {
    pub async fn send(&mut self, text: &str) {
        self.try_send(text).await.unwrap();
    }

    /// As `send`, to who may read no more.
    pub async fn try_send(&mut self, text: &str) -> io::Result<()> {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.0.write_all(chunk.as_bytes()).await
    }

    /// Ends the body.
    pub async fn finish(&mut self) {
        self.0.write_all(b"0\r\n\r\n").await.unwrap();
    }
}

impl Reader {
    /// The next line of the answer; none at its end.
    pub async fn line(&mut self) -> Option<Value> {
        if !self.has_head {
            self.head().await;
        }
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let size = self.text_line().await;
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            self.answer.read_exact(&mut chunk).await.unwrap();
            if size == 0 {
                assert!(self.text.is_empty(), "the answer ends within a line");
                return None;
            }
            self.text.extend_from_slice(&chunk[..size]);
        }
    }

    async fn head(&mut self) {
        let status = self.text_line().await;
        assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
        while self.text_line().await != "\r\n" {}
        self.has_head = true;
    }

    async fn text_line(&mut self) -> String {
        let mut line = String::new();
        let read = self.answer.read_line(&mut line).await.unwrap();
        assert!(read > 0, "the answer breaks off");
        line
    }
}
