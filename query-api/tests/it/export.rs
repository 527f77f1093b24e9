//! All items of a list in one answer.

use std::{collections::HashSet, fs, time::Duration};

use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use uuid::Uuid;

use crate::{
    harness::{Harness, Item, token},
    http,
    lists::walk,
};

const PATH: &str = "/api/v1/items:export";

/// Rows of which many share a time, with descriptions of so many characters.
async fn put_many(harness: &Harness, count: i64, description: usize) {
    sqlx::query(
        "INSERT INTO read.items (projection, id, owner, name, description, tags, attributes, status, files, epoch,
             version, created_at, updated_at, deleted)
         SELECT 1, gen_random_uuid(), 'alice', 'n' || n, repeat('x', $2), '{}', '{}', 'draft', '[]', 0, 1,
             timestamptz '2026-01-31 12:00:00Z' + n % 7 * interval '1 microsecond', now(), false
         FROM generate_series(1, $1) n",
    )
    .bind(count)
    .bind(i32::try_from(description).unwrap())
    .execute(&harness.pool)
    .await
    .unwrap();
}

/// What lines say: items, places to go on, and the end if there is one.
#[derive(Debug, Default)]
struct Exported {
    items: Vec<Value>,
    /// With how many items were above it.
    places: Vec<(usize, String)>,
    end: Option<Value>,
}

impl Exported {
    fn of(lines: Vec<Value>) -> Self {
        let mut exported = Self::default();
        for line in lines {
            assert!(exported.end.is_none(), "a line behind the end: {line}");
            if let Some(after) = line.get("after") {
                let after = after.as_str().unwrap().to_owned();
                exported.places.push((exported.items.len(), after));
            } else if line.get("end").is_some() {
                assert_eq!(line["count"], exported.items.len());
                exported.end = Some(line);
            } else {
                exported.items.push(line);
            }
        }
        exported
    }

    fn ids(&self) -> Vec<Uuid> {
        let id = |item: &Value| item["id"].as_str().unwrap().parse().unwrap();
        self.items.iter().map(id).collect()
    }

    /// The problem that it ended with.
    fn problem(&self) -> &str {
        let end = self.end.as_ref().expect("an end");
        assert_eq!(end["end"], false);
        let kind = end["problem"]["type"].as_str().unwrap();
        kind.trim_start_matches("/problems/")
    }
}

