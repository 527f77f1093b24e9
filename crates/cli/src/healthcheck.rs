//! `depot healthcheck`: whether the service of this container is ready. The image has neither a shell nor an HTTP client.
//!
//! It asks by HTTP/1.0, so that an answer ends with its connection and is never sent in chunks, and over plain TCP: a
//! client that can TLS would read the system's authorities at every check.

use std::{io, net::Ipv4Addr, process::ExitCode, time::Duration};

use depot_service::{health::ReadinessReport, problem::chain};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{help, output};

const REQUEST: &[u8] = b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n";
/// More than any report has; what comes after is not read.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// Of an answer that is no report.
const MAX_SHOWN_CHARS: usize = 200;
const NOT_READY: u8 = 1;

const AFTER_HELP: &str = "\
Exit codes:
  0  ready
  1  not ready, or no answer in time
  2  wrong usage";

/// Asks the admin port of a service on this host whether it is ready.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(AFTER_HELP, &["depot healthcheck --port 9180"]))]
pub struct Arguments {
    /// The admin port.
    #[arg(long, env = "ADMIN_PORT")]
    port: u16,
    /// How long to wait for the whole answer. A service gives each of its own checks 3 seconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 4000)]
    timeout_ms: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Why a service does not count as ready.
#[derive(Debug, thiserror::Error)]
enum NotReady {
    #[error("no answer at 127.0.0.1:{port}")]
    Away {
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error("no answer at 127.0.0.1:{port} within {timeout_ms} ms")]
    Late { port: u16, timeout_ms: u64 },
    #[error("what answers at 127.0.0.1:{port} does not speak HTTP")]
    Stranger { port: u16 },
    #[error("not ready ({status}): {reason}")]
    Waiting { status: u16, reason: String },
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match check(arguments.port, arguments.timeout_ms).await {
        Ok(()) if arguments.json => output::end_json(&json!({ "is_ready": true }), 0),
        Ok(()) => output::end("ready\n", 0),
        Err(error) if arguments.json => {
            let not_ready = Map::from_iter([("is_ready".to_owned(), Value::from(false))]);
            output::fail_with(true, &chain(&error), NOT_READY, not_ready)
        }
        Err(error) => {
            eprintln!("{}", chain(&error));
            ExitCode::from(NOT_READY)
        }
    }
}

async fn check(port: u16, timeout_ms: u64) -> Result<(), NotReady> {
    let answer = match timeout(Duration::from_millis(timeout_ms), ask(port)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(source)) => return Err(NotReady::Away { port, source }),
        Err(_) => return Err(NotReady::Late { port, timeout_ms }),
    };
    match parse(&answer) {
        Some((200, _)) => Ok(()),
        Some((status, body)) => Err(NotReady::Waiting {
            status,
            reason: reason(body),
        }),
        None => Err(NotReady::Stranger { port }),
    }
}

/// All that is answered, head and body.
async fn ask(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Status and body of an HTTP answer.
fn parse(answer: &str) -> Option<(u16, &str)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    let is_http = words.next()?.starts_with("HTTP/");
    let status = words.next()?.parse().ok()?;
    is_http.then_some((status, body))
}

/// What a report names as missing; else the beginning of what stands in its place.
fn reason(body: &str) -> String {
    let Ok(report) = serde_json::from_str::<ReadinessReport>(body) else {
        return body.trim().chars().take(MAX_SHOWN_CHARS).collect();
    };
    let mut parts: Vec<_> = report
        .waiting_for
        .iter()
        .map(|waiting| format!("{}: {}", waiting.name, waiting.reason))
        .collect();
    if report.draining {
        parts.push("it is ending".to_owned());
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Long enough for any machine.
    const IN_TIME_MS: u64 = 60_000;

    async fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// The port of a server that answers one request so, and closes.
    async fn answering(answer: &'static str) -> u16 {
        let (listener, port) = listener().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; REQUEST.len()];
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(request, REQUEST);
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        port
    }

    async fn said(port: u16, timeout_ms: u64) -> String {
        chain(&check(port, timeout_ms).await.unwrap_err())
    }

    #[tokio::test]
    async fn a_service_that_answers_200_is_ready() {
        let port = answering("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{}").await;
        check(port, IN_TIME_MS).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_waited_for_is_named() {
        let report = "HTTP/1.0 503 Service Unavailable\r\n\r\n\
            {\"ready\":false,\"draining\":true,\"waiting_for\":[{\"name\":\"database\",\"reason\":\"refused\"},\
            {\"name\":\"events\",\"reason\":\"starting\"}]}";
        let expected = "not ready (503): database: refused; events: starting; it is ending";
        assert_eq!(said(answering(report).await, IN_TIME_MS).await, expected);
    }

    #[tokio::test]
    async fn an_answer_that_is_no_report_is_shown() {
        let port = answering("HTTP/1.1 404 Not Found\r\n\r\nno such page\n").await;
        assert_eq!(said(port, IN_TIME_MS).await, "not ready (404): no such page");
    }

    #[tokio::test]
    async fn who_speaks_another_protocol_is_not_ready() {
        let port = answering("+PONG\r\n").await;
        let expected = format!("what answers at 127.0.0.1:{port} does not speak HTTP");
        assert_eq!(said(port, IN_TIME_MS).await, expected);
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_is_named() {
        let (listener, port) = listener().await;
        drop(listener);
        let said = said(port, IN_TIME_MS).await;
        assert!(
            said.starts_with(&format!("no answer at 127.0.0.1:{port}: ")),
            "{said}"
        );
    }

    #[tokio::test]
    async fn who_says_nothing_is_given_up_at_the_deadline() {
        // Connections are accepted by the system, and nobody reads them.
        let (_listener, port) = listener().await;
        let expected = format!("no answer at 127.0.0.1:{port} within 50 ms");
        assert_eq!(said(port, 50).await, expected);
    }
}
