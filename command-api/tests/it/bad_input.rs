use std::time::{Duration, SystemTime, UNIX_EPOCH};

use depot_service::{
    auth::{Claims, Role, TokenMinter},
    config::JwtConfig,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::Request,
    service::{Service, minter, new_key, token},
};

const LONG: usize = 10_001;

/// Bodies of an item that are refused, with the fields that are named.
fn bad_items() -> Vec<(Value, &'static [&'static str])> {
    let name = "ok";
    vec![
        (json!({}), &["/name"]),
        (json!({"name": null}), &["/name"]),
        (json!({"name": 7}), &["/name"]),
        (json!({"name": ""}), &["/name"]),
        (json!({"name": "   "}), &["/name"]),
        (json!({"name": "a\u{0}b"}), &["/name"]),
        (json!({"name": "x".repeat(201)}), &["/name"]),
        (
            json!({"name": name, "description": "x".repeat(LONG)}),
            &["/description"],
        ),
        (json!({"name": name, "description": "a\u{0}"}), &["/description"]),
        (json!({"name": name, "description": null}), &["/description"]),
        (json!({"name": name, "tags": "a"}), &["/tags"]),
        (json!({"name": name, "tags": vec!["t"; 21]}), &["/tags"]),
        (json!({"name": name, "tags": ["a", ""]}), &["/tags/1"]),
        (json!({"name": name, "tags": ["a", "x".repeat(51)]}), &["/tags/1"]),
        (json!({"name": name, "tags": ["a", "a"]}), &["/tags/1"]),
        (json!({"name": name, "attributes": []}), &["/attributes"]),
        (
            json!({"name": name, "attributes": {"k": "x".repeat(17_000)}}),
            &["/attributes"],
        ),
        (
            json!({"name": name, "attributes": {"k": "\u{0}"}}),
            &["/attributes"],
        ),
        (json!({"name": name, "status": "lost"}), &["/status"]),
        (json!({"name": name, "status": 1}), &["/status"]),
        (json!({"name": name, "id": 1}), &["/id"]),
        (json!({"name": name, "owner": "eve"}), &["/owner"]),
        (
            json!({"name": "", "tags": 1, "extra": 1, "status": "lost"}),
            &["/extra", "/name", "/status", "/tags"],
        ),
    ]
}

#[tokio::test]
async fn an_item_that_is_wrong_in_any_way_is_refused_with_every_field_named_and_nothing_written() {
    let service = Service::start().await;
    let id = service.item("alice").await;
    let before = service.counts().await;
    for (body, pointers) in bad_items() {
        let put = service
            .by("alice", "PUT", &format!("/api/v1/items/{id}"))
            .if_match("*");
        for request in [service.by("alice", "POST", "/api/v1/items"), put] {
            let refused = request.key(&new_key()).json(body.clone()).send().await;
            let refused = refused.expect_problem(422, "validation-failed");
            assert_eq!(refused.pointers(), pointers, "{body}");
        }
    }
    assert_eq!(service.counts().await, before);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let service = Service::start().await;
    let before = service.counts().await;
    let create = || service.by("alice", "POST", "/api/v1/items").key(&new_key());
    let typed = || create().header("Content-Type", "application/json; charset=utf-8");
    for bad in [
        "",
        "{",
        "{\"name\": \"a\"} x",
        "{'name': 'a'}",
        "nul",
        "{\"name\": \"\\ud800\"}",
    ] {
        typed()
            .bytes(bad)
            .send()
            .await
            .expect_problem(400, "malformed-json");
    }
    typed()
        .bytes(b"{\"name\": \"\xff\"}".to_vec())
        .send()
        .await
        .expect_problem(400, "malformed-json");
    typed()
        .bytes("[".repeat(100_000))
        .send()
        .await
        .expect_problem(400, "malformed-json");
    for not_an_object in ["[]", "7", "\"x\"", "null"] {
        typed()
            .bytes(not_an_object)
            .send()
            .await
            .expect_problem(422, "validation-failed");
    }
    let body = json!({"name": "a"}).to_string();
    create()
        .bytes(body.clone())
        .send()
        .await
        .expect_problem(415, "unsupported-media-type");
    for media_type in [
        "text/plain",
        "application/xml",
        "application/json; charset=latin1",
        "application/x-www-form-urlencoded",
    ] {
        let request = create().header("Content-Type", media_type).bytes(body.clone());
        request.send().await.expect_problem(415, "unsupported-media-type");
    }
    let big = json!({"name": "a", "description": "x".repeat(300_000)});
    let refused = create()
        .json(big)
        .send()
        .await
        .expect_problem(413, "payload-too-large");
    assert_eq!(refused.json()["limit_bytes"], 262_144);
    assert_eq!(service.counts().await, before);
}