async fn export(harness: &Harness, query: &str) -> Exported {
    let reply = harness.get(&format!("{PATH}{query}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    Exported::of(reply.lines())
}

async fn whole(harness: &Harness, query: &str) -> Exported {
    let exported = export(harness, query).await;
    let count = exported.items.len();
    assert_eq!(exported.end, Some(json!({"end": true, "count": count})));
    exported
}

/// An export that is asked for, and not read.
async fn unread(harness: &Harness, query: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(harness.http).await.unwrap();
    let token = token("reader", &[Role::Reader]);
    let request = format!(
        "GET {PATH}{query} HTTP/1.1\r\nhost: test\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // It has begun when its head comes.
    let mut begins = [0; 12];
    stream.read_exact(&mut begins).await.unwrap();
    assert_eq!(&begins, b"HTTP/1.1 200");
    stream
}

async fn read(mut stream: TcpStream) -> Exported {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let head = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let body = String::from_utf8(http::without_chunks(&answer[head + 4..])).unwrap();
    Exported::of(
        body.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

/// Items that are more than what the system and the process keep for a reader.
fn more_than_is_kept(description: usize) -> i64 {
    let sizes = fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").unwrap();
    let system: usize = sizes.split_whitespace().nth(2).unwrap().parse().unwrap();
    i64::try_from(3 * (system + 4 * 1024 * 1024) / description).unwrap()
}

#[tokio::test]
async fn an_export_is_what_the_list_shows_to_its_last_page() {
    let harness = Harness::start().await;
    assert_eq!(whole(&harness, "").await.items.len(), 0);
    put_many(&harness, 450, 10).await;
    let gone = Item {
        deleted: true,
        ..Item::default()
    };
    gone.put(&harness.pool).await;
    let exported = whole(&harness, "").await;
    let listed = walk(&harness, "/api/v1/items?sort=created_at&limit=200", async |_| {}).await;
    assert_eq!(exported.ids(), listed);
    assert_eq!(listed.len(), 450);
    let page = harness
        .get("/api/v1/items?sort=created_at&limit=200")
        .await
        .json();
    assert_eq!(page["items"].as_array().unwrap()[..], exported.items[..200]);
}

#[tokio::test]
async fn an_export_is_narrowed_as_the_list_is() {
    let harness = Harness::start().await;
    let red = Item {
        name: "red bicycle".into(),
        tags: vec!["red".into(), "big".into()],
        ..Item::default()
    };
    let blue = Item {
        id: Uuid::now_v7(),
        owner: "bob",
        name: "blue car".into(),
        tags: vec!["blue".into(), "big".into()],
        status: "draft",
        created_at: red.created_at + Duration::from_secs(86_400),
        ..Item::default()
    };
    for item in [&red, &blue] {
        item.put(&harness.pool).await;
    }
    for (query, expected) in [
        ("", vec![red.id, blue.id]),
        ("?tag=big", vec![red.id, blue.id]),
        ("?tag=big&tag=red", vec![red.id]),
        ("?owner=bob", vec![blue.id]),
        ("?status=active", vec![red.id]),
        ("?created_from=2026-02-01T12:00:00.123456Z", vec![blue.id]),
        ("?created_to=2026-02-01T12:00:00.123456Z", vec![red.id]),
        ("?q=bicycle", vec![red.id]),
        ("?owner=nobody", vec![]),
    ] {
        assert_eq!(whole(&harness, query).await.ids(), expected, "{query}");
    }
}

#[tokio::test]
async fn an_export_goes_on_behind_each_place_that_it_named() {
    let harness = Harness::start().await;
    put_many(&harness, 500, 10).await;
    let first = whole(&harness, "?owner=alice").await;
    assert_eq!(
        first.places.iter().map(|(above, _)| *above).collect::<Vec<_>>(),
        [200, 400]
    );
    for (above, after) in &first.places {
        let rest = whole(&harness, &format!("?after={after}&owner=alice")).await;
        assert_eq!(rest.items[..], first.items[*above..]);
    }
    let after = &first.places[0].1;
    for other in ["", "&owner=bob", "&owner=alice&status=draft"] {
        let reply = harness.get(&format!("{PATH}?after={after}{other}")).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (400, "invalid-cursor"),
            "{other}"
        );
    }
    let forged = harness.get(&format!("{PATH}?after=x")).await;
    assert_eq!(forged.problem(), "invalid-cursor");
}

#[tokio::test]
async fn items_that_come_while_it_is_read_take_none_from_an_export() {
    let harness = Harness::start().await;
    let description = 10_000;
    let count = more_than_is_kept(description);
    put_many(&harness, count, description).await;
    let before: HashSet<_> = walk(&harness, "/api/v1/items?limit=200", async |_| {})
        .await
        .into_iter()
        .collect();
    let stream = unread(&harness, "").await;
    // Before its place, at it, and behind it.
    put_many(&harness, 50, 10).await;
    let exported = read(stream).await;
    let ids: HashSet<_> = exported.ids().into_iter().collect();
    assert_eq!(ids.len(), exported.items.len(), "one is there twice");
    assert!(ids.is_superset(&before), "one that did not change is missing");
    assert_eq!(exported.end.unwrap()["end"], true);
}

#[tokio::test]
async fn exports_that_are_not_read_hold_nothing_of_the_database() {
    let harness = Harness::start_with(|config| {
        config.search_max_connections = 2;
        config.export.max_exports = 4;
    })
    .await;
    let description = 10_000;
    put_many(&harness, more_than_is_kept(description), description).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(unread(&harness, "").await);
    }
    let refused = harness.get(PATH).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "overloaded"));
    assert!(refused.header("retry-after").is_some());
    // The one connection of such lists is there for them.
    for _ in 0..5 {
        assert_eq!(harness.get("/api/v1/items?sort=name&limit=10").await.status, 200);
    }
    wait_until("no statement is under way, and no transaction open", || async {
        let busy: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'",
        )
        .fetch_one(&harness.pool)
        .await
        .unwrap();
        busy == 0
    })
    .await;
    drop(streams);
    wait_until("their places are given back", || async {
        harness.get(PATH).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn an_export_that_is_not_read_ends_and_says_where_to_go_on() {
    let harness = Harness::start_with(|config| {
        config.export.max_exports = 1;
        config.export.slow_after = Duration::from_secs(1);
    })
    .await;
    let description = 10_000;
    let count = more_than_is_kept(description);
    put_many(&harness, count, description).await;
    let stream = unread(&harness, "").await;
    wait_until("its place is given back", || async {
        harness.get(&format!("{PATH}?owner=nobody")).await.status == 200
    })
    .await;
    let first = read(stream).await;
    assert_eq!(first.problem(), "export-interrupted");
    assert!((first.items.len() as i64) < count);
    let (above, after) = first.places.last().unwrap();
    assert_eq!(*above, first.items.len(), "behind the last item");
    // From one to the next, since this reader may be too slow for a limit of a second.
    let (mut ids, mut after) = (first.ids(), after.clone());
    loop {
        let more = export(&harness, &format!("?after={after}")).await;
        ids.extend(more.ids());
        match more.end.unwrap()["end"].as_bool().unwrap() {
            true => break,
            false => after = more.places.last().unwrap().1.clone(),
        }
    }
    assert_eq!(ids.len() as i64, count);
    assert_eq!(
        ids.iter().collect::<HashSet<_>>().len(),
        ids.len(),
        "one is there twice"
    );
}

#[tokio::test]
async fn an_export_that_fails_on_its_way_is_told_from_a_whole_one() {
    let harness = Harness::start().await;
    let description = 10_000;
    let count = more_than_is_kept(description);
    put_many(&harness, count, description).await;
    let stream = unread(&harness, "").await;
    sqlx::query("ALTER TABLE read.items RENAME TO items_elsewhere")
        .execute(&harness.pool)
        .await
        .unwrap();
    let first = read(stream).await;
    assert_eq!(first.problem(), "unavailable");
    sqlx::query("ALTER TABLE read.items_elsewhere RENAME TO items")
        .execute(&harness.pool)
        .await
        .unwrap();
    let (above, after) = first.places.last().unwrap();
    assert_eq!(*above, first.items.len());
    let rest = wait_for_whole(&harness, &format!("?after={after}")).await;
    assert_eq!((first.items.len() + rest.items.len()) as i64, count);
}

/// Asks until the database counts as there again.
async fn wait_for_whole(harness: &Harness, query: &str) -> Exported {
    wait_until("it is answered", || async {
        harness.get(&format!("{PATH}{query}")).await.status == 200
    })
    .await;
    whole(harness, query).await
}

#[tokio::test]
async fn when_the_service_stops_an_export_ends_and_says_so() {
    let harness = Harness::start().await;
    let description = 10_000;
    put_many(&harness, more_than_is_kept(description), description).await;
    let stream = unread(&harness, "").await;
    harness.stop();
    let exported = read(stream).await;
    assert_eq!(exported.problem(), "export-interrupted");
    let (above, _) = exported.places.last().unwrap();
    assert_eq!(*above, exported.items.len());
}

#[tokio::test]
async fn an_export_needs_the_role_reader() {
    let harness = Harness::start().await;
    assert_eq!(http::get(harness.http, PATH, &[]).await.status, 401);
    let refused = harness.get_as("alice", &[], PATH, &[]).await;
    assert_eq!((refused.status, refused.problem().as_str()), (403, "forbidden"));
    assert_eq!(
        harness.get_as("alice", &[Role::Writer], PATH, &[]).await.status,
        200
    );
}
