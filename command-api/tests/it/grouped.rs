//! Commands that share a transaction. With one lane and a gate in the database, those gather that come while it is closed.

use std::collections::HashSet;

use command_api::{
    commands::UnitOfWork,
    store::{self, idempotency::Key, transaction::ROW_LOCK_TIMEOUT},
};
use depot_domain::CommandId;
use depot_test_stack::wait_until;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    client::{Request, Response},
    service::{Service, new_key},
};

/// A statement that inserts into that table waits while there is a row in `gate`.
fn gate_before(table: &str, gate: &str) -> String {
    format!(
        "CREATE TABLE command.{gate} (closed boolean);
         GRANT SELECT ON command.{gate} TO PUBLIC;
         CREATE FUNCTION command.pass_{gate}() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN
             WHILE EXISTS (SELECT FROM command.{gate}) LOOP PERFORM pg_sleep(0.01); END LOOP;
             RETURN NULL;
         END $$;
         CREATE TRIGGER pass BEFORE INSERT ON command.{table}
             FOR EACH STATEMENT EXECUTE FUNCTION command.pass_{gate}()"
    )
}

struct Gate {
    service: Service,
}

impl Gate {
    async fn start() -> Self {
        let settings = [
            ("COMMAND_GROUP_LANES", "1"),
            ("DATABASE_STATEMENT_TIMEOUT_MS", "60000"),
        ];
        let service = Service::start_with(&settings).await;
        let gate = Self { service };
        gate.put_before("items", "gate").await;
        // One that fails.
        gate.execute("ALTER TABLE command.items ADD CHECK (name <> 'bad')")
            .await;
        gate
    }

    async fn put_before(&self, table: &str, gate: &str) {
        sqlx::raw_sql(AssertSqlSafe(gate_before(table, gate)))
            .execute(&self.service.pool)
            .await
            .unwrap();
    }

    /// Closes the gate, and has a first command wait before it.
    async fn close(&self) -> JoinHandle<Response> {
        self.execute("INSERT INTO command.gate VALUES (true)").await;
        let first = tokio::spawn(self.create(&new_key(), "first").send());
        self.until_one_waits_at("command.gate", 0).await;
        first
    }

    /// Besides those transactions that have passed it and are not at their end.
    async fn until_one_waits_at(&self, gate: &str, passed: i64) {
        wait_until("a command waits at the gate", || async {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_locks WHERE relation = $1::regclass AND pid <> pg_backend_pid()",
            )
            .bind(gate)
            .fetch_one(&self.service.pool)
            .await
            .unwrap();
            waiting > passed
        })
        .await;
    }

    async fn open(&self) {
        self.execute("DELETE FROM command.gate").await;
    }

    async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.service.pool).await.unwrap();
    }

    fn create(&self, key: &str, name: &str) -> Request {
        self.service
            .by("alice", "POST", "/api/v1/items")
            .key(key)
            .json(json!({ "name": name }))
    }

    fn rename(&self, who: &str, item: Uuid, tag: &str, name: &str) -> Request {
        self.rename_under(&new_key(), who, item, tag, name)
    }

    fn rename_under(&self, key: &str, who: &str, item: Uuid, tag: &str, name: &str) -> Request {
        self.service
            .by(who, "PUT", &format!("/api/v1/items/{item}"))
            .key(key)
            .if_match(tag)
            .json(json!({ "name": name }))
    }

    /// A transaction that has inserted alice's key, and is not at its end.
    async fn take_key(&self, route: &str, key: &str) -> UnitOfWork {
        let begun = self.service.writer.begin(CommandId::generate(), ROW_LOCK_TIMEOUT);
        let mut unit = begun.await.unwrap();
        let key = Key {
            principal: "alice".into(),
            route: route.into(),
            key: key.into(),
        };
        assert!(
            store::idempotency::insert(unit.conn(), &key, b"x", 24)
                .await
                .unwrap()
        );
        unit
    }

    /// How many transactions have written these aggregates' first events.
    async fn transactions(&self, items: &[Uuid]) -> i64 {
        sqlx::query_scalar(
            "SELECT count(DISTINCT xid) FROM command.outbox WHERE aggregate_id = ANY($1) AND aggregate_version = 1",
        )
        .bind(items)
        .fetch_one(&self.service.pool)
        .await
        .unwrap()
    }
}

fn id(answer: &Response) -> Uuid {
    answer.text("id").parse().unwrap()
}

