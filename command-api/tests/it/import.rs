//! Items by a stream of lines.

mod stream;

use std::{fs, time::Duration};

use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    client::{Request, Response},
    service::{Service, token},
};
use stream::Import;

const PATH: &str = "/api/v1/items:import";
/// Commands of others, one after the other, in which an import that can go on does: it has one of its own in far less.
const OF_OTHERS: i64 = 100;

fn import(service: &Service, key: &str, lines: &str) -> Request {
    service.by("alice", "POST", PATH).key(key).ndjson(lines)
}

fn named(count: usize) -> String {
    (0..count)
        .map(|n| format!("{{\"name\": \"item {n}\"}}\n"))
        .collect()
}

/// The outcomes of an import, and its last line.
#[track_caller]
fn outcomes(answer: Response) -> (Vec<Value>, Value) {
    let mut lines = answer.expect(200).lines();
    let end = lines.pop().unwrap();
    assert!(lines.iter().all(|line| line.get("end").is_none()), "{lines:?}");
    let created = lines.iter().filter(|line| line["status"] == 201).count();
    assert_eq!(
        (&end["lines"], &end["created"]),
        (&json!(lines.len()), &json!(created)),
        "{end}"
    );
    (lines, end)
}

/// `(line, status)` of each.
fn statuses(outcomes: &[Value]) -> Vec<(u64, u64)> {
    let number = |value: &Value| value.as_u64().unwrap();
    outcomes
        .iter()
        .map(|outcome| (number(&outcome["line"]), number(&outcome["status"])))
        .collect()
}

#[tokio::test]
async fn each_line_has_its_own_outcome_in_order_whatever_becomes_of_the_others() {
    let service = Service::start().await;
    let lines = [
        &br#"{"name": "one", "status": "active"}"#[..],
        b"{\"name\": ",
        b"",
        b"{\"name\": \"\"}\r",
        br#"{"name": "two"} {"name": "three"}"#,
        b"{\"name\": \"\xff\"}",
        br#"{"name": "own", "idempotency_key": "own"}"#,
        br#"{"name": "own", "idempotency_key": "own"}"#,
        b" \t",
        br#"{"name": "the last one has no end"}"#,
    ];
    let request = service.by("alice", "POST", PATH).key("k");
    let request = request.header("Content-Type", "application/x-ndjson; charset=utf-8");
    let (outcomes, end) = outcomes(request.bytes(lines.join(&b'\n')).send().await);
    assert_eq!(
        statuses(&outcomes),
        [
            (1, 201),
            (2, 400),
            (4, 422),
            (5, 400),
            (6, 400),
            (7, 201),
            (8, 201),
            (10, 201)
        ]
    );
    assert_eq!(end, json!({"end": true, "lines": 8, "created": 4}));
    for (place, name) in [
        (1, "malformed-json"),
        (2, "validation-failed"),
        (3, "malformed-json"),
        (4, "malformed-json"),
    ] {
        let problem = &outcomes[place]["problem"];
        assert_eq!(problem["type"], format!("/problems/{name}"), "{problem}");
        assert_eq!(problem["instance"], PATH);
    }
    assert_eq!(outcomes[5]["item"], outcomes[6]["item"]);
    assert_eq!(outcomes[0]["item"]["status"], "active");
    let counts = service.counts().await;
    assert_eq!((counts["items"], counts["outbox"], counts["keys"]), (3, 3, 3));
}

