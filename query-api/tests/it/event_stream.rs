//! A client of `GET /api/v1/stream`: one connection, read block by block.

use std::{net::SocketAddr, time::Duration};

use depot_test_stack::{SentEvent, SentEvents};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::http::{self, Reply};

/// A busy machine must not fail a test.
pub const GENEROUS: Duration = Duration::from_secs(60);

/// An open stream; cut when it is dropped.
pub struct EventStream {
    /// The answer without its body.
    pub head: Reply,
    connection: TcpStream,
    /// What has come and is no whole chunk yet.
    raw: Vec<u8>,
    events: SentEvents,
    has_ended: bool,
}

impl EventStream {
    /// # Panics
    /// If the answer is no stream.
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let request = http::request(address, path, headers);
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        let end = loop {
            match raw.windows(4).position(|four: &[u8]| four == b"\r\n\r\n") {
                Some(end) => break end,
                None => read_more(&mut connection, &mut raw).await,
            }
        };
        let head = Reply::read(path, &raw[..end], &[]);
        assert_eq!(
            (
                head.status,
                head.header("content-type"),
                head.header("transfer-encoding")
            ),
            (200, Some("text/event-stream"), Some("chunked")),
            "{head:?} {}",
            String::from_utf8_lossy(&raw)
        );
        raw.drain(..end + 4);
        Self {
            head,
            connection,
            raw,
            events: SentEvents::default(),
            has_ended: false,
        }
    }

    /// The next block; none at the end of the answer.
    pub async fn next(&mut self) -> Option<SentEvent> {
        loop {
            if let Some(event) = self.events.next() {
                return Some(event);
            }
            if self.has_ended {
                assert!(self.events.is_empty(), "the answer ended within a block");
                return None;
            }
            if !self.take_chunk() {
                read_more(&mut self.connection, &mut self.raw).await;
            }
        }
    }

    /// The next block that has data.
    ///
    /// # Panics
    /// If the answer ends before.
    pub async fn event(&mut self) -> SentEvent {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.data.is_some() {
                return event;
            }
        }
    }

    /// Moves a chunk that has come whole to the events.
    fn take_chunk(&mut self) -> bool {
        let Some(line) = self.raw.windows(2).position(|two| two == b"\r\n") else {
            return false;
        };
        let size = std::str::from_utf8(&self.raw[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let (begin, end) = (line + 2, line + 2 + size);
        if self.raw.len() < end + 2 {
            return false;
        }
        self.events.push(&self.raw[begin..end]);
        self.raw.drain(..end + 2);
        self.has_ended = size == 0;
        true
    }
}

async fn read_more(connection: &mut TcpStream, raw: &mut Vec<u8>) {
    let read = timeout(GENEROUS, connection.read_buf(raw)).await;
    let read = read.expect("nothing comes").unwrap();
    assert_ne!(read, 0, "cut off after {:?}", String::from_utf8_lossy(raw));
}
