//! A reader of the outbox that remembers the last id.

use sqlx::{PgConnection, PgPool};

use crate::{
    ground::Ground,
    log::Log,
    relaying::{append_text, commit_text, drain, options, relay, two_items_of_a_shard},
    story::{Story, listed},
};

const TABLES: &str = "CREATE TABLE naive.outbox (id bigserial PRIMARY KEY, event text NOT NULL)";

#[tokio::test]
async fn a_cursor_over_ids_loses_what_commits_after_a_later_id() {
    let mut story = Story::of("sequence_gap");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

/// The naive way: what has a higher id than the last one that was seen is new.
#[derive(Default)]
struct Reader {
    last_id: i64,
}

impl Reader {
    async fn poll(&mut self, pool: &PgPool) -> Vec<String> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("SELECT id, event FROM naive.outbox WHERE id > $1 ORDER BY id")
                .bind(self.last_id)
                .fetch_all(pool)
                .await
                .unwrap();
        self.last_id = rows.last().map_or(self.last_id, |(id, _)| *id);
        rows.into_iter().map(|(_, event)| event).collect()
    }
}

/// Answers the id that the row got.
async fn insert(connection: &mut PgConnection, event: &str) -> i64 {
    sqlx::query_scalar("INSERT INTO naive.outbox (event) VALUES ($1) RETURNING id")
        .bind(event)
        .fetch_one(connection)
        .await
        .unwrap()
}

async fn naive(story: &mut Story) {
    let ground = Ground::with(TABLES).await;
    let mut reader = Reader::default();
    story.naive("WHERE id > the last id that was seen");
    let mut a = ground.pool.begin().await.unwrap();
    let id = insert(&mut a, "first").await;
    story.line("A", format!("BEGIN; INSERT first, which gets id {id}"));
    let mut b = ground.pool.begin().await.unwrap();
    let id = insert(&mut b, "second").await;
    b.commit().await.unwrap();
    story.line("B", format!("BEGIN; INSERT second, which gets id {id}; COMMIT"));

    let seen = reader.poll(&ground.pool).await;
    assert_eq!(seen, ["second"]);
    story.line(
        "reader",
        format!("WHERE id > 0: {}; remembers {}", listed(&seen), reader.last_id),
    );
    a.commit().await.unwrap();
    story.line("A", "COMMIT");
    let asked = reader.last_id;
    let seen = reader.poll(&ground.pool).await;
    assert_eq!(seen, [""; 0]);
    assert_eq!(ground.count("SELECT count(*) FROM naive.outbox").await, 2);
    story.line("reader", format!("WHERE id > {asked}: {}", listed(&seen)));
    story.result("first is committed, and is never read");
}

async fn depot(story: &mut Story) {
    let (ground, log) = (Ground::with(TABLES).await, Log::create().await);
    let mut relay = relay(&ground, options()).await;
    let (first, second) = two_items_of_a_shard();
    story.depot("what is visible now, and was not in the shard's snapshot");
    let mut a = ground.pool.begin().await.unwrap();
    append_text(&mut a, &log, first, 1, "first").await;
    story.line("A", "BEGIN; append first");
    commit_text(&ground, &log, second, 1, "second").await;
    story.line("B", "BEGIN; append second, in the same shard; COMMIT");

    drain(&mut relay).await;
    assert_eq!(log.texts().await, ["second"]);
    story.line("relay", format!("topic: {}", listed(&log.texts().await)));
    a.commit().await.unwrap();
    story.line("A", "COMMIT");
    drain(&mut relay).await;
    assert_eq!(log.texts().await, ["second", "first"]);
    story.line("relay", format!("topic: {}", listed(&log.texts().await)));
    story.result("both are sent, each once");
}