#[tokio::test]
async fn an_import_sent_again_creates_nothing_twice() {
    let service = Service::start().await;
    let lines = named(150);
    let (first, _) = outcomes(import(&service, "k", &lines).send().await);
    let before = service.counts().await;
    // Lines that end otherwise are the same lines.
    for text in [lines.clone(), lines.replace('\n', "\r\n")] {
        let (again, end) = outcomes(import(&service, "k", &text).send().await);
        assert_eq!(end, json!({"end": true, "lines": 150, "created": 150}));
        for (one, other) in first.iter().zip(&again) {
            assert_eq!((&one["item"], &other["replayed"]), (&other["item"], &json!(true)));
        }
    }
    assert_eq!(service.counts().await, before);
    let changed = lines.replacen("item 7\"", "another\"", 1);
    let (changed, _) = outcomes(import(&service, "k", &changed).send().await);
    let refused: Vec<_> = changed
        .iter()
        .filter(|outcome| outcome["status"] != 201)
        .collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["line"], 8);
    assert_eq!(refused[0]["problem"]["type"], "/problems/idempotency-key-reused");
    assert_eq!(service.counts().await, before);
}

#[tokio::test]
async fn an_import_whose_client_went_away_goes_on_where_it_was() {
    let service = Service::start().await;
    let lines = named(100);
    let half = lines
        .lines()
        .take(50)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let mut cut = Import::begin(&service, "k").await;
    cut.send(&half).await;
    cut.send("{\"name\": \"half a li").await;
    wait_until("half of it is done", || async {
        service.counts().await["items"] == 50
    })
    .await;
    drop(cut);
    let (outcomes, end) = outcomes(import(&service, "k", &lines).send().await);
    assert_eq!(end, json!({"end": true, "lines": 100, "created": 100}));
    let replayed = outcomes
        .iter()
        .filter(|outcome| outcome["replayed"] == true)
        .count();
    assert_eq!(replayed, 50);
    let counts = service.counts().await;
    assert_eq!(
        (counts["items"], counts["outbox"], counts["keys"]),
        (100, 100, 100)
    );
}

#[tokio::test]
async fn a_line_is_answered_while_the_next_one_is_not_sent_yet() {
    let service = Service::start().await;
    let mut import = Import::begin(&service, "k").await;
    for number in 1..=5 {
        import.send("{\"name\": ").await;
        import.send("\"a\"}\n").await;
        let outcome = import.line().await.unwrap();
        assert_eq!(statuses(&[outcome]), [(number, 201)]);
    }
    import.finish().await;
    assert_eq!(
        import.line().await.unwrap(),
        json!({"end": true, "lines": 5, "created": 5})
    );
    assert_eq!(import.line().await, None);
}

#[tokio::test]
async fn a_line_that_is_too_long_ends_the_import_and_says_so() {
    let service = Service::start_with(&[("MAX_BODY_BYTES", "1024")]).await;
    let long = format!("{{\"name\": \"{}\"}}\n", "x".repeat(1_100));
    let lines = named(3) + &long + &named(2);
    let (outcomes, end) = outcomes(import(&service, "k", &lines).send().await);
    assert_eq!(statuses(&outcomes), [(1, 201), (2, 201), (3, 201)]);
    assert_eq!(end["end"], false);
    let problem = &end["problem"];
    assert_eq!(problem["type"], "/problems/line-too-long");
    assert_eq!(
        (&problem["line"], &problem["limit_bytes"]),
        (&json!(4), &json!(1024))
    );
    assert_eq!(service.counts().await["items"], 3);
    // The body as a whole has no limit, and a line may be as long as is said.
    let longest = format!("{{\"name\": \"a\", \"tags\": [{}]}}\n", " ".repeat(1_024 - 25));
    assert_eq!(longest.len(), 1_025);
    let (lines, end) = self::outcomes(import(&service, "l", &longest.repeat(20)).send().await);
    assert_eq!((lines.len(), &end["end"]), (20, &json!(true)));
}

#[tokio::test]
async fn what_is_still_sent_when_an_import_has_ended_is_passed_over() {
    let service = Service::start_with(&[("MAX_BODY_BYTES", "1024")]).await;
    // For two seconds only, which a client that is not let run may miss.
    for _ in 0..10 {
        let (mut sender, mut reader) = Import::begin(&service, "k").await.split();
        sender.send(&"x".repeat(1_100)).await;
        let end = reader.line().await.unwrap();
        assert_eq!(end["problem"]["type"], "/problems/line-too-long");
        let mut sent = Ok(());
        for _ in 0..16 {
            // A connection that is closed meanwhile is to be noticed.
            tokio::time::sleep(Duration::from_millis(10)).await;
            sent = sent.and(sender.try_send(&named(100)).await);
        }
        if sent.is_ok() {
            sender.finish().await;
            assert_eq!(reader.line().await, None);
            return;
        }
    }
    panic!("the connection is reset under who still sends");
}