#[tokio::test]
async fn an_id_that_is_no_uuid_is_named() {
    let service = Service::start().await;
    let before = service.counts().await;
    for bad in [
        "7",
        "not-a-uuid",
        "0192f0c17a5b7cc398c4dc0c0c07398f",
        "%00",
        "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398g",
    ] {
        let item = format!("/api/v1/items/{bad}");
        let upload = format!("/api/v1/uploads/{bad}");
        let requests = [
            service
                .by("alice", "PUT", &item)
                .if_match("*")
                .json(json!({"name": "a"})),
            service
                .by("alice", "PATCH", &item)
                .if_match("*")
                .merge_patch(json!({"name": "a"})),
            service.by("alice", "DELETE", &item).if_match("*"),
            service.by("alice", "POST", &format!("{upload}/complete")),
            service.by("alice", "DELETE", &upload),
        ];
        for request in requests {
            let refused = request
                .key(&new_key())
                .send()
                .await
                .expect_problem(400, "invalid-parameter");
            assert_eq!(refused.pointers(), ["id"], "{bad}");
        }
    }
    assert_eq!(service.counts().await, before);
}

#[tokio::test]
async fn an_upload_that_is_wrong_in_any_way_is_refused_with_every_field_named_and_nothing_written() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let before = service.counts().await;
    let good = json!({
        "item_id": item, "file_name": "a.txt", "content_type": "text/plain", "size_bytes": 1, "sha256": "0".repeat(64),
    });
    let cases = [
        ("item_id", json!("7")),
        ("item_id", json!(7)),
        ("file_name", json!("")),
        ("file_name", json!("a/b")),
        ("file_name", json!("..")),
        ("file_name", json!("a\\b")),
        ("file_name", json!("a\nb")),
        ("file_name", json!("x".repeat(10_000))),
        ("content_type", json!("png")),
        ("content_type", json!("a/b; c=d")),
        ("content_type", json!("text/html")),
        ("content_type", json!("image/svg+xml")),
        ("content_type", json!("application/x-unheard-of")),
        ("size_bytes", json!(0)),
        ("size_bytes", json!(-1)),
        ("size_bytes", json!(1.5)),
        ("size_bytes", json!("1")),
        ("size_bytes", json!(5_368_709_121_i64)),
        ("size_bytes", json!(u64::MAX)),
        ("sha256", json!("ab")),
        ("sha256", json!("z".repeat(64))),
        ("object_key", json!("stolen")),
    ];
    let send = |body: Value| {
        service
            .by("alice", "POST", "/api/v1/uploads")
            .key(&new_key())
            .json(body)
            .send()
    };
    for (field, value) in cases {
        let mut body = good.clone();
        body[field] = value.clone();
        let refused = send(body).await.expect_problem(422, "validation-failed");
        assert_eq!(refused.pointers(), [format!("/{field}")], "{field} {value}");
    }
    let all = send(json!({})).await.expect_problem(422, "validation-failed");
    assert_eq!(
        all.pointers(),
        [
            "/content_type",
            "/file_name",
            "/item_id",
            "/sha256",
            "/size_bytes"
        ]
    );
    assert_eq!(service.counts().await, before);
}

#[tokio::test]
async fn a_key_that_is_missing_or_malformed_is_refused() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let before = service.counts().await;
    let create = || {
        service
            .by("alice", "POST", "/api/v1/items")
            .json(json!({"name": "a"}))
    };
    create()
        .send()
        .await
        .expect_problem(400, "idempotency-key-missing");
    let upload = service
        .upload_request("alice", item, 1)
        .without("Idempotency-Key");
    upload.send().await.expect_problem(400, "idempotency-key-missing");
    for bad in ["", "\"", "\"a", "a b", "\"\"", &"x".repeat(256)] {
        let refused = create()
            .key(bad)
            .send()
            .await
            .expect_problem(400, "invalid-header");
        assert_eq!(refused.pointers(), ["Idempotency-Key"], "{bad}");
    }
    create()
        .key("a")
        .key("b")
        .send()
        .await
        .expect_problem(400, "invalid-header");
    assert_eq!(service.counts().await, before);
}

