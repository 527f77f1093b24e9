use std::time::Duration;

use command_api::{
    commands::{Actor, CreateItem, UseCase as _},
    key_expiry::{self, KeyExpiryOutcome},
    store::{
        self,
        idempotency::Key,
        transaction::{KEY_LOCK_TIMEOUT, ROW_LOCK_TIMEOUT},
    },
};
use depot_domain::{CommandId, ItemContent, ItemStatus, Owner};
use depot_test_stack::{ServiceRole, TestDatabase};
use serde_json::json;
use uuid::Uuid;

use crate::{
    client::Request,
    service::{Service, token},
};
use depot_service::auth::Role;

fn create(service: &Service, key: &str, name: &str) -> Request {
    service
        .by("alice", "POST", "/api/v1/items")
        .key(key)
        .json(json!({ "name": name }))
}

#[tokio::test]
async fn a_repeat_with_the_same_key_returns_the_stored_answer_marked_and_writes_nothing() {
    let service = Service::start().await;
    let first = create(&service, "k", "a").send().await.expect(201);
    let before = service.counts().await;
    // The quoted form is the same key.
    for key in ["k", "\"k\""] {
        let again = create(&service, key, "a").send().await.expect(201);
        assert!(again.is_replayed() && !first.is_replayed());
        assert_eq!(again.body, first.body);
        for header in ["etag", "location", "content-type"] {
            assert_eq!(again.header(header), first.header(header), "{header}");
        }
    }
    assert_eq!(service.counts().await, before);
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused() {
    let service = Service::start().await;
    let id = service.item("alice").await;
    create(&service, "k", "a").send().await.expect(201);
    create(&service, "k", "b")
        .send()
        .await
        .expect_problem(422, "idempotency-key-reused");
    let put = |path: Uuid, tag: &str, name: &str| {
        let put = service.by("alice", "PUT", &format!("/api/v1/items/{path}"));
        put.key("p").if_match(tag).json(json!({ "name": name }))
    };
    put(id, "\"1\"", "new").send().await.expect(200);
    put(id, "\"2\"", "new")
        .send()
        .await
        .expect_problem(422, "idempotency-key-reused");
    let other = service.item("alice").await;
    put(other, "\"1\"", "new")
        .send()
        .await
        .expect_problem(422, "idempotency-key-reused");
    assert!(put(id, "\"1\"", "new").send().await.expect(200).is_replayed());
}

#[tokio::test]
async fn keys_of_other_principals_and_other_routes_are_other_keys() {
    let service = Service::start().await;
    let first = create(&service, "k", "a").send().await.expect(201);
    let bob = service
        .by("bob", "POST", "/api/v1/items")
        .key("k")
        .json(json!({"name": "a"}));
    let bobs = bob.send().await.expect(201);
    assert!(!bobs.is_replayed());
    assert_ne!(bobs.text("id"), first.text("id"));
    let path = format!("/api/v1/items/{}", first.text("id"));
    let put = service
        .by("alice", "PUT", &path)
        .key("k")
        .if_match("*")
        .json(json!({"name": "b"}));
    assert!(!put.send().await.expect(200).is_replayed());
}

#[tokio::test]
async fn of_many_racers_with_one_key_one_acts_and_none_fails() {
    let service = Service::start().await;
    for round in 0..5 {
        let key = format!("race-{round}");
        let racers: Vec<_> = (0..24)
            .map(|_| tokio::spawn(create(&service, &key, "a").send()))
            .collect();
        let mut bodies = Vec::new();
        let mut first = 0;
        for racer in racers {
            let answer = racer.await.unwrap();
            match answer.status {
                201 => {
                    first += usize::from(!answer.is_replayed());
                    bodies.push(answer.body);
                }
                _ => {
                    let waiting = answer.expect_problem(409, "request-in-progress");
                    assert!(waiting.header("retry-after").is_some());
                }
            }
        }
        assert_eq!(first, 1, "round {round}");
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "round {round}");
    }
    let counts = service.counts().await;
    assert_eq!((counts["items"], counts["outbox"], counts["keys"]), (5, 5, 5));
}

