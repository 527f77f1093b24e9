//! What the uploader answers on its admin port, and to whom.

use std::time::Duration;

use depot_schemas::sweep::{Forgotten, ReceiptPage, SweepReport};
use depot_service::{
    auth::{Role, TokenMinter},
    config::JwtConfig,
};
use reqwest::{Method, Response};
use serde_json::Value;
use uuid::Uuid;

use crate::whole_process::{Pipeline, Running, SECRET};

struct Asking {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Asking {
    fn of(running: &Running, role: Option<Role>) -> Self {
        let minter = TokenMinter::new(&JwtConfig::for_secret(SECRET));
        Self {
            http: reqwest::Client::new(),
            base: format!("http://{}", running.admin_address),
            token: role.map(|role| minter.mint("root", &[role], Duration::from_secs(60)).unwrap()),
        }
    }

    async fn send(&self, method: Method, path: &str) -> Response {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn status_and_problem(&self, method: Method, path: &str) -> (u16, String) {
        let answer = self.send(method, path).await;
        let status = answer.status().as_u16();
        let problem: Value = answer.json().await.unwrap();
        (status, problem["type"].as_str().unwrap_or_default().to_owned())
    }

    async fn receipts(&self, query: &str) -> ReceiptPage {
        let answer = self.send(Method::GET, &format!("/admin/receipts{query}")).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_is_answered_and_bad_input_is_named() {
    let pipeline = Pipeline::new().await;
    let running = pipeline.start().await;
    running.ready().await;
    let upload = pipeline.scene.staged(b"abc").await;
    pipeline.scene.store(&upload).await.unwrap();
    let forget = format!("/admin/uploads/{}/forget", upload.id);
    for (method, path) in [
        (Method::POST, "/admin/sweep?dry_run=false"),
        (Method::GET, "/admin/receipts"),
        (Method::POST, forget.as_str()),
        (Method::GET, "/admin/no-such-thing"),
    ] {
        let nobody = Asking::of(&running, None)
            .status_and_problem(method.clone(), path)
            .await;
        assert_eq!(nobody, (401, "/problems/unauthorized".into()), "{path}");
        let writer = Asking::of(&running, Some(Role::Writer))
            .status_and_problem(method, path)
            .await;
        assert_eq!(writer, (403, "/problems/forbidden".into()), "{path}");
    }
    assert_eq!(pipeline.scene.outcome(&upload).await, "stored");
    let admin = Asking::of(&running, Some(Role::Admin));
    for (method, path, status) in [
        (Method::POST, "/admin/sweep", 400),
        (Method::POST, "/admin/sweep?dry_run=perhaps", 400),
        (
            Method::POST,
            "/admin/sweep?dry_run=true&grace_seconds=604801",
            400,
        ),
        (Method::POST, "/admin/sweep?dry_run=true&other=1", 400),
        (Method::GET, "/admin/receipts?limit=0", 400),
        (Method::GET, "/admin/receipts?limit=1001", 400),
        (Method::GET, "/admin/receipts?after=x", 400),
        (Method::POST, "/admin/uploads/x/forget", 400),
        (Method::GET, "/admin/no-such-thing", 404),
        (Method::GET, "/admin/sweep?dry_run=true", 405),
    ] {
        assert_eq!(admin.status_and_problem(method, path).await.0, status, "{path}");
    }
    let unguarded = Asking::of(&running, None).send(Method::GET, "/livez").await;
    assert_eq!(unguarded.status(), 200, "probes need no token");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_paged_and_a_sweep_does_what_it_is_asked() {
    let pipeline = Pipeline::new().await;
    let running = pipeline.start().await;
    running.ready().await;
    let scene = &pipeline.scene;
    let mut uploads = Vec::new();
    for n in 0..5 {
        let upload = scene.staged(format!("content {n}").as_bytes()).await;
        scene.store(&upload).await.unwrap();
        uploads.push(upload);
    }
    let rejected = scene.staged(b"abc").await;
    scene.stage(&rejected, b"other").await;
    scene.store(&rejected).await.unwrap();
    uploads.push(rejected.clone());
    uploads.sort_by_key(|upload| upload.id);

    let admin = Asking::of(&running, Some(Role::Admin));
    let (mut seen, mut after) = (Vec::new(), Uuid::nil());
    loop {
        let page = admin.receipts(&format!("?after={after}&limit=4")).await;
        seen.extend(page.receipts);
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    let ids: Vec<Uuid> = uploads.iter().map(|upload| upload.id).collect();
    assert_eq!(seen.iter().map(|row| row.upload_id).collect::<Vec<_>>(), ids);
    for row in &seen {
        let expected = if row.upload_id == rejected.id {
            ("rejected", None, None)
        } else {
            ("stored", Some(9), Some(true))
        };
        let has_key = row.object_key.as_ref().map(|key| key.contains('/'));
        assert_eq!((row.outcome.as_str(), row.size_bytes, has_key), expected);
        assert_eq!(row.version, 1);
        assert!((0..600).contains(&row.unchanged_seconds), "{row:?}");
    }
    let some = admin
        .receipts(&format!("?after={}&until={}", ids[0], ids[2]))
        .await;
    assert_eq!(some.receipts.len(), 2);

    scene.stage(&uploads[0], b"late").await;
    let path = |dry_run: bool| format!("/admin/sweep?dry_run={dry_run}&grace_seconds=0");
    let swept = async |path: &str| -> SweepReport {
        let answer = admin.send(Method::POST, path).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    };
    // The setting's grace is two hours.
    assert_eq!(swept("/admin/sweep?dry_run=true").await.found, 0);
    let dry = swept(&path(true)).await;
    assert_eq!((dry.dry_run, dry.found, dry.mended, dry.left), (true, 1, 0, 1));
    let wet = swept(&path(false)).await;
    assert_eq!((wet.dry_run, wet.found, wet.mended, wet.left), (false, 1, 1, 0));
    assert_eq!(swept(&path(true)).await.found, 0);

    let forget = format!("/admin/uploads/{}/forget", ids[1]);
    let forgotten: Forgotten = admin.send(Method::POST, &forget).await.json().await.unwrap();
    assert!(forgotten.had_file);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_the_answer_says_so() {
    let pipeline = Pipeline::new().await;
    pipeline.gate.shut();
    let running = pipeline.start().await;
    let admin = Asking::of(&running, Some(Role::Admin));
    let path = "/admin/sweep?dry_run=true";
    assert_eq!(
        admin.status_and_problem(Method::POST, path).await,
        (503, "/problems/unavailable".into())
    );
    pipeline.gate.open();
    running.ready().await;
    assert_eq!(admin.send(Method::POST, path).await.status(), 200);
    pipeline.gate.shut();
    assert_eq!(
        admin.status_and_problem(Method::POST, path).await,
        (503, "/problems/unavailable".into())
    );
    pipeline.gate.open();
    running.stop().await;
}
