use std::time::Duration;

use bytes::Bytes;
use depot_end_to_end::{Client, Depot, Service};
use depot_service::auth::Role;
use futures::{StreamExt as _, stream};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const CHUNK: usize = 1024 * 1024;
/// What a process may grow by, whatever the size of the file.
const GROWTH: u64 = 64 * 1024 * 1024;

/// The file's size: 2 GiB in `make test-all`, enough to show flatness in `make test`.
fn chunks() -> usize {
    if std::env::var_os("DEPOT_LONG").is_some() {
        2048
    } else {
        192
    }
}

/// Announces a file of so many chunks of one byte.
async fn announce(alice: &Client, item: &str, byte: u8, chunks: usize) -> Value {
    let chunk = Bytes::from(vec![byte; CHUNK]);
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    (0..chunks).for_each(|_| digest.update(&chunk));
    let digest = digest.finish();
    let sha256: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let announced = alice
        .request_upload(item, "big.bin", chunks * CHUNK, &sha256)
        .await;
    announced.unwrap().json()
}

async fn item(alice: &Client) -> String {
    let item = alice.create_item("k", &serde_json::json!({"name": "a"})).await;
    item.unwrap().text("id")
}

async fn stored(alice: &Client, id: &str) {
    depot_test_stack::wait_until("the file is stored", || async {
        alice
            .read_at_least(&format!("/api/v1/uploads/{id}"), "3")
            .await
            .is_ok_and(|answer| answer.text("status") == "stored")
    })
    .await;
}

fn assert_flat(who: &str, before: u64, after: u64) {
    println!(
        "{who}'s peak memory: {} KiB before, {} KiB after {} MiB",
        before / 1024,
        after / 1024,
        chunks()
    );
    assert!(
        after - before < GROWTH,
        "{who} grew by {} KiB",
        (after - before) / 1024
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_uploader_stores_a_file_of_any_size_in_flat_memory() {
    let mut depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let item = item(&alice).await;
    let before = depot.process(Service::Uploader).peak_memory().unwrap();

    let announced = announce(&alice, &item, 42, chunks()).await;
    assert_eq!(announced["method"], "multipart", "{announced}");
    alice
        .put_parts(&announced, |_, size| vec![42; size])
        .await
        .unwrap();
    let id = announced["id"].as_str().unwrap();
    alice.complete_upload(id).await.unwrap();
    stored(&alice, id).await;

    let after = depot.process(Service::Uploader).peak_memory().unwrap();
    assert_flat("uploader", before, after);
    let open = depot
        .backing
        .store
        .open_multiparts(&depot.backing.staging, None)
        .await
        .unwrap();
    assert!(open.open.is_empty(), "{open:?}");
}

/// Two at a time, of half the size, so that it is seen that each costs little.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_api_takes_files_of_any_size_in_flat_memory() {
    let mut depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let item = item(&alice).await;
    let before = depot.process(Service::CommandApi).peak_memory().unwrap();
    let half = chunks() / 2;
    let send = async |byte: u8| {
        let id = announce(&alice, &item, byte, half).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let chunk = Bytes::from(vec![byte; CHUNK]);
        let body = stream::iter((0..half).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
        let put = alice
            .put_content(&id, half * CHUNK, reqwest::Body::wrap_stream(body))
            .await
            .unwrap();
        assert_eq!(put.status, 202, "{put:?}");
        stored(&alice, &id).await;
    };
    futures::join!(send(42), send(43));
    let after = depot.process(Service::CommandApi).peak_memory().unwrap();
    assert_flat("command-api", before, after);
}

/// How many lines are answered, and the last one; nothing else is kept of them.
async fn lines_of(request: RequestBuilder) -> (usize, Value) {
    let response = request.timeout(Duration::from_secs(1_800)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut pieces = response.bytes_stream();
    let (mut count, mut last) = (0, Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.unwrap();
        count += piece.iter().filter(|byte| **byte == b'\n').count();
        // From the last line on that has begun.
        let text = [last, piece.to_vec()].concat();
        let whole = text.strip_suffix(b"\n").unwrap_or(&text);
        let begin = whole
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        last = text[begin..].to_vec();
    }
    (count, serde_json::from_slice(&last).unwrap())
}

/// Most of the lines are refused, and large: what is created goes on through the whole system.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_api_imports_any_number_of_lines_in_flat_memory() {
    const REFUSED: usize = 10;
    let mut depot = Depot::start_with(&[("RATE_LIMIT_PER_SECOND", "0")])
        .await
        .unwrap();
    let alice = depot.client("alice", Role::Writer);
    let before = depot.process(Service::CommandApi).peak_memory().unwrap();
    let refused = "x".repeat(CHUNK / REFUSED) + "\n";
    let chunk = Bytes::from("{\"name\": \"a\"}\n".to_owned() + &refused.repeat(REFUSED));
    let chunks = chunks();
    let body = stream::iter((0..chunks).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let import = alice
        .command(Method::POST, "/api/v1/items:import")
        .header("Idempotency-Key", "k")
        .header("Content-Type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(body));
    let (count, end) = lines_of(import).await;
    assert_eq!(count, chunks * (REFUSED + 1) + 1);
    assert_eq!(
        end,
        json!({"end": true, "lines": chunks * (REFUSED + 1), "created": chunks})
    );
    let after = depot.process(Service::CommandApi).peak_memory().unwrap();
    assert_flat("command-api", before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_api_exports_any_number_of_items_in_flat_memory() {
    const EACH: usize = 10_000;
    let mut depot = Depot::start().await.unwrap();
    let items = chunks() * CHUNK / EACH;
    sqlx::query(
        "INSERT INTO read.items (projection, id, owner, name, description, tags, attributes, status, files, epoch,
             version, created_at, updated_at, deleted)
         SELECT 1, gen_random_uuid(), 'alice', 'n', repeat('x', $2), '{}', '{}', 'draft', '[]', 0, 1,
             now() + n * interval '1 microsecond', now(), false
         FROM generate_series(1, $1) n",
    )
    .bind(i64::try_from(items).unwrap())
    .bind(i32::try_from(EACH).unwrap())
    .execute(&depot.database)
    .await
    .unwrap();
    let reader = depot.client("reader", Role::Reader);
    let before = depot.process(Service::QueryApi).peak_memory().unwrap();
    let (count, end) = lines_of(reader.query("/api/v1/items:export")).await;
    assert_eq!(end, json!({"end": true, "count": items}));
    assert!(count > items, "{count} lines of {items} items");
    let after = depot.process(Service::QueryApi).peak_memory().unwrap();
    assert_flat("query-api", before, after);
}

/// Connections that stay open after an answer.
async fn connect(address: &str, count: usize) -> Vec<TcpStream> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let request = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n";
        connection.write_all(request).await.unwrap();
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        connections.push(connection);
    }
    connections
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_takes_little_memory() {
    const CONNECTIONS: usize = 300;
    const EACH: u64 = 64 * 1024;
    let mut depot = Depot::start().await.unwrap();
    for (service, url) in [
        (Service::CommandApi, depot.command_url()),
        (Service::QueryApi, depot.query_url()),
    ] {
        let address = url.trim_start_matches("http://");
        let open = connect(address, CONNECTIONS / 10).await;
        let before = depot.process(service).peak_memory().unwrap();
        let more = connect(address, CONNECTIONS).await;
        let grown = depot.process(service).peak_memory().unwrap() - before;
        println!("{service:?}: {} bytes a connection", grown / CONNECTIONS as u64);
        assert!(
            grown < EACH * CONNECTIONS as u64,
            "{service:?} grew by {grown} bytes"
        );
        drop((open, more));
    }
}
