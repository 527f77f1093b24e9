//! An orderly end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use depot_service::config::ProcessConfig;
use depot_service::connections::ConnectionLimits;
use depot_service::health::Readiness;
use depot_service::process::{Process, bind};
use depot_service::shutdown::{DrainPolicy, Shutdown};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const POLICY: DrainPolicy = DrainPolicy {
    notice: Duration::ZERO,
    deadline: Duration::from_secs(20),
};
const SOON: DrainPolicy = DrainPolicy {
    notice: Duration::ZERO,
    deadline: Duration::from_millis(50),
};

#[tokio::test]
async fn tasks_are_joined_before_drain_returns() {
    let shutdown = Shutdown::new();
    let ended = Arc::new(AtomicBool::new(false));
    shutdown.spawn("worker", {
        let (ended, stop) = (Arc::clone(&ended), shutdown.token());
        async move {
            stop.cancelled().await;
            tokio::task::yield_now().await;
            ended.store(true, Ordering::SeqCst);
        }
    });
    let readiness = Readiness::new();
    shutdown.drain(&readiness, POLICY).await.unwrap();
    assert!(ended.load(Ordering::SeqCst) && readiness.is_draining());
}

#[tokio::test]
async fn a_task_that_does_not_end_is_named_and_dropped() {
    let shutdown = Shutdown::new();
    let held = Arc::new(());
    shutdown.spawn("stuck", {
        let held = Arc::clone(&held);
        async move {
            std::future::pending::<()>().await;
            drop(held);
        }
    });
    shutdown.spawn("quick", async {});
    let error = shutdown.drain(&Readiness::new(), SOON).await.unwrap_err();
    assert_eq!(error.unfinished, ["stuck"]);
    assert!(error.to_string().contains("stuck"), "{error}");
    while Arc::strong_count(&held) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_task_that_fails_or_panics_ends_the_process_and_is_named() {
    let failing = Shutdown::new();
    failing.spawn_critical("consumer", async {
        Err::<(), _>(std::io::Error::other("no broker"))
    });
    failing.requested().await;
    let error = failing.drain(&Readiness::new(), POLICY).await.unwrap_err();
    assert_eq!(
        (error.failed[0].task.as_str(), error.failed[0].reason.as_str()),
        ("consumer", "no broker")
    );

    let panicking = Shutdown::new();
    panicking.spawn("relay", async { panic!("a bug") });
    panicking.requested().await;
    let error = panicking.drain(&Readiness::new(), POLICY).await.unwrap_err();
    assert_eq!(error.failed[0].reason, "it panicked");
}

#[tokio::test]
async fn a_signal_asks_the_process_to_end() {
    let shutdown = Shutdown::on_signals().unwrap();
    let sent = tokio::process::Command::new("kill")
        .arg("-TERM")
        .arg(std::process::id().to_string())
        .status();
    assert!(sent.await.unwrap().success());
    shutdown.requested().await;
    shutdown.drain(&Readiness::new(), POLICY).await.unwrap();
}

/// Sends one request on a connection of its own and reads the whole answer.
async fn request(stream: &mut TcpStream, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_request_under_way_is_finished_while_readiness_is_false_and_no_new_one_is_taken() {
    let process = Process::new(Shutdown::new()).unwrap();
    let config = ProcessConfig::default();
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
        move || async move {
            entered.notify_one();
            release.notified().await;
            "finished"
        }
    };
    let public = bind(config.bind, 0).await.unwrap();
    let admin = bind(config.bind, config.admin_port).await.unwrap();
    let (public_address, admin_address) = (public.local_addr().unwrap(), admin.local_addr().unwrap());
    process.serve(
        "public listener",
        public,
        Router::new().route("/slow", get(slow)),
        ConnectionLimits::default(),
    );
    process.serve_admin(&config, admin);
    let get = async |path| request(&mut TcpStream::connect(admin_address).await.unwrap(), path).await;
    let readyz = async || get("/readyz").await;
    // Nothing is waited for yet, and more may be.
    let early = readyz().await;
    assert!(
        early.starts_with("HTTP/1.1 503") && early.contains("process"),
        "{early}"
    );
    assert!(get("/startupz").await.starts_with("HTTP/1.1 503"));
    process.complete();
    assert!(readyz().await.starts_with("HTTP/1.1 200"));
    assert!(get("/startupz").await.starts_with("HTTP/1.1 200"));

    let mut stream = TcpStream::connect(public_address).await.unwrap();
    let under_way = tokio::spawn(async move { request(&mut stream, "/slow").await });
    entered.notified().await;
    let stop = process.shutdown.token();
    process.shutdown.request();
    let running = tokio::spawn(process.run_until_stopped(POLICY));
    stop.cancelled().await;

    assert!(
        readyz().await.starts_with("HTTP/1.1 503"),
        "unready while draining"
    );
    // The listener closes in its own task: wait for that, with the test's patience as the deadline.
    while TcpStream::connect(public_address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.notify_one();
    assert!(under_way.await.unwrap().ends_with("finished"));
    running.await.unwrap().unwrap();
    assert!(TcpStream::connect(admin_address).await.is_err());
}

/// One answer of a connection that stays open, as far as its body, which is `here`.
async fn next_answer(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET /here HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"here") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed early");
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn an_answer_after_the_signal_is_the_last_one_on_its_connection_and_says_so() {
    let process = Process::new(Shutdown::new()).unwrap();
    let public = bind(ProcessConfig::default().bind, 0).await.unwrap();
    let mut stream = TcpStream::connect(public.local_addr().unwrap()).await.unwrap();
    let router = Router::new().route("/here", get(async || "here"));
    process.serve("public listener", public, router, ConnectionLimits::default());
    for _ in 0..2 {
        assert!(!next_answer(&mut stream).await.contains("connection: close"));
    }
    let (shutdown, readiness) = (process.shutdown.clone(), process.readiness.clone());
    // Long: what is seen here is seen before it is over.
    let policy = DrainPolicy {
        notice: Duration::from_secs(600),
        ..POLICY
    };
    let running = tokio::spawn(process.run_until_stopped(policy));
    shutdown.request();
    while !readiness.is_draining() {
        tokio::task::yield_now().await;
    }
    assert!(next_answer(&mut stream).await.contains("connection: close"));
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "and it is closed");
    running.abort();
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let ip = ProcessConfig::default().bind;
    let taken = bind(ip, 0).await.unwrap();
    let error = bind(ip, taken.local_addr().unwrap().port()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&taken.local_addr().unwrap().to_string()),
        "{error}"
    );
}