#[tokio::test]
async fn what_gathers_shares_a_transaction_and_each_has_an_outcome_and_an_event_of_its_own() {
    let gate = Gate::start().await;
    let bodies: Vec<Value> = (0..12)
        .map(|n| {
            let tags: Vec<_> = (0..n % 4).map(|tag| format!("tag {n} {tag}")).collect();
            json!({"name": format!("item {n}"), "tags": tags, "attributes": {"n": n}, "status": "active"})
        })
        .collect();
    let mut transactions = i64::MAX;
    // Whether all have come before the gate is opened is up to the machine: that some have is soon seen.
    for _ in 0..20 {
        if transactions < bodies.len() as i64 {
            break;
        }
        let first = gate.close().await;
        let post = |body: &Value| {
            let request = gate.service.by("alice", "POST", "/api/v1/items");
            tokio::spawn(request.key(&new_key()).json(body.clone()).send())
        };
        let gathered: Vec<_> = bodies.iter().map(post).collect();
        gate.open().await;
        first.await.unwrap().expect(201);
        let mut ids = Vec::new();
        for (answer, body) in gathered.into_iter().zip(&bodies) {
            let answer = answer.await.unwrap().expect(201);
            ids.push(id(&answer));
            let events = gate.service.events(id(&answer)).await;
            assert_eq!(events.len(), 1);
            for member in ["name", "tags", "attributes", "status"] {
                assert_eq!(answer.json()[member], body[member]);
                assert_eq!(events[0].data["item"][member], body[member]);
            }
            let row: Value = sqlx::query_scalar("SELECT to_jsonb(i) FROM command.items i WHERE id = $1")
                .bind(id(&answer))
                .fetch_one(&gate.service.pool)
                .await
                .unwrap();
            assert_eq!((&row["tags"], &row["name"]), (&body["tags"], &body["name"]));
        }
        transactions = gate.transactions(&ids).await;
    }
    assert!(transactions < bodies.len() as i64, "some have shared one");
    let causes: Vec<String> =
        sqlx::query_scalar("SELECT substring(headers FROM 'ce_causationid=([^\\n]*)') FROM command.outbox")
            .fetch_all(&gate.service.pool)
            .await
            .unwrap();
    let distinct: HashSet<_> = causes.iter().collect();
    assert_eq!(distinct.len(), causes.len(), "each has a cause of its own");
}

#[tokio::test]
async fn who_is_refused_changes_nothing_for_the_others() {
    let gate = Gate::start().await;
    let service = &gate.service;
    let (item, other, bobs) = (
        service.item("alice").await,
        service.item("alice").await,
        service.item("bob").await,
    );
    let first = gate.close().await;
    let send = |request: Request| tokio::spawn(request.send());
    let renamed = send(gate.rename("alice", item, "\"1\"", "renamed"));
    let stale = gate.rename("alice", other, "\"7\"", "x");
    let refused = send(stale.clone());
    let missing = send(gate.rename("alice", Uuid::now_v7(), "*", "x"));
    let forbidden = gate.rename("alice", bobs, "*", "x");
    let not_allowed = send(forbidden.clone());
    let created = send(gate.create("same", "made"));
    let repeated = send(gate.create("same", "made"));
    gate.open().await;
    first.await.unwrap().expect(201);
    renamed.await.unwrap().expect(200);
    let refused = refused.await.unwrap().expect_problem(412, "precondition-failed");
    missing.await.unwrap().expect_problem(404, "item-not-found");
    not_allowed.await.unwrap().expect_problem(403, "forbidden");
    let (created, repeated) = (
        created.await.unwrap().expect(201),
        repeated.await.unwrap().expect(201),
    );
    assert_eq!(created.body, repeated.body);
    assert!(
        created.is_replayed() != repeated.is_replayed(),
        "one of them did it"
    );
    assert_eq!(service.kinds(item).await, ["item.created", "item.updated"]);
    assert_eq!(service.kinds(other).await, ["item.created"]);
    // What the domain refused is kept, and what nobody decided is not.
    let again = stale.send().await.expect_problem(412, "precondition-failed");
    assert!(again.is_replayed() && again.body == refused.body);
    assert!(
        !forbidden
            .send()
            .await
            .expect_problem(403, "forbidden")
            .is_replayed()
    );
    let half: i64 = sqlx::query_scalar("SELECT count(*) FROM command.idempotency_keys WHERE status IS NULL")
        .fetch_one(&service.pool)
        .await
        .unwrap();
    assert_eq!(half, 0, "no key is without its answer");
}

