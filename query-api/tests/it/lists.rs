use std::collections::HashMap;

use time::Duration;
use uuid::Uuid;

use crate::harness::{Harness, Item};

/// Follows the `Link`s from `path` to the end; between pages, `meanwhile` is run.
pub async fn walk(harness: &Harness, path: &str, mut meanwhile: impl AsyncFnMut(usize)) -> Vec<Uuid> {
    let mut path = path.to_owned();
    let mut seen = Vec::new();
    for page in 0.. {
        let reply = harness.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        let body = reply.json();
        let items = body["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().parse::<Uuid>().unwrap()),
        );
        let Some(link) = reply.header("link") else {
            assert!(body["next_cursor"].is_null());
            return seen;
        };
        assert!(link.ends_with("; rel=\"next\""), "{link}");
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        meanwhile(page).await;
    }
    unreachable!()
}

#[tokio::test]
async fn a_walk_shows_each_unchanged_item_once_though_many_share_a_sort_key_and_others_come() {
    let harness = Harness::start().await;
    let first = Item::default().created_at;
    let mut ids = Vec::new();
    for index in 0_i64..23 {
        let item = Item {
            id: Uuid::new_v4(),
            // Three times and two names for all: most neighbours differ in their id alone.
            created_at: first + Duration::microseconds(index % 3),
            name: ["Ärger", "zebra"][usize::try_from(index % 2).unwrap()].to_owned(),
            ..Item::default()
        };
        item.put(&harness.pool).await;
        ids.push(item.id);
    }
    for sort in [
        "created_at",
        "-created_at",
        "updated_at",
        "-updated_at",
        "name",
        "-name",
    ] {
        let path = format!("/api/v1/items?sort={sort}&limit=4");
        let seen = walk(&harness, &path, async |_| {
            // A newcomer before and one behind the place of the walk, with the same sort keys.
            for _ in 0..2 {
                Item {
                    id: Uuid::new_v4(),
                    name: "zebra".into(),
                    ..Item::default()
                }
                .put(&harness.pool)
                .await;
            }
        })
        .await;
        let mut counts: HashMap<Uuid, usize> = HashMap::new();
        for id in &seen {
            *counts.entry(*id).or_default() += 1;
        }
        assert!(
            counts.values().all(|count| *count == 1),
            "{sort}: one is shown twice"
        );
        assert!(
            ids.iter().all(|id| counts.contains_key(id)),
            "{sort}: one is not shown"
        );
        sqlx::query("DELETE FROM read.items WHERE NOT id = ANY($1)")
            .bind(&ids)
            .execute(&harness.pool)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn names_are_sorted_by_code_point() {
    let harness = Harness::start().await;
    for name in ["b", "B", "Ä", "a", "_"] {
        Item {
            id: Uuid::now_v7(),
            name: name.into(),
            ..Item::default()
        }
        .put(&harness.pool)
        .await;
    }
    let body = harness.get("/api/v1/items?sort=name").await.json();
    let names: Vec<_> = body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["B", "_", "a", "b", "Ä"]);
}

#[tokio::test]
async fn filters_narrow_each_alone_and_together() {
    let harness = Harness::start().await;
    let base = Item::default();
    let red = Item {
        name: "red bicycle".into(),
        tags: vec!["red".into(), "big".into()],
        ..base.clone()
    };
    let blue = Item {
        id: Uuid::now_v7(),
        owner: "bob",
        name: "blue car".into(),
        tags: vec!["blue".into(), "big".into()],
        status: "draft",
        created_at: base.created_at + Duration::days(1),
        ..base.clone()
    };
    let gone = Item {
        id: Uuid::now_v7(),
        deleted: true,
        ..red.clone()
    };
    for item in [&red, &blue, &gone] {
        item.put(&harness.pool).await;
    }
    let both = vec![blue.id, red.id];
    for (query, expected) in [
        ("", both.clone()),
        ("?tag=big", both.clone()),
        ("?tag=big&tag=red", vec![red.id]),
        ("?tag=red&tag=blue", vec![]),
        ("?owner=bob", vec![blue.id]),
        ("?status=active", vec![red.id]),
        ("?created_from=2026-02-01T12:00:00.123456Z", vec![blue.id]),
        ("?created_to=2026-02-01T12:00:00.123456Z", vec![red.id]),
        (
            "?created_from=2026-01-31T12:00:00.123456Z&created_to=2026-02-01T13:00:00.123456%2B01:00",
            vec![red.id],
        ),
        ("?q=bicycle", vec![red.id]),
        ("?q=BLUE%20or%20bicycle", both.clone()),
        ("?q=%22red%20bicycle%22%20-blue", vec![red.id]),
        ("?q=description&owner=bob&status=draft&tag=big", vec![blue.id]),
        ("?owner=nobody", vec![]),
    ] {
        let body = harness.get(&format!("/api/v1/items{query}")).await.json();
        let ids: Vec<Uuid> = body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["id"].as_str().unwrap().parse().unwrap())
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_serves_its_own_filter_and_sort_only_with_any_limit() {
    let harness = Harness::start().await;
    for _ in 0..3 {
        Item {
            id: Uuid::now_v7(),
            ..Item::default()
        }
        .put(&harness.pool)
        .await;
    }
    let body = harness.get("/api/v1/items?owner=alice&limit=1").await.json();
    let cursor = body["next_cursor"].as_str().unwrap();
    let same = harness
        .get(&format!("/api/v1/items?limit=50&owner=alice&cursor={cursor}"))
        .await;
    assert_eq!(
        (same.status, same.json()["items"].as_array().unwrap().len()),
        (200, 2)
    );
    for other in [
        "owner=bob",
        "owner=alice&sort=name",
        "owner=alice&tag=red",
        "",
        "owner=alice&q=name",
    ] {
        let reply = harness
            .get(&format!("/api/v1/items?{other}&cursor={cursor}"))
            .await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (400, "invalid-cursor"),
            "{other}"
        );
    }
    let mut tampered = cursor.to_owned().into_bytes();
    let middle = tampered.len() / 2;
    tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    let reply = harness
        .get(&format!("/api/v1/items?owner=alice&cursor={tampered}"))
        .await;
    assert_eq!(reply.problem(), "invalid-cursor");
}

#[tokio::test]
async fn a_page_of_large_items_ends_early_and_the_walk_goes_on() {
    let harness = Harness::start().await;
    let description = "ä".repeat(10_000);
    let count = 200;
    sqlx::query(
        "INSERT INTO read.items (projection, id, owner, name, description, tags, attributes, status, files, epoch,
             version, created_at, updated_at, deleted)
         SELECT 1, gen_random_uuid(), 'alice', 'n', $1, '{}', '{}', 'draft', '[]', 0, 1, now(), now(), false
         FROM generate_series(1, $2)",
    )
    .bind(&description)
    .bind(count)
    .execute(&harness.pool)
    .await
    .unwrap();
    let first = harness.get("/api/v1/items?limit=200").await;
    let shown = first.json()["items"].as_array().unwrap().len();
    assert!(
        (1..200).contains(&shown) && first.body.len() < 4 << 20,
        "{shown} items"
    );
    let seen = walk(&harness, "/api/v1/items?limit=200", async |_| {}).await;
    assert_eq!(seen.len(), 200);
}
