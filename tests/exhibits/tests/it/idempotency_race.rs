//! Two requests with one key, at once.

use command_api::store::idempotency::{self, Key};
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    ground::{Ground, pid_of},
    story::Story,
};

const TABLES: &str = "CREATE TABLE naive.orders (what text NOT NULL);
                      CREATE TABLE naive.keys (key text NOT NULL);
                      CREATE TABLE naive.unique_keys (key text PRIMARY KEY)";
const ORDERS: &str = "SELECT count(*) FROM naive.orders";

#[tokio::test]
async fn a_key_that_is_looked_up_before_it_is_inserted_lets_both_act() {
    let mut story = Story::of("idempotency_race");
    naive(&mut story).await;
    naive_and_unique(&mut story).await;
    depot(&mut story).await;
    story.end();
}

async fn order(connection: &mut PgConnection) {
    sqlx::query("INSERT INTO naive.orders VALUES ('a lamp')")
        .execute(connection)
        .await
        .unwrap();
}

/// The naive way, its first half: is the key known?
async fn is_known(connection: &mut PgConnection, keys: &'static str) -> bool {
    let question = match keys {
        "unique_keys" => "SELECT EXISTS (SELECT FROM naive.unique_keys WHERE key = 'k')",
        _ => "SELECT EXISTS (SELECT FROM naive.keys WHERE key = 'k')",
    };
    sqlx::query_scalar(question).fetch_one(connection).await.unwrap()
}

/// Its second half, when it was not: the work, and then the key.
async fn act(connection: &mut PgConnection, keys: &'static str) -> Result<(), sqlx::Error> {
    order(connection).await;
    let statement = match keys {
        "unique_keys" => "INSERT INTO naive.unique_keys VALUES ('k')",
        _ => "INSERT INTO naive.keys VALUES ('k')",
    };
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}

async fn naive(story: &mut Story) {
    let ground = Ground::with(TABLES).await;
    let (mut a, mut b) = (
        ground.pool.begin().await.unwrap(),
        ground.pool.begin().await.unwrap(),
    );
    story.naive("SELECT the key; if it is not there: order, INSERT the key");
    for (name, connection) in [("A", &mut a), ("B", &mut b)] {
        assert!(!is_known(connection, "keys").await);
        story.line(name, "SELECT key k: not there");
    }
    for (name, mut transaction) in [("A", a), ("B", b)] {
        act(&mut transaction, "keys").await.unwrap();
        transaction.commit().await.unwrap();
        story.line(name, "INSERT order; INSERT key k; COMMIT; answers 201");
    }
    let orders = ground.count(ORDERS).await;
    assert_eq!(orders, 2);
    story.line("orders", orders);
    story.result("one request, sent twice, orders twice");
}

async fn naive_and_unique(story: &mut Story) {
    let ground = Ground::with(TABLES).await;
    let (mut a, mut b) = (
        ground.pool.begin().await.unwrap(),
        ground.pool.begin().await.unwrap(),
    );
    story.naive("the same with a unique key");
    for (name, connection) in [("A", &mut a), ("B", &mut b)] {
        assert!(!is_known(connection, "unique_keys").await);
        story.line(name, "SELECT key k: not there");
    }
    act(&mut a, "unique_keys").await.unwrap();
    a.commit().await.unwrap();
    story.line("A", "INSERT order; INSERT key k; COMMIT; answers 201");
    let refused = act(&mut b, "unique_keys").await.unwrap_err();
    let refused = refused.as_database_error().unwrap();
    assert!(refused.is_unique_violation(), "{refused}");
    let code = refused.code().unwrap_or_default();
    story.line(
        "B",
        format!("INSERT order; INSERT key k: error {code}; answers 500"),
    );
    b.rollback().await.unwrap();
    let orders = ground.count(ORDERS).await;
    assert_eq!(orders, 1);
    story.line("orders", orders);
    story.result("the client of a request that was done is told that it failed");
}

async fn depot(story: &mut Story) {
    let ground = Ground::with(TABLES).await;
    let key = Key {
        principal: "alice".to_owned(),
        route: "POST /orders".to_owned(),
        key: "k".to_owned(),
    };
    story.depot("the key's row goes in first, in the transaction of the work");
    let mut a = ground.pool.begin().await.unwrap();
    assert!(idempotency::insert(&mut a, &key, b"request", 24).await.unwrap());
    story.line("A", "INSERT key k ON CONFLICT DO NOTHING: its own");
    order(&mut a).await;
    let mut b = ground.pool.begin().await.unwrap();
    let pid = pid_of(&mut b).await;
    let waits = async { idempotency::insert(&mut b, &key, b"request", 24).await.unwrap() };
    let lets_go = async {
        ground.until_blocked(pid).await;
        let kept = idempotency::keep_answer(&mut a, &key, 201, json!([]), b"a lamp").await;
        kept.unwrap();
        a.commit().await.unwrap();
    };
    let (is_own, ()) = tokio::join!(waits, lets_go);
    assert!(!is_own);
    story.line("B", "INSERT key k ON CONFLICT DO NOTHING: waits for A");
    story.line(
        "A",
        "INSERT order; keeps its answer, 201, under the key; COMMIT; answers it",
    );
    let kept = idempotency::find(&mut b, &key).await.unwrap().unwrap();
    assert_eq!((kept.status, kept.body.as_slice()), (201, b"a lamp".as_slice()));
    b.rollback().await.unwrap();
    story.line(
        "B",
        format!(
            "the key is another's; reads the kept answer: {}; answers it",
            kept.status
        ),
    );
    let orders = ground.count(ORDERS).await;
    assert_eq!(orders, 1);
    story.line("orders", orders);
    story.result("one order, and both are told of it");
}