#[tokio::test]
async fn commands_that_meet_at_an_item_are_done_one_after_the_other() {
    let gate = Gate::start().await;
    let item = gate.service.item("alice").await;
    let first = gate.close().await;
    let renames: Vec<_> = (0..8)
        .map(|n| tokio::spawn(gate.rename("alice", item, "*", &format!("name {n}")).send()))
        .collect();
    gate.open().await;
    first.await.unwrap().expect(201);
    let mut versions = HashSet::new();
    for rename in renames {
        let renamed = rename.await.unwrap().expect(200);
        assert!(versions.insert(renamed.json()["version"].as_i64().unwrap()));
    }
    assert_eq!(versions, (2..=9).collect());
    // `kinds` sees that no version is missing and none is there twice.
    assert_eq!(gate.service.kinds(item).await.len(), 9);
}

#[tokio::test]
async fn one_that_fails_takes_nobody_with_it_and_leaves_nothing() {
    let gate = Gate::start().await;
    let before = gate.service.counts().await;
    let first = gate.close().await;
    let good: Vec<_> = (0..6)
        .map(|n| tokio::spawn(gate.create(&new_key(), &format!("good {n}")).send()))
        .collect();
    let bad = tokio::spawn(gate.create("bad", "bad").send());
    gate.open().await;
    first.await.unwrap().expect(201);
    for good in good {
        good.await.unwrap().expect(201);
    }
    bad.await.unwrap().expect_problem(500, "internal");
    let after = gate.service.counts().await;
    for table in ["items", "outbox", "keys"] {
        assert_eq!(after[table] - before[table], 7, "{table}");
    }
}

#[tokio::test]
async fn an_item_or_a_key_that_is_locked_elsewhere_holds_up_nobody_else() {
    let gate = Gate::start().await;
    let service = &gate.service;
    let item = service.item("alice").await;
    let mut holder = service.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM command.items FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let unit = gate.take_key("POST /api/v1/items", "taken").await;
    let first = gate.close().await;
    let renamed = tokio::spawn(gate.rename("alice", item, "*", "b").send());
    let taken = tokio::spawn(gate.create("taken", "a").send());
    let others: Vec<_> = (0..4)
        .map(|_| tokio::spawn(gate.create(&new_key(), "a").send()))
        .collect();
    gate.open().await;
    first.await.unwrap().expect(201);
    for other in others {
        other.await.unwrap().expect(201);
    }
    taken.await.unwrap().expect_problem(409, "request-in-progress");
    assert!(!renamed.is_finished(), "its item is locked to the end of this");
    holder.rollback().await.unwrap();
    renamed.await.unwrap().expect(200);
    unit.roll_back().await;
    gate.create("taken", "a").send().await.expect(201);
}

#[tokio::test]
async fn one_that_has_a_key_and_waits_for_an_item_of_a_group_is_let_by() {
    let gate = Gate::start().await;
    gate.put_before("idempotency_keys", "key_gate").await;
    let item = gate.service.item("alice").await;
    let mut other = gate.take_key("PUT /api/v1/items/{id}", "taken").await;
    gate.execute("INSERT INTO command.key_gate VALUES (true)").await;
    // Its group has the item, and is about to wait for the key.
    let rename = gate.rename_under("taken", "alice", item, "*", "b");
    let renamed = tokio::spawn(rename.clone().send());
    gate.until_one_waits_at("command.key_gate", 1).await;
    let waits = tokio::spawn(async move {
        let locked = sqlx::query("SELECT FROM command.items WHERE id = $1 FOR UPDATE")
            .bind(item)
            .execute(other.conn())
            .await;
        (other, locked)
    });
    wait_until("the other waits for the item", || async {
        let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_locks WHERE NOT granted")
            .fetch_one(&gate.service.pool)
            .await
            .unwrap();
        waiting > 0
    })
    .await;
    gate.execute("DELETE FROM command.key_gate").await;
    let (other, locked) = waits.await.unwrap();
    locked.expect("the group gives up its items, and no deadlock is found");
    renamed.await.unwrap().expect_problem(409, "request-in-progress");
    other.roll_back().await;
    rename.send().await.expect(200);
}

#[tokio::test]
async fn what_waits_when_the_process_is_asked_to_end_is_done_and_answered() {
    let gate = Gate::start().await;
    let first = gate.close().await;
    let waiting: Vec<_> = (0..4)
        .map(|_| tokio::spawn(gate.create(&new_key(), "a").send()))
        .collect();
    let Gate { service } = gate;
    let pool = service.pool.clone();
    let stopped = tokio::spawn(service.stop());
    sqlx::query("DELETE FROM command.gate")
        .execute(&pool)
        .await
        .unwrap();
    first.await.unwrap().expect(201);
    for waiting in waiting {
        // One that had not been read yet is not taken any more; its connection is closed then.
        let answered = waiting.await;
        assert!(answered.is_err() || answered.unwrap().status == 201);
    }
    stopped.await.unwrap();
}