#[tokio::test]
async fn what_is_no_import_is_refused_before_a_line_is_read() {
    let service = Service::start().await;
    let before = service.counts().await;
    let post = || service.by("alice", "POST", PATH);
    let json = post().key("k").json(json!({"name": "a"})).send().await;
    let json = json.expect_problem(415, "unsupported-media-type");
    assert_eq!(json.header("accept"), Some("application/x-ndjson"));
    let untyped = post().key("k").bytes(named(1)).send().await;
    untyped.expect_problem(415, "unsupported-media-type");
    let packed = import(&service, "k", &named(1)).header("Content-Encoding", "gzip");
    packed.send().await.expect_problem(415, "unsupported-media-type");
    let keyless = post().ndjson(&named(1)).send().await;
    keyless.expect_problem(400, "idempotency-key-missing");
    let nobody = import(&service, "k", &named(1)).without("authorization");
    nobody.send().await.expect_problem(401, "unauthorized");
    for roles in [&[][..], &[Role::Reader]] {
        let request = service.bare("POST", PATH).token(&token("alice", roles));
        let refused = request.key("k").ndjson(&named(1)).send().await;
        refused.expect_problem(403, "forbidden");
    }
    assert_eq!(service.counts().await, before);
    let (none, end) = outcomes(import(&service, "k", "").send().await);
    assert_eq!(
        (none.len(), end),
        (0, json!({"end": true, "lines": 0, "created": 0}))
    );
}