#[tokio::test]
async fn a_repeat_while_the_first_is_under_way_is_told_to_come_back() {
    let service = Service::start().await;
    let mut unit = service
        .writer
        .begin(CommandId::generate(), ROW_LOCK_TIMEOUT)
        .await
        .unwrap();
    let key = Key {
        principal: "alice".into(),
        route: "POST /api/v1/items".into(),
        key: "k".into(),
    };
    assert!(
        store::idempotency::insert(unit.conn(), &key, b"x", 24)
            .await
            .unwrap()
    );
    let waiting = create(&service, "k", "a")
        .send()
        .await
        .expect_problem(409, "request-in-progress");
    assert_eq!(waiting.header("retry-after"), Some("1"));
    // The first one dies: its key is free again.
    drop(unit);
    assert!(!create(&service, "k", "a").send().await.expect(201).is_replayed());
}

#[tokio::test]
async fn a_command_that_dies_before_its_commit_leaves_nothing() {
    let service = Service::start().await;
    let before = service.counts().await;
    let content = ItemContent::parse(
        "a".into(),
        String::new(),
        vec![],
        Default::default(),
        ItemStatus::Draft,
    )
    .unwrap();
    let actor = Actor {
        subject: Owner::parse("alice").unwrap(),
        is_admin: false,
    };
    let mut unit = service
        .writer
        .begin(CommandId::generate(), KEY_LOCK_TIMEOUT)
        .await
        .unwrap();
    let key = Key {
        principal: "alice".into(),
        route: "POST /api/v1/items".into(),
        key: "k".into(),
    };
    assert!(
        store::idempotency::insert(unit.conn(), &key, b"x", 24)
            .await
            .unwrap()
    );
    CreateItem { actor, content }.execute(&mut unit).await.unwrap();
    drop(unit);
    depot_test_stack::wait_until("the key is free again", || async {
        create(&service, "k", "a").send().await.status == 201
    })
    .await;
    let mut expected = before;
    for table in ["items", "outbox", "keys"] {
        *expected.get_mut(table).unwrap() += 1;
    }
    assert_eq!(service.counts().await, expected);
}

#[tokio::test]
async fn what_the_domain_refused_is_kept_and_what_it_did_not_decide_is_not() {
    let service = Service::start().await;
    let id = service.item("alice").await;
    let path = format!("/api/v1/items/{id}");
    let put = |subject: &str, key: &str, tag: &str, name: &str| {
        service
            .by(subject, "PUT", &path)
            .key(key)
            .if_match(tag)
            .json(json!({ "name": name }))
    };
    // 412 is kept: it is the answer even after the version that was named has come.
    let stale = put("alice", "k412", "\"2\"", "x")
        .send()
        .await
        .expect_problem(412, "precondition-failed");
    put("alice", "k200", "\"1\"", "y").send().await.expect(200);
    let again = put("alice", "k412", "\"2\"", "x")
        .send()
        .await
        .expect_problem(412, "precondition-failed");
    assert!(again.is_replayed());
    assert_eq!(again.body, stale.body);
    assert_eq!(again.etag(), stale.etag());

    let never = format!("/api/v1/items/{}", Uuid::now_v7());
    let missing = || service.by("alice", "DELETE", &never).key("k404").if_match("*");
    missing().send().await.expect_problem(404, "item-not-found");
    assert!(
        missing()
            .send()
            .await
            .expect_problem(404, "item-not-found")
            .is_replayed()
    );

    let kept: Vec<String> = keys(&service).await;
    put("bob", "k403", "*", "x")
        .send()
        .await
        .expect_problem(403, "forbidden");
    let reader = service
        .bare("PUT", &path)
        .token(&token("eve", &[Role::Reader]))
        .key("k403r")
        .if_match("*");
    reader
        .json(json!({"name": "x"}))
        .send()
        .await
        .expect_problem(403, "forbidden");
    put("alice", "k428", "", "x")
        .without("If-Match")
        .send()
        .await
        .expect_problem(428, "precondition-required");
    put("alice", "k422", "*", "")
        .send()
        .await
        .expect_problem(422, "validation-failed");
    let anonymous = put("alice", "k401", "*", "x").without("Authorization");
    anonymous.send().await.expect_problem(401, "unauthorized");
    assert_eq!(keys(&service).await, kept);
}

