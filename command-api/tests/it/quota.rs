use serde_json::json;

use crate::service::{Service, new_key};

#[tokio::test]
async fn an_upload_that_does_not_fit_is_refused_with_the_figures() {
    let service = Service::start_with(&[("DEFAULT_QUOTA_BYTES", "100")]).await;
    let item = service.item("alice").await;
    service.upload("alice", item, 60).await;
    let before = service.counts().await;
    let refused = service.upload_request("alice", item, 41);
    let answer = refused.clone().send().await.expect_problem(409, "quota-exceeded");
    let problem = answer.json();
    for (member, bytes) in [
        ("requested_bytes", 41),
        ("available_bytes", 40),
        ("limit_bytes", 100),
        ("used_bytes", 0),
        ("reserved_bytes", 60),
    ] {
        assert_eq!(problem[member], bytes, "{member}");
    }
    assert!(
        refused
            .send()
            .await
            .expect_problem(409, "quota-exceeded")
            .is_replayed()
    );
    let mut expected = before;
    *expected.get_mut("keys").unwrap() += 1;
    assert_eq!(service.counts().await, expected);
    service.upload("alice", item, 40).await;
    assert_eq!(service.quota("alice").await, (0, 100));
}

#[tokio::test]
async fn racing_requests_never_reserve_more_than_the_limit() {
    let service = Service::start_with(&[("DEFAULT_QUOTA_BYTES", "1000")]).await;
    let items = [service.item("alice").await, service.item("alice").await];
    let racers: Vec<_> = (0..24)
        .map(|n| tokio::spawn(service.upload_request("alice", items[n % 2], 150).send()))
        .collect();
    let mut granted = 0;
    for racer in racers {
        let answer = racer.await.unwrap();
        match answer.status {
            201 => granted += 1,
            _ => drop(answer.expect_problem(409, "quota-exceeded")),
        }
    }
    assert_eq!(granted, 6);
    assert_eq!(service.quota("alice").await, (0, 900));
    assert_eq!(service.counts().await["uploads"], 6);
}

#[tokio::test]
async fn an_account_is_read_by_its_owner_and_by_admins() {
    let service = Service::start_with(&[("DEFAULT_QUOTA_BYTES", "100")]).await;
    let fresh = json!({"owner": "alice", "used_bytes": 0, "reserved_bytes": 0, "limit_bytes": 100});
    let path = "/api/v1/accounts/alice";
    assert_eq!(
        service.by("alice", "GET", path).send().await.expect(200).json(),
        fresh
    );
    let item = service.item("alice").await;
    service.upload("alice", item, 30).await;
    let used = service.by_admin("GET", path).send().await.expect(200).json();
    assert_eq!(used["reserved_bytes"], 30);
    service
        .by("bob", "GET", path)
        .send()
        .await
        .expect_problem(403, "forbidden");
}

#[tokio::test]
async fn a_limit_is_set_by_admins_only_and_audited_in_the_same_transaction() {
    let service = Service::start().await;
    let set =
        |request: crate::client::Request, bytes: i64| request.json(json!({"limit_bytes": bytes})).send();
    let path = "/api/v1/accounts/alice/limit";
    set(service.by("alice", "PUT", path), 5)
        .await
        .expect_problem(403, "forbidden");
    assert_eq!(
        set(service.by_admin("PUT", path), -1)
            .await
            .expect(422)
            .pointers(),
        ["/limit_bytes"]
    );
    assert_eq!(service.counts().await["audit"], 0);
    let key = new_key();
    let answer = set(service.by_admin("PUT", path).key(&key), 50).await.expect(200);
    assert_eq!(answer.json()["limit_bytes"], 50);
    assert!(
        set(service.by_admin("PUT", path).key(&key), 50)
            .await
            .expect(200)
            .is_replayed()
    );
    let audit: (String, String, String, serde_json::Value) =
        sqlx::query_as("SELECT actor, action, subject, detail FROM command.audit")
            .fetch_one(&service.pool)
            .await
            .unwrap();
    assert_eq!(
        (audit.0.as_str(), audit.1.as_str(), audit.2.as_str()),
        ("root", "account.limit.set", "alice")
    );
    assert_eq!(audit.3["limit_bytes"], 50);
    let item = service.item("alice").await;
    service
        .upload_request("alice", item, 51)
        .send()
        .await
        .expect_problem(409, "quota-exceeded");
    service.upload("alice", item, 50).await;
}
