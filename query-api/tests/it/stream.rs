//! The changes of items as server-sent events. What they are made of is tested in `watch.rs`: the source is the same.

use std::time::Duration;

use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_service::auth::Role;
use depot_test_stack::{SentEvent, wait_until};
use query_api::queries::WatchLimits;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    event_stream::{EventStream, GENEROUS},
    grpc::{by_reader, channel},
    harness::{Harness, Item, REDRIVEN, TOPIC, put_offset, put_offset_of, token, token_for},
    http::Reply,
};

const STREAM: &str = "/api/v1/stream";

async fn open(harness: &Harness, path: &str, headers: &[(&str, &str)]) -> EventStream {
    let token = format!("Bearer {}", token("reader", &[Role::Reader]));
    let mut all = vec![("authorization", token.as_str())];
    all.extend_from_slice(headers);
    EventStream::open(harness.http, path, &all).await
}

/// A stream that goes on behind that event.
async fn resume(harness: &Harness, id: &str) -> EventStream {
    open(harness, STREAM, &[("last-event-id", id)]).await
}

/// An answer that is none: a stream would not end.
async fn refused(harness: &Harness, path: &str, headers: &[(&str, &str)]) -> Reply {
    let asked = timeout(GENEROUS, harness.get_with(path, headers));
    asked.await.expect("it is refused")
}

/// The place where a stream begins, which it says first.
async fn begin(stream: &mut EventStream) -> String {
    let first = loop {
        let block = stream.next().await.unwrap();
        // On a machine that is busy enough, a sign of life may come before it.
        if block.comment.is_none() {
            break block;
        }
    };
    assert_eq!((&first.event, &first.data), (&None, &None), "{first:?}");
    assert_eq!(first.retry.as_deref(), Some("2000"));
    first.id.unwrap()
}

/// Item and version of the next change, and the place behind it.
async fn next(stream: &mut EventStream) -> (Uuid, i64, String) {
    let event = stream.event().await;
    let (told, id) = (event.json(), event.id.clone());
    let Some(item) = told["item_id"].as_str() else {
        panic!("no change: {event:?}");
    };
    let version = told["version"].as_i64().unwrap();
    (item.parse().unwrap(), version, id.unwrap())
}

/// The last event, with what it says; nothing comes behind it.
async fn end(stream: &mut EventStream) -> (String, SentEvent) {
    let last = stream.event().await;
    assert_eq!(stream.next().await, None, "behind {last:?}");
    let said = last.json();
    assert_eq!(said["last_event_id"].as_str(), last.id.as_deref());
    assert!(!said["detail"].as_str().unwrap().is_empty());
    (last.event.clone().unwrap(), last)
}

async fn change(harness: &Harness, item: &Item, version: i64, partition: i32, offset: i64) {
    Item {
        version,
        ..item.clone()
    }
    .put_change(&harness.pool, partition, offset)
    .await;
}

/// The views have nothing of partition 0 yet.
async fn start_at_nothing(change: impl FnOnce(&mut query_api::Config)) -> Harness {
    let harness = Harness::start_with(change).await;
    put_offset(&mut harness.pool.acquire().await.unwrap(), 0, 0).await;
    harness
}

