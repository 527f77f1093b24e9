//! Connections that say nothing or take nothing, and more of them than are taken.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use depot_service::connections::{ConnectionLimits, serve};
use depot_service::health::Readiness;
use futures::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(max_open: usize, head_timeout: Duration) -> Self {
        let limits = ConnectionLimits {
            max_open,
            head_timeout,
            ..ConnectionLimits::default()
        };
        Self::serving(Router::new().route("/", get(async || "here")), limits).await
    }

    async fn serving(router: Router, limits: ConnectionLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = serve(
            "test".to_owned(),
            listener,
            router,
            limits,
            Readiness::new(),
            stop.clone(),
        );
        Self {
            address,
            stop,
            serving: tokio::spawn(serving),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn ask(connection: &mut TcpStream) {
    connection.write_all(REQUEST).await.unwrap();
}

async fn expect_answer(connection: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"here") {
        assert_ne!(connection.read_buf(&mut answer).await.unwrap(), 0, "closed early");
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// Whatever it says before it is closed.
async fn expect_end(connection: &mut TcpStream) {
    let mut rest = Vec::new();
    let end = timeout(Duration::from_secs(60), connection.read_to_end(&mut rest)).await;
    // An end all the same where it was closed on something unread.
    let _reset = end.expect("the connection is closed");
}

#[tokio::test]
async fn who_sends_no_whole_head_in_time_is_disconnected() {
    let server = Server::start(10, Duration::from_millis(200)).await;
    let (mut silent, mut slow) = tokio::join!(server.connect(), server.connect());
    // On a machine that stands still meanwhile it is over before that.
    let _may_be_late = slow.write_all(&REQUEST[..20]).await;
    for connection in [&mut silent, &mut slow] {
        expect_end(connection).await;
    }
}

#[tokio::test]
async fn who_sends_no_other_request_in_time_is_disconnected() {
    let server = Server::start(10, Duration::from_secs(3)).await;
    let mut idle = server.connect().await;
    ask(&mut idle).await;
    expect_answer(&mut idle).await;
    expect_end(&mut idle).await;
}

/// Tells when it is dropped.
struct Dropped(mpsc::Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _told_already = self.0.try_send(());
    }
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_disconnected_and_the_answer_let_go() {
    let (told, mut dropped) = mpsc::channel(1);
    let endless = move || {
        let pieces = stream::unfold(Dropped(told.clone()), async |held| {
            Some((Ok::<_, Infallible>(Bytes::from_static(&[0; 65_536])), held))
        });
        std::future::ready(Body::from_stream(pieces))
    };
    let limits = ConnectionLimits {
        stalled_after: Duration::from_millis(200),
        ..ConnectionLimits::default()
    };
    let server = Server::serving(Router::new().route("/", get(endless)), limits).await;
    let mut silent = server.connect().await;
    ask(&mut silent).await;
    // Nothing is read: what the system keeps for the connection fills up, and then nothing more is taken.
    let end = timeout(Duration::from_secs(60), dropped.recv()).await;
    end.expect("the answer is dropped").expect("and says so");
    expect_end(&mut silent).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_served_when_others_are_closed() {
    let server = Server::start(2, Duration::from_secs(600)).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for connection in [&mut first, &mut second] {
        ask(connection).await;
        expect_answer(connection).await;
    }
    let mut third = server.connect().await;
    ask(&mut third).await;
    // As long as both are open, these have their answers, and it has none.
    for _ in 0..20 {
        ask(&mut first).await;
        expect_answer(&mut first).await;
    }
    let mut byte = [0];
    assert!(third.try_read(&mut byte).is_err(), "it is not served yet");
    drop(second);
    expect_answer(&mut third).await;
}

#[tokio::test]
async fn at_the_end_idle_connections_are_closed_and_nobody_is_let_in() {
    let server = Server::start(2, Duration::from_secs(600)).await;
    let mut idle = server.connect().await;
    ask(&mut idle).await;
    expect_answer(&mut idle).await;
    server.stop.cancel();
    expect_end(&mut idle).await;
    server.serving.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
