//! A view that takes each event as it comes.

use depot_consumer::OffsetSource as _;
use depot_schemas::ItemState;
use depot_test_stack::ServiceRole;
use projector::{OffsetsTable, PostgresWriter};

use crate::{
    ground::Ground,
    item_events::{batch, deleted, item, renamed},
    story::{Story, listed},
};

const TABLES: &str =
    "CREATE TABLE naive.items (id uuid PRIMARY KEY, name text NOT NULL, version bigint NOT NULL)";
const PROJECTION: i32 = 1;

#[tokio::test]
async fn a_view_without_a_guard_goes_back_to_an_older_version_and_raises_the_dead() {
    let mut story = Story::of("older_over_newer");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

/// The naive way: the event's state is the row, and no row is there after a deletion.
async fn apply(ground: &Ground, event: &ItemState) {
    if event.deleted {
        sqlx::query("DELETE FROM naive.items WHERE id = $1")
            .bind(event.id)
            .execute(&ground.pool)
            .await
            .unwrap();
        return;
    }
    sqlx::query(
        "INSERT INTO naive.items VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, version = EXCLUDED.version",
    )
    .bind(event.id)
    .bind(&event.name)
    .bind(event.version)
    .execute(&ground.pool)
    .await
    .unwrap();
}

async fn naive(story: &mut Story) {
    let ground = Ground::with(TABLES).await;
    let view = async || -> Vec<String> {
        ground
            .list("SELECT name || ' (version ' || version || ')' FROM naive.items")
            .await
    };
    let lamp = item("lamp");
    let desk_lamp = renamed(&lamp, "desk lamp");
    let gone = deleted(&desk_lamp);
    story.naive("INSERT … ON CONFLICT DO UPDATE; DELETE");
    apply(&ground, &lamp).await;
    apply(&ground, &desk_lamp).await;
    story.line(
        "topic",
        "v1, v2, and v1 again: a relay was started anew, and repeats it",
    );
    story.line("view", format!("after v1 and v2: {}", listed(&view().await)));
    apply(&ground, &lamp).await;
    assert_eq!(view().await, ["lamp (version 1)"]);
    story.line("view", format!("after v1 again: {}", listed(&view().await)));
    story.result("the older version, for as long as nobody changes the item");
    apply(&ground, &gone).await;
    assert_eq!(view().await, [""; 0]);
    story.line("view", format!("after v3, a deletion: {}", listed(&view().await)));
    apply(&ground, &lamp).await;
    assert_eq!(view().await, ["lamp (version 1)"]);
    story.line("view", format!("after v1 again: {}", listed(&view().await)));
    story.result("the dead is raised, and nothing will come that buries it");
}

async fn depot(story: &mut Story) {
    let ground = Ground::with("").await;
    let pool = ground.database.pool(ServiceRole::Projector).await;
    let writer = PostgresWriter::new(pool.clone().into(), PROJECTION);
    let view = async || -> Vec<String> {
        ground
            .list(
                "SELECT name || ' (version ' || version || CASE WHEN deleted THEN ', deleted)' ELSE ')' END
                 FROM read.items",
            )
            .await
    };
    let lamp = item("lamp");
    let desk_lamp = renamed(&lamp, "desk lamp");
    let gone = deleted(&desk_lamp);
    story.depot("a row gives way to a newer version only, and a deletion leaves its row");
    let events = [&lamp, &desk_lamp, &lamp, &gone, &lamp];
    let offsets = OffsetsTable::new(pool.into(), PROJECTION);
    let topic = batch(0, &events).topic;
    assert_eq!(offsets.load(&topic, 0).await.unwrap(), 0);
    let mut seen = Vec::new();
    for (offset, event) in (0..).zip(events) {
        let written = writer.write(&[batch(offset, &[event])]).await.unwrap();
        assert_eq!(written.stored, [true]);
        seen.push(listed(&view().await));
    }
    story.line("view", format!("after v1 and v2: {}", seen[1]));
    story.line("view", format!("after v1 again: {}", seen[2]));
    story.line("view", format!("after v3, a deletion: {}", seen[3]));
    story.line("view", format!("after v1 again: {}", seen[4]));
    assert_eq!(seen[1..3], ["desk lamp (version 2)"; 2]);
    assert_eq!(seen[3..], ["desk lamp (version 3, deleted)"; 2]);
    story.result("the newest version, whatever comes again");
}