#[tokio::test]
async fn a_stream_begins_with_now_and_tells_each_change_in_order() {
    let harness = start_at_nothing(|_| {}).await;
    let item = Item::default();
    change(&harness, &item, 1, 0, 0).await;
    let mut stream = open(&harness, STREAM, &[("accept-encoding", "gzip, br")]).await;
    let head = &stream.head;
    assert_eq!(head.header("cache-control"), Some("no-store"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(head.header("content-encoding"), None);
    let begun = begin(&mut stream).await;
    for version in 2..=4 {
        change(&harness, &item, version, 0, version - 1).await;
    }
    let mut ids = vec![begun];
    for version in 2..=4 {
        let event = stream.event().await;
        assert_eq!(event.event.as_deref(), Some("depot.item.updated.v1"));
        assert!(!event.data.as_deref().unwrap().contains('\n'), "one line");
        let told = event.json();
        assert_eq!(told["item_id"], item.id.to_string());
        assert_eq!(
            (&told["version"], &told["version_token"], &told["deleted"]),
            (&version.into(), &version.to_string().into(), &false.into())
        );
        assert_eq!(
            (&told["event_type"], &told["actor"], &told["changed"][0]),
            (&"depot.item.updated.v1".into(), &"alice".into(), &"name".into())
        );
        assert_eq!(
            (&told["item"]["name"], &told["item"]["version"]),
            (&"a name".into(), &version.into())
        );
        let occurred = told["occurred_at"].as_str().unwrap();
        assert!(occurred.ends_with('Z'), "{occurred}");
        assert_eq!(
            OffsetDateTime::parse(occurred, &Rfc3339).unwrap(),
            item.created_at
        );
        ids.push(event.id.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 4, "each has a place of its own");
}

#[tokio::test]
async fn a_deletion_says_that_it_is_one() {
    let harness = start_at_nothing(|_| {}).await;
    let mut stream = open(&harness, STREAM, &[]).await;
    let deleted = Item {
        deleted: true,
        ..Item::default()
    };
    change(&harness, &deleted, 2, 0, 0).await;
    assert_eq!(stream.event().await.json()["deleted"], true);
}

#[tokio::test]
async fn a_stream_resumed_by_its_last_id_goes_on_without_gap_or_double() {
    let mut harness = start_at_nothing(|_| {}).await;
    let (one, two) = (
        Item::default(),
        Item {
            id: Uuid::now_v7(),
            ..Item::default()
        },
    );
    let mut stream = open(&harness, STREAM, &[]).await;
    let mut id = begin(&mut stream).await;
    let mut expected: Vec<(Uuid, i64)> = Vec::new();
    for version in 1..=70 {
        change(&harness, &one, version, 0, version * 3).await;
        expected.push((one.id, version));
        if version % 2 == 0 {
            change(&harness, &two, version / 2, 5, version).await;
            expected.push((two.id, version / 2));
        }
    }
    drop(stream);
    let mut seen = Vec::new();
    for (round, count) in [7, 40, expected.len()].into_iter().enumerate() {
        let mut stream = match round {
            // By the parameter, which the header wins over.
            1 => {
                let path = format!("{STREAM}?last_event_id={id}");
                open(&harness, &path, &[]).await
            }
            _ => {
                let path = format!("{STREAM}?last_event_id=nonsense");
                open(&harness, &path, &[("last-event-id", id.as_str())]).await
            }
        };
        for _ in 0..count.min(expected.len() - seen.len()) {
            let (item, version, at) = next(&mut stream).await;
            seen.push((item, version));
            id = at;
        }
        if round == 1 {
            // What it says at its end is where it is gone on, at another process.
            harness.stop();
            let last = loop {
                let event = stream.event().await;
                if event.event.as_deref() == Some("draining") {
                    break event;
                }
                let told = event.json();
                let item = told["item_id"].as_str().unwrap().parse().unwrap();
                seen.push((item, told["version"].as_i64().unwrap()));
            };
            assert_eq!(stream.next().await, None);
            id = last.id.unwrap();
            harness.restart().await;
        }
    }
    for item in [one.id, two.id] {
        let of = |all: &[(Uuid, i64)]| {
            all.iter()
                .copied()
                .filter(|(id, _)| *id == item)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&seen), of(&expected));
    }
    // Nothing is left: the next is the next that happens.
    let mut stream = resume(&harness, &id).await;
    change(&harness, &one, 71, 0, 400).await;
    assert_eq!(next(&mut stream).await.1, 71);
}

#[tokio::test]
async fn an_id_and_a_resume_token_are_the_same() {
    let harness = start_at_nothing(|_| {}).await;
    let item = Item::default();
    let mut stream = open(&harness, STREAM, &[]).await;
    begin(&mut stream).await;
    for version in 1..=3 {
        change(&harness, &item, version, 0, version).await;
    }
    let first = next(&mut stream).await.2;
    let request = v1::WatchItemsRequest {
        resume_token: first,
        ..Default::default()
    };
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let mut watch = client.watch_items(by_reader(request)).await.unwrap().into_inner();
    let second = loop {
        let message = watch.message().await.unwrap().unwrap();
        if let Some(change) = message.change {
            assert_eq!(change.version, "2");
            break message.resume_token;
        }
    };
    assert_eq!(next(&mut resume(&harness, &second).await).await.1, 3);
}

#[tokio::test]
async fn a_filter_narrows_and_the_place_moves_past_what_it_leaves_out() {
    let limits = WatchLimits {
        bookmark: Duration::from_millis(50),
        ..WatchLimits::default()
    };
    let harness = start_at_nothing(|config| config.watch = limits).await;
    let wanted = Item {
        tags: vec!["blue".into()],
        owner: "bob",
        ..Item::default()
    };
    let other = Item {
        id: Uuid::now_v7(),
        ..Item::default()
    };
    let start = begin(&mut open(&harness, STREAM, &[]).await).await;
    change(&harness, &other, 1, 0, 0).await;
    change(&harness, &wanted, 1, 0, 1).await;
    let another = Uuid::now_v7();
    for filter in [
        format!("id={}", wanted.id),
        format!("id={another}&id={}", wanted.id),
        "owner=bob".to_owned(),
        "tag=blue".to_owned(),
        format!("tag=blue&owner=bob&id={}", wanted.id),
    ] {
        let path = format!("{STREAM}?{filter}");
        let mut stream = open(&harness, &path, &[("last-event-id", start.as_str())]).await;
        assert_eq!(next(&mut stream).await.0, wanted.id, "{filter}");
    }
    // Of what is left out only the place is told.
    let path = format!("{STREAM}?id={another}");
    let mut stream = open(&harness, &path, &[("last-event-id", start.as_str())]).await;
    assert_eq!(begin(&mut stream).await, start);
    let moved = move_on(&mut stream).await;
    assert_ne!(moved, start);
    change(&harness, &other, 2, 0, 2).await;
    assert_eq!(next(&mut resume(&harness, &moved).await).await.1, 2);
    // So it is of what is left out behind a change that was told in the same look.
    let path = format!("{STREAM}?id={}", wanted.id);
    let mut stream = open(&harness, &path, &[("last-event-id", start.as_str())]).await;
    let (_, _, told) = next(&mut stream).await;
    let moved = move_on(&mut stream).await;
    assert_ne!(moved, told);
    change(&harness, &other, 3, 0, 3).await;
    assert_eq!(next(&mut resume(&harness, &moved).await).await.1, 3);
}

/// The next place that is told without a change.
async fn move_on(stream: &mut EventStream) -> String {
    loop {
        let block = stream.next().await.unwrap();
        assert_eq!(block.data, None);
        if let Some(id) = block.id {
            return id;
        }
    }
}

#[tokio::test]
async fn a_stream_without_changes_says_that_it_is_there() {
    let limits = WatchLimits {
        bookmark: Duration::from_millis(50),
        ..WatchLimits::default()
    };
    let harness = start_at_nothing(|config| config.watch = limits).await;
    let mut stream = open(&harness, STREAM, &[]).await;
    begin(&mut stream).await;
    for _ in 0..3 {
        let block = stream.next().await.unwrap();
        let heartbeat = SentEvent {
            comment: Some("heartbeat".to_owned()),
            ..SentEvent::default()
        };
        assert_eq!(block, heartbeat);
    }
    change(&harness, &Item::default(), 1, 0, 0).await;
    assert_eq!(next(&mut stream).await.1, 1, "and goes on");
}

#[tokio::test]
async fn a_reader_that_does_not_keep_up_is_dropped_and_resumes_where_it_was() {
    let limits = WatchLimits {
        slow_after: Duration::from_millis(200),
        ..WatchLimits::default()
    };
    let harness = start_at_nothing(|config| {
        config.watch = limits;
        // However long this machine takes, the connection is not cut meanwhile.
        config.http.connections.stalled_after = Duration::from_secs(3_600);
    })
    .await;
    // More than the system keeps for a connection that is not read.
    const CHANGES: i64 = 250;
    let item = Item {
        description: "x".repeat(100_000),
        ..Item::default()
    };
    let mut stream = open(&harness, STREAM, &[]).await;
    let begun = begin(&mut stream).await;
    for version in 1..=CHANGES {
        change(&harness, &item, version, 0, version).await;
    }
    // Without being read, which is what makes it slow.
    wait_until("the slow stream has given up its place", || async {
        harness.open_streams() == 0
    })
    .await;
    let (mut versions, mut last) = (Vec::new(), begun);
    let dropped = loop {
        let block = stream.next().await.expect("an end that is told");
        if block.event.as_deref() == Some("dropped") {
            break block;
        }
        if block.data.is_some() {
            versions.push(block.json()["version"].as_i64().unwrap());
        }
        last = block.id.unwrap_or(last);
    };
    assert_eq!(stream.next().await, None);
    assert_eq!(dropped.json()["reason"], "slow_reader");
    assert_eq!(
        dropped.id.as_deref(),
        Some(last.as_str()),
        "behind what it was told"
    );
    let told = i64::try_from(versions.len()).unwrap();
    assert_eq!(versions, (1..=told).collect::<Vec<_>>());
    assert!(told < CHANGES, "the rest was dropped");
    assert_eq!(next(&mut resume(&harness, &last).await).await.1, told + 1);
}

#[tokio::test]
async fn only_so_many_streams_are_open_whatever_their_door() {
    let limits = WatchLimits {
        max_streams: 1,
        ..WatchLimits::default()
    };
    let harness = start_at_nothing(|config| config.watch = limits).await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let watch = client
        .watch_items(by_reader(v1::WatchItemsRequest::default()))
        .await
        .unwrap();
    let reply = refused(&harness, STREAM, &[]).await;
    assert_eq!((reply.status, reply.problem().as_str()), (503, "overloaded"));
    assert!(reply.header("retry-after").is_some());
    drop(watch);
    wait_until("the place is free again", || async {
        harness.open_streams() == 0
    })
    .await;
    let stream = open(&harness, STREAM, &[]).await;
    assert_eq!(harness.open_streams(), 1);
    drop(stream);
    wait_until("a client that went away makes room", || async {
        harness.open_streams() == 0
    })
    .await;
}

#[tokio::test]
async fn what_is_no_place_to_go_on_from_is_refused_with_what_to_do() {
    let harness = start_at_nothing(|_| {}).await;
    let begun = begin(&mut open(&harness, STREAM, &[]).await).await;
    let long = "A".repeat(5_000);
    for id in ["nonsense", "7", "\u{e9}", long.as_str()] {
        let reply = refused(&harness, STREAM, &[("last-event-id", id)]).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (400, "invalid-parameter"),
            "{id}"
        );
        assert_eq!(reply.json()["errors"][0]["pointer"], "last_event_id");
    }
    let path = format!("{STREAM}?last_event_id=nonsense");
    assert_eq!(refused(&harness, &path, &[]).await.status, 400);
    // Of an item, a tag and an owner that cannot be: all are named, and no place is taken.
    let bad = refused(&harness, &format!("{STREAM}?id=7&tag=&owner=&min_version=1"), &[]).await;
    assert_eq!(
        (bad.status, bad.json()["errors"].as_array().unwrap().len()),
        (400, 4)
    );
    let many = "&id=0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f".repeat(101);
    let bad = refused(&harness, &format!("{STREAM}?{}", &many[1..]), &[]).await;
    assert_eq!((bad.status, bad.problem().as_str()), (400, "invalid-parameter"));

    // The views go no further than to where they were set back.
    put_offset(&mut harness.pool.acquire().await.unwrap(), 0, 9).await;
    let ahead = begin(&mut open(&harness, STREAM, &[]).await).await;
    put_offset(&mut harness.pool.acquire().await.unwrap(), 0, 8).await;
    let reply = refused(&harness, STREAM, &[("last-event-id", ahead.as_str())]).await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (410, "event-id-out-of-range")
    );

    keep_from(&harness, TOPIC, 0, 5).await;
    let reply = refused(&harness, STREAM, &[("last-event-id", begun.as_str())]).await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (410, "event-id-too-old")
    );
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("start without it"), "{detail}");
    // Streams that were only opened for their first block go when that is found out.
    wait_until("nobody has a place", || async { harness.open_streams() == 0 }).await;
}