fn claims_of(token: &str) -> &str {
    token.split('.').nth(1).unwrap()
}

/// Tokens that let nobody in.
fn bad_tokens() -> Vec<(&'static str, String)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let minter = minter();
    let good = minter.claims("alice", &[Role::Admin], Duration::from_secs(600));
    let sign = |change: fn(&mut Claims, u64)| {
        let mut claims = good.clone();
        change(&mut claims, now);
        minter.sign(&claims).unwrap()
    };
    let valid = minter.sign(&good).unwrap();
    let [header, claims, signature] = valid.split('.').collect::<Vec<_>>()[..] else {
        panic!("{valid}")
    };
    let other = TokenMinter::new(&JwtConfig::for_secret("another secret, which is long enough too"));
    vec![
        ("expired", sign(|claims, now| claims.exp = now - 60)),
        ("not valid yet", sign(|claims, now| claims.nbf = Some(now + 600))),
        (
            "of another issuer",
            sign(|claims, _| claims.iss = "other".to_owned()),
        ),
        (
            "for another audience",
            sign(|claims, _| claims.aud = "other".to_owned()),
        ),
        ("without a subject", sign(|claims, _| claims.sub = String::new())),
        ("signed with another key", other.sign(&good).unwrap()),
        // {"alg":"none","typ":"JWT"}
        (
            "alg none",
            format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."),
        ),
        (
            "alg none with a signature",
            format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.{signature}"),
        ),
        ("without a signature", format!("{header}.{claims}.")),
        (
            "with the claims of another",
            format!(
                "{header}.{}.{signature}",
                claims_of(&sign(|claims, _| claims.sub = "bob".to_owned()))
            ),
        ),
        ("nonsense", "nonsense".to_owned()),
        ("empty", String::new()),
    ]
}

#[tokio::test]
async fn no_token_that_is_missing_expired_forged_or_unsigned_lets_anybody_in() {
    let service = Service::start().await;
    let id = service.item("alice").await;
    let before = service.counts().await;
    let requests = |authorize: &dyn Fn(Request) -> Request| -> Vec<Request> {
        let item = format!("/api/v1/items/{id}");
        let requests = [
            service.bare("POST", "/api/v1/items").json(json!({"name": "a"})),
            service.bare("PUT", &item).json(json!({"name": "a"})),
            service.bare("PATCH", &item).merge_patch(json!({"name": "a"})),
            service.bare("DELETE", &item),
            service.bare("POST", "/api/v1/uploads").json(json!({})),
            service.bare("POST", &format!("/api/v1/uploads/{}/complete", Uuid::now_v7())),
            service.bare("DELETE", &format!("/api/v1/uploads/{}", Uuid::now_v7())),
            service
                .bare("PUT", "/api/v1/accounts/alice/limit")
                .json(json!({"limit_bytes": 1})),
            service.bare("GET", "/api/v1/accounts/alice"),
        ];
        requests
            .into_iter()
            .map(|request| authorize(request.if_match("*").key(&new_key())))
            .collect()
    };
    for request in requests(&|request| request) {
        let refused = request.send().await.expect_problem(401, "unauthorized");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    for (what, token) in bad_tokens() {
        for request in requests(&|request| request.token(&token)) {
            let refused = request.send().await;
            assert_eq!(refused.status, 401, "a token that is {what}: {refused}");
            refused.expect_problem(401, "unauthorized");
        }
    }
    let reader = token("alice", &[Role::Reader]);
    let mut as_reader = requests(&|request| request.token(&reader));
    // The last is the reader's own account, which it may see.
    as_reader.pop().unwrap().send().await.expect(200);
    for request in as_reader {
        request.send().await.expect_problem(403, "forbidden");
    }
    assert_eq!(service.counts().await, before);
}
