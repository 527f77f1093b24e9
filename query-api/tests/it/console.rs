use depot_service::auth::Role;
use posting::{ask, post_token};
use serde_json::{Value, json};

use crate::{
    harness::Harness,
    http::{self, Reply},
};

mod posting {
    //! A POST, which the other tests of this program have no need of.

    use std::net::SocketAddr;

    use reqwest::StatusCode;
    use serde_json::Value;

    pub async fn post_token(address: SocketAddr, body: Value) -> (StatusCode, Value) {
        let request = reqwest::Client::new().post(format!("http://{address}/dev/token"));
        let answer = request.json(&body).send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap())
    }

    pub fn ask(policy: &str, directive: &str) -> String {
        let mut directives = policy.split(';').map(str::trim);
        let found = directives.find_map(|text| text.strip_prefix(&format!("{directive} ")));
        found.unwrap_or_default().to_owned()
    }
}

async fn without_token(service: &Harness, path: &str, headers: &[(&str, &str)]) -> Reply {
    http::get(service.http, path, headers).await
}

#[tokio::test]
async fn the_page_is_served_without_a_token_and_runs_and_asks_only_what_is_listed() {
    let service = Harness::start().await;
    let page = without_token(&service, "/", &[]).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    for (directive, expected) in [
        ("default-src", "'none'"),
        ("script-src", "'self'"),
        ("style-src", "'self'"),
        ("img-src", "'self' blob: data: http://files.example:9000"),
        (
            "connect-src",
            "'self' http://commands.example:8080 http://files.example:9000",
        ),
        ("frame-ancestors", "'none'"),
        ("form-action", "'none'"),
        ("base-uri", "'none'"),
    ] {
        assert_eq!(ask(policy, directive), expected, "{directive} of {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert!(page.header("permissions-policy").is_some());

    let same = without_token(&service, "/console/index.html", &[("accept-encoding", "gzip")]).await;
    let tag = same.header("etag").unwrap().to_owned();
    assert_ne!(Some(tag.as_str()), page.header("etag"));
    let known = without_token(
        &service,
        "/console/index.html",
        &[("accept-encoding", "gzip"), ("if-none-match", &tag)],
    )
    .await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let absent = without_token(&service, "/console/../Cargo.toml", &[]).await;
    assert_eq!(absent.status, 404);
}

#[tokio::test]
async fn the_page_is_told_where_everything_is() {
    let service = Harness::start().await;
    let answer = without_token(&service, "/console/config.json", &[]).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.json(),
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "environment": "test",
            "command_api": "http://commands.example:8080",
            "object_store": "http://files.example:9000",
            "dev_token": false,
            "repository": null,
            "openid": null,
        })
    );
}

#[tokio::test]
async fn a_console_that_is_switched_off_is_not_there() {
    let service = Harness::start_with(|config| config.console.enabled = false).await;
    for path in ["/", "/console/index.html", "/console/config.json"] {
        assert_eq!(without_token(&service, path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_token_is_given_to_whoever_asks_only_where_that_is_switched_on() {
    let service = Harness::start().await;
    let wanted = json!({"sub": "alice", "role": "admin"});
    let (status, _) = post_token(service.http, wanted.clone()).await;
    assert_eq!(status, 404);

    let service = Harness::start_with(|config| config.dev_token_enabled = true).await;
    let config = without_token(&service, "/console/config.json", &[]).await.json();
    assert_eq!(config["dev_token"], true);
    let (status, given) = post_token(service.http, wanted).await;
    assert_eq!(status, 200, "{given}");
    assert!(given["expires_at"].is_string(), "{given}");
    let token = format!("Bearer {}", given["token"].as_str().unwrap());
    let authorized = [("authorization", token.as_str())];
    let answer = without_token(&service, "/api/v1/admin/pipeline", &authorized).await;
    assert_eq!(answer.status, 200);

    for (wanted, pointer) in [
        (json!({"sub": "", "role": "admin"}), "/sub"),
        (json!({"sub": "a\nb", "role": "admin"}), "/sub"),
        (json!({"sub": "alice", "role": "root"}), "/role"),
    ] {
        let (status, refused) = post_token(service.http, wanted).await;
        assert_eq!(status, 422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    let reader = json!({"sub": "rita", "role": "reader"});
    let (_, given) = post_token(service.http, reader).await;
    let token = format!("Bearer {}", given["token"].as_str().unwrap());
    let refused = without_token(&service, "/api/v1/admin/pipeline", &[("authorization", &token)]).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn what_is_for_operators_is_told_to_admins_alone() {
    let service = Harness::start().await;
    for path in [
        "/api/v1/admin/pipeline",
        "/api/v1/admin/trace/0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f",
        "/api/v1/admin/nothing",
    ] {
        assert_eq!(without_token(&service, path, &[]).await.status, 401, "{path}");
        let writer = service.get_as("bob", &[Role::Writer], path, &[]).await;
        assert_eq!(writer.status, 403, "{path}");
    }
    let _: Value = service
        .get_as("root", &[Role::Admin], "/api/v1/admin/pipeline", &[])
        .await
        .json();
}
