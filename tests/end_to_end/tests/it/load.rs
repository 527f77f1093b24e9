//! A mixed load that repeats each command under its key until it is answered, and remembers the answers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use depot_end_to_end::{Answer, Client, sha256_hex};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

/// What the clients were told.
#[derive(Default)]
pub struct Acknowledged {
    /// Item id to its newest acknowledged version and the description that version has.
    pub items: Mutex<HashMap<String, (i64, String)>>,
    /// Upload id to (item id, size in bytes).
    pub uploads: Mutex<HashMap<String, (String, usize)>>,
    /// Requests that ended without an answer.
    pub commands_cut: AtomicUsize,
    pub reads_cut: AtomicUsize,
}

pub struct Load {
    pub acknowledged: Arc<Acknowledged>,
    stop: Arc<AtomicBool>,
    workers: JoinSet<()>,
}

impl Load {
    /// Starts clients that create and change items, others that upload, and others that read.
    pub fn start(client: &Client) -> Self {
        let (acknowledged, stop) = (Arc::<Acknowledged>::default(), Arc::<AtomicBool>::default());
        let mut workers = JoinSet::new();
        for _ in 0..6 {
            workers.spawn(change_items(client.clone(), acknowledged.clone(), stop.clone()));
        }
        for _ in 0..2 {
            workers.spawn(upload_files(client.clone(), acknowledged.clone(), stop.clone()));
            workers.spawn(read_items(client.clone(), acknowledged.clone(), stop.clone()));
        }
        Self {
            acknowledged,
            stop,
            workers,
        }
    }

    /// Lets every client finish what it began.
    pub async fn stop(mut self) -> Arc<Acknowledged> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.workers.join_next().await {
            ended.expect("a client of the load panicked");
        }
        self.acknowledged
    }
}

/// Repeats a request until it has an answer that is one: neither cut nor refused for the moment.
async fn until_answered<F>(cut: &AtomicUsize, mut send: impl FnMut() -> F) -> Answer
where
    F: Future<Output = anyhow::Result<Answer>>,
{
    loop {
        match send().await {
            Ok(answer) if answer.status.is_server_error() || in_progress(&answer) => {}
            Ok(answer) => return answer,
            Err(_) => {
                cut.fetch_add(1, Ordering::SeqCst);
            }
        }
        // Paces the repeats; nothing is decided by it.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn in_progress(answer: &Answer) -> bool {
    answer.status.as_u16() == 409 && answer.header("retry-after").is_some()
}

fn key() -> String {
    Uuid::now_v7().to_string()
}

async fn create(client: &Client, cut: &AtomicUsize, description: &str) -> (String, String) {
    let (key, body) = (
        key(),
        json!({"name": "under load", "description": description, "tags": ["load"]}),
    );
    let answer = until_answered(cut, || client.create_item(&key, &body)).await;
    assert_eq!(answer.status.as_u16(), 201, "{answer:?}");
    (answer.text("id"), answer.version().expect("a version"))
}

async fn change_items(client: Client, acknowledged: Arc<Acknowledged>, stop: Arc<AtomicBool>) {
    let remember = |id: &str, version: &str, description: &str| {
        let version = version.parse().expect("a version of epoch 0");
        let mut items = acknowledged.items.lock().expect("no client panicked");
        items.insert(id.to_owned(), (version, description.to_owned()));
    };
    while !stop.load(Ordering::SeqCst) {
        let (id, mut version) = create(&client, &acknowledged.commands_cut, "0").await;
        remember(&id, &version, "0");
        for change in 1..=3 {
            let (key, description) = (key(), change.to_string());
            let patch: Value = json!({"description": description});
            let send = || client.patch_item(&id, &version, &key, &patch);
            let answer = until_answered(&acknowledged.commands_cut, send).await;
            assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
            version = answer.version().expect("a version");
            remember(&id, &version, &description);
        }
    }
}

async fn upload_files(client: Client, acknowledged: Arc<Acknowledged>, stop: Arc<AtomicBool>) {
    let cut = &acknowledged.commands_cut;
    let mut round = 0_u32;
    while !stop.load(Ordering::SeqCst) {
        round += 1;
        // Half of the files are the same, so that content is shared under load.
        let file = vec![(round % 2) as u8; 65_536 + usize::try_from(round % 2 * round).expect("small")];
        let (item, _) = create(&client, cut, "with a file").await;
        let (key, sha256) = (key(), sha256_hex(&file));
        let body = json!({
            "item_id": item, "file_name": "a.bin", "content_type": "application/octet-stream",
            "size_bytes": file.len(), "sha256": sha256,
        });
        let announce = || {
            let request = client.command(reqwest::Method::POST, "/api/v1/uploads");
            client.send(request.header("Idempotency-Key", &key).json(&body))
        };
        let announced = until_answered(cut, announce).await;
        assert_eq!(announced.status.as_u16(), 201, "{announced:?}");
        let (id, presigned) = (announced.text("id"), announced.json());
        let put = client
            .put_presigned(&presigned, file.clone())
            .await
            .expect("the store is not disturbed");
        assert!(put.status.is_success(), "{put:?}");
        let completed = until_answered(cut, || client.complete_upload(&id)).await;
        assert!(completed.status.is_success(), "{completed:?}");
        acknowledged
            .uploads
            .lock()
            .expect("no client panicked")
            .insert(id, (item, file.len()));
    }
}

async fn read_items(client: Client, acknowledged: Arc<Acknowledged>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        match client.send(client.query("/api/v1/items?limit=50")).await {
            Ok(_) => {}
            Err(_) => {
                acknowledged.reads_cut.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