/// The most bytes that the system keeps of what a process writes to a connection.
fn system_buffer() -> usize {
    let sizes = fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").unwrap();
    sizes.split_whitespace().nth(2).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_creating_until_it_reads() {
    let settings = [("IMPORT_IDLE_SECONDS", "600"), ("RATE_LIMIT_PER_SECOND", "0")];
    let service = Service::start_with(&settings).await;
    // Each is answered with as many bytes as it has.
    let line = format!(
        "{{\"name\": \"a\", \"description\": \"{}\"}}\n",
        "ä".repeat(10_000)
    );
    // What the system may keep, and as much again as is on its way in the process with all that it rounds up.
    let bound = (system_buffer() + 4 * 1024 * 1024) / line.len();
    let count = 3 * bound;
    let (mut sender, mut reader) = Import::begin(&service, "k").await.split();
    let sending = tokio::spawn(async move {
        for _ in 0..count {
            sender.send(&line).await;
        }
        sender.finish().await;
        sender
    });
    let items = || async { service.counts().await["items"] };
    wait_until("it creates", || async { items().await > 0 }).await;
    // Until it creates nothing while others do. A machine that has time for them alone is stopped early here, and then there
    // is only less to be seen.
    let (mut seen, mut of_others) = (0, 0);
    while let now = items().await - of_others
        && now != seen
    {
        seen = now;
        for _ in 0..OF_OTHERS {
            service.item("bob").await;
        }
        of_others += OF_OTHERS;
    }
    assert!(
        (seen as usize) < bound,
        "{seen} of {count} were created for a client that reads nothing"
    );
    // It goes on as it is read.
    for number in 1..=count as u64 {
        assert_eq!(statuses(&[reader.line().await.unwrap()]), [(number, 201)]);
    }
    assert_eq!(reader.line().await.unwrap()["end"], true);
    sending.await.unwrap();
    assert_eq!(items().await - of_others, count as i64);
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_told_so_and_gives_its_place_back() {
    let settings = [("IMPORT_IDLE_SECONDS", "5"), ("MAX_IMPORTS", "1")];
    let service = Service::start_with(&settings).await;
    let mut silent = Import::begin(&service, "k").await;
    silent.send("{\"name\": \"a\"}\n{\"name\": ").await;
    assert_eq!(silent.line().await.unwrap()["status"], 201);
    let end = silent.line().await.unwrap();
    assert_eq!((&end["end"], &end["lines"]), (&json!(false), &json!(1)));
    assert_eq!(end["problem"]["type"], "/problems/import-incomplete");
    assert_eq!(silent.line().await, None);
    let next = import(&service, "l", &named(1)).send().await;
    assert_eq!(outcomes(next).1["end"], true);
}

#[tokio::test]
async fn a_client_that_reads_nothing_gives_its_place_back() {
    let settings = [
        ("IMPORT_IDLE_SECONDS", "1"),
        ("MAX_IMPORTS", "1"),
        ("RATE_LIMIT_PER_SECOND", "0"),
    ];
    let service = Service::start_with(&settings).await;
    let (mut sender, reader) = Import::begin(&service, "k").await.split();
    // Two bytes that are answered with some hundreds, more of them than any buffer takes.
    let lines = "x\n".repeat(3 * (system_buffer() + 4 * 1024 * 1024) / 300);
    let sending = tokio::spawn(async move {
        // The service reads no more of it in the end.
        let _unread = sender.try_send(&lines).await;
        sender
    });
    // One beside it is refused, and taken when the place is free.
    wait_until("its place is given back", || async {
        let next = import(&service, "l", &named(1)).send().await;
        match next.status {
            200 => true,
            _ => {
                let next = next.expect_problem(503, "overloaded");
                assert!(next.header("retry-after").is_some());
                false
            }
        }
    })
    .await;
    drop((sending, reader));
}

#[tokio::test]
async fn when_the_service_stops_an_import_ends_with_a_line_that_says_how_far_it_came() {
    let service = Service::start().await;
    let mut import = Import::begin(&service, "k").await;
    import.send(&named(3)).await;
    for number in 1..=3 {
        assert_eq!(statuses(&[import.line().await.unwrap()]), [(number, 201)]);
    }
    let stopped = tokio::spawn(service.stop());
    let end = import.line().await.unwrap();
    assert_eq!(
        (&end["end"], &end["lines"], &end["created"]),
        (&json!(false), &json!(3), &json!(3))
    );
    assert_eq!(end["problem"]["type"], "/problems/import-stopped");
    assert_eq!(import.line().await, None);
    // In order: nothing of it was cut off.
    stopped.await.unwrap();
}

#[tokio::test]
async fn an_import_outlasts_what_a_request_may_take() {
    let service = Service::start_with(&[("REQUEST_TIMEOUT_MS", "500")]).await;
    let mut import = Import::begin(&service, "k").await;
    for number in 1..=2 {
        service.a_request_runs_out_of_time().await;
        import.send("{\"name\": \"a\"}\n").await;
        assert_eq!(statuses(&[import.line().await.unwrap()]), [(number, 201)]);
    }
    import.finish().await;
    assert_eq!(import.line().await.unwrap()["end"], true);
}

#[tokio::test]
async fn a_client_that_asks_whether_to_send_is_told_so() {
    let service = Service::start().await;
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: 14\r\nExpect: 100-continue\r\n\r\n",
        token("alice", &[Role::Writer])
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{\"name\": \"a\"}\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("\"status\":201") && answer.contains("\"end\":true"),
        "{answer}"
    );
    // What is refused is refused before anything is sent.
    let mut refused = TcpStream::connect(service.address).await.unwrap();
    let head = head.replace("Idempotency-Key: k\r\n", "");
    refused.write_all(head.as_bytes()).await.unwrap();
    let mut begins = [0; 12];
    refused.read_exact(&mut begins).await.unwrap();
    assert_eq!(&begins, b"HTTP/1.1 400");
}