async fn keys(service: &Service) -> Vec<String> {
    sqlx::query_scalar("SELECT key FROM command.idempotency_keys ORDER BY key")
        .fetch_all(&service.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn who_may_not_do_it_any_more_is_not_told_the_kept_answer() {
    let service = Service::start().await;
    let id = service.item("alice").await;
    let path = format!("/api/v1/items/{id}");
    let put = |role| {
        let request = service
            .bare("PUT", &path)
            .token(&token("mallory", &[role]))
            .key("k")
            .if_match("*");
        request.json(json!({"name": "by an admin"}))
    };
    put(Role::Admin).send().await.expect(200);
    assert!(put(Role::Admin).send().await.expect(200).is_replayed());
    put(Role::Writer).send().await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn an_expired_key_is_a_new_key() {
    let service = Service::start().await;
    let first = create(&service, "k", "a").send().await.expect(201);
    expire_all(&service).await;
    let second = create(&service, "k", "another").send().await.expect(201);
    assert!(!second.is_replayed());
    assert_ne!(second.text("id"), first.text("id"));
    assert!(
        create(&service, "k", "another")
            .send()
            .await
            .expect(201)
            .is_replayed()
    );
    let counts = service.counts().await;
    assert_eq!((counts["items"], counts["keys"]), (2, 1));
}

#[tokio::test]
async fn of_many_racers_for_an_expired_key_one_acts() {
    let service = Service::start().await;
    create(&service, "k", "a").send().await.expect(201);
    expire_all(&service).await;
    let racers: Vec<_> = (0..16)
        .map(|_| tokio::spawn(create(&service, "k", "b").send()))
        .collect();
    let mut first = 0;
    for racer in racers {
        let answer = racer.await.unwrap();
        match answer.status {
            201 => first += usize::from(!answer.is_replayed()),
            _ => drop(answer.expect_problem(409, "request-in-progress")),
        }
    }
    assert_eq!(first, 1);
    assert_eq!(service.counts().await["items"], 2);
}

/// A database that has three keys whose time is over and one whose time is not; without a service, whose own task
/// would delete them at any moment.
async fn database_with_expired_keys() -> TestDatabase {
    let database = TestDatabase::create().await.unwrap();
    sqlx::query(
        "INSERT INTO idempotency_keys (principal, route, key, fingerprint, expires_at)
         SELECT 'alice', 'POST /', age, '', now() - age::interval
         FROM unnest(ARRAY['1 second', '1 day', '1 year', '-1 hour']) AS age",
    )
    .execute(&database.pool(ServiceRole::Command).await)
    .await
    .unwrap();
    database
}

#[tokio::test]
async fn only_expired_keys_are_deleted() {
    let database = database_with_expired_keys().await;
    let pool = database.pool(ServiceRole::Command).await.into();
    assert_eq!(key_expiry::step(&pool).await.unwrap(), KeyExpiryOutcome::Done(3));
    let left: Vec<String> = sqlx::query_scalar("SELECT key FROM idempotency_keys")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(left, ["-1 hour"]);
    assert_eq!(key_expiry::step(&pool).await.unwrap(), KeyExpiryOutcome::Done(0));
}

#[tokio::test]
async fn a_service_deletes_expired_keys_by_itself() {
    let service = Service::on(database_with_expired_keys().await, &[]).await;
    depot_test_stack::wait_until("the expired keys are gone", || async {
        keys(&service).await == ["-1 hour"]
    })
    .await;
}

async fn expire_all(service: &Service) {
    sqlx::query("UPDATE command.idempotency_keys SET expires_at = now() - interval '1 second'")
        .execute(&service.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_nothing() {
    let service = Service::start().await;
    let id = service.item("alice").await;
    // The command waits for the row while its client goes.
    let mut holder = service.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM command.items WHERE id = $1 FOR UPDATE")
        .bind(id)
        .execute(&mut *holder)
        .await
        .unwrap();
    let put = service
        .by("alice", "PUT", &format!("/api/v1/items/{id}"))
        .if_match("*")
        .key("k");
    let put = put.json(json!({"name": "done all the same"}));
    let client = tokio::spawn(put.clone().send());
    service.somebody_waits().await;
    client.abort();
    tokio::time::timeout(Duration::from_secs(5), client)
        .await
        .unwrap()
        .unwrap_err();
    holder.commit().await.unwrap();
    depot_test_stack::wait_until("the change is there", || async {
        service.events(id).await.len() == 2
    })
    .await;
    assert!(put.send().await.expect(200).is_replayed());
}