/// The history has let go of what lies before that offset.
async fn keep_from(harness: &Harness, topic: &str, partition: i32, first_offset: i64) {
    sqlx::query("INSERT INTO read.item_history_floors VALUES (1, $1, $2, $3)")
        .bind(topic)
        .bind(partition)
        .bind(first_offset)
        .execute(&harness.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stream_that_lost_what_it_had_not_told_fails_and_says_so() {
    let harness = start_at_nothing(|_| {}).await;
    let mut stream = open(&harness, STREAM, &[]).await;
    let begun = begin(&mut stream).await;
    keep_from(&harness, REDRIVEN, 3, 8).await;
    put_offset_of(&mut harness.pool.acquire().await.unwrap(), REDRIVEN, 3, 9).await;
    let (name, last) = end(&mut stream).await;
    assert_eq!(
        (name.as_str(), last.json()["reason"].as_str()),
        ("failed", Some("event-id-too-old"))
    );
    let reply = refused(&harness, STREAM, &[("last-event-id", begun.as_str())]).await;
    assert_eq!(reply.status, 410);
}

#[tokio::test]
async fn a_stopping_service_says_goodbye() {
    let harness = start_at_nothing(|_| {}).await;
    let mut stream = open(&harness, STREAM, &[]).await;
    let begun = begin(&mut stream).await;
    harness.stop();
    let (name, last) = end(&mut stream).await;
    assert_eq!(
        (name.as_str(), last.json()["reason"].as_str(), last.id),
        ("draining", Some("stopping"), Some(begun))
    );
}

#[tokio::test]
async fn a_token_that_expires_ends_the_stream_behind_either_door() {
    let harness = start_at_nothing(|_| {}).await;
    // So long that both streams are open by then.
    let short = format!(
        "Bearer {}",
        token_for("reader", &[Role::Reader], Duration::from_secs(15))
    );
    let headers = [("authorization", short.as_str())];
    let mut stream = EventStream::open(harness.http, STREAM, &headers).await;
    let mut request = tonic::Request::new(v1::WatchItemsRequest::default());
    request
        .metadata_mut()
        .insert("authorization", short.parse().unwrap());
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let mut watch = client.watch_items(request).await.unwrap().into_inner();
    let mut lasting = open(&harness, STREAM, &[]).await;

    let (name, last) = end(&mut stream).await;
    assert_eq!(
        (name.as_str(), last.json()["reason"].as_str()),
        ("expired", Some("token_expired"))
    );
    let ended = loop {
        match watch.message().await {
            Ok(message) => assert!(message.expect("a status at the end").change.is_none()),
            Err(status) => break status,
        }
    };
    assert_eq!(
        crate::grpc::reason(&ended),
        (tonic::Code::Unauthenticated, "TOKEN_EXPIRED".into())
    );
    // Nothing is lost for who comes again, and a token that is good goes on.
    change(&harness, &Item::default(), 1, 0, 0).await;
    let id = last.id.unwrap();
    assert_eq!(next(&mut resume(&harness, &id).await).await.1, 1);
    assert_eq!(next(&mut lasting).await.1, 1);
}

#[tokio::test]
async fn a_stream_is_for_readers() {
    let harness = start_at_nothing(|_| {}).await;
    let nobody = crate::http::get(harness.http, STREAM, &[]);
    let nobody = timeout(GENEROUS, nobody).await.expect("it is refused");
    assert_eq!((nobody.status, nobody.problem().as_str()), (401, "unauthorized"));
    let without_role = harness.get_as("alice", &[], STREAM, &[]);
    let without_role = timeout(GENEROUS, without_role).await.expect("it is refused");
    assert_eq!(
        (without_role.status, without_role.problem().as_str()),
        (403, "forbidden")
    );
    // A token in the address is none: addresses are logged on the way.
    let path = format!("{STREAM}?access_token={}", token("reader", &[Role::Reader]));
    let in_address = crate::http::get(harness.http, &path, &[]);
    let in_address = timeout(GENEROUS, in_address).await.expect("it is refused");
    assert_eq!(in_address.status, 401);
    for role in [Role::Reader, Role::Writer, Role::Admin] {
        let token = format!("Bearer {}", token("somebody", &[role]));
        let headers = [("authorization", token.as_str())];
        begin(&mut EventStream::open(harness.http, STREAM, &headers).await).await;
    }
}
