//! What the clients of the uploads do.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use depot_end_to_end::{Answer, Client, Depot, sha256_hex};
use depot_service::auth::Role;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::{AT_ONCE, Fate, OWNERS, PER_ITEM, fate, wait_long_until};

/// Of those of one fate, every other one.
fn is_first_half(n: usize) -> bool {
    (n / 12).is_multiple_of(2)
}

/// Every fifth content is one that many uploads have.
fn content(n: usize) -> Vec<u8> {
    let tag = if n % 5 == 1 {
        format!("shared {}", n % 7)
    } else {
        format!("upload {n}")
    };
    tag.into_bytes()
        .into_iter()
        .cycle()
        .take(1_000 + n % 7 * 2_000)
        .collect()
}

/// Requests that were repeated, of whatever kind.
pub(super) static UNANSWERED: AtomicUsize = AtomicUsize::new(0);

/// Repeats a request until its answer is one: the store or a service may be away.
async fn answered<F>(mut send: impl FnMut() -> F) -> Answer
where
    F: Future<Output = anyhow::Result<Answer>>,
{
    loop {
        if let Ok(answer) = send().await
            && !answer.status.is_server_error()
        {
            return answer;
        }
        UNANSWERED.fetch_add(1, Ordering::Relaxed);
        // Paces the repeats; nothing is decided by it.
        sleep(Duration::from_millis(100)).await;
    }
}

async fn announce(client: &Client, item: &str, n: usize) -> Value {
    let (file, fate) = (content(n), fate(n));
    let (size, sha256) = match fate {
        Fate::Expired => (6_000_000, "ab".repeat(32)),
        _ => (file.len(), sha256_hex(&file)),
    };
    let is_of_another_type = fate == Fate::Rejected && is_first_half(n);
    let body = json!({
        "item_id": item, "file_name": format!("{n}.bin"), "size_bytes": size, "sha256": sha256,
        "content_type": if is_of_another_type { "image/png" } else { "application/octet-stream" },
    });
    let key = Uuid::now_v7().to_string();
    let announced = answered(|| {
        let request = client.command(reqwest::Method::POST, "/api/v1/uploads");
        client.send(request.header("Idempotency-Key", &key).json(&body))
    })
    .await;
    assert_eq!(announced.status, 201, "{announced:?}");
    announced.json()
}

/// An upload as its client sees it, to the end of what the client does.
async fn carry_out(client: &Client, announced: &Value, n: usize) {
    let (id, fate) = (announced["id"].as_str().unwrap(), fate(n));
    match fate {
        Fate::Expired => {
            // Some have begun to take parts in the store.
            if is_first_half(n) {
                let signed = answered(|| client.sign_parts(id, 1, 1)).await;
                assert!([200, 409].contains(&signed.status.as_u16()), "{signed:?}");
            }
            return;
        }
        Fate::Rejected if !is_first_half(n) => {}
        _ => {
            let put = answered(|| client.put_presigned(announced, content(n))).await;
            // A PUT that was cut off may have arrived, and is not repeated over what is there.
            assert!(put.status.is_success() || put.status == 412, "{put:?}");
        }
    }
    if fate == Fate::Aborted {
        let aborted = answered(|| client.abort_upload(id)).await;
        assert_eq!(aborted.status, 204, "{aborted:?}");
        return;
    }
    let completed = answered(|| client.complete_upload(id)).await;
    // The item's deletion may have ended it.
    let has_ended = fate == Fate::Deleted && completed.status == 409;
    assert!(completed.status.is_success() || has_ended, "{completed:?}");
}

/// The uploads of one item; one whose uploads are to be deleted with it is deleted when half of them are sent.
pub(super) async fn one_item(depot: Arc<Depot>, n: Vec<usize>, done: Arc<AtomicUsize>) {
    let owner = OWNERS[n[0] / PER_ITEM % OWNERS.len()];
    let client = depot.client(owner, Role::Writer);
    let created = answered(|| {
        let key = format!("item-{}", n[0]);
        let client = client.clone();
        async move { client.create_item(&key, &json!({"name": "a"})).await }
    })
    .await;
    assert_eq!(created.status, 201, "{created:?}");
    let item = created.text("id");
    let mut announced = Vec::new();
    for n in &n {
        announced.push((*n, announce(&client, &item, *n).await));
    }
    let is_doomed = fate(n[0]) == Fate::Deleted;
    let sent = AtomicUsize::new(0);
    let carried_out = stream::iter(&announced).for_each_concurrent(AT_ONCE / 4, async |(n, announced)| {
        carry_out(&client, announced, *n).await;
        sent.fetch_add(1, Ordering::Relaxed);
        done.fetch_add(1, Ordering::Relaxed);
    });
    let deleted = async {
        if is_doomed {
            // Every other item goes while its uploads are sent, the others when some of theirs are attached.
            let goes_late = n[0] / 120 % 2 == 1;
            wait_long_until("half of them are sent, or some attached", || async {
                match goes_late {
                    true => has_files(&depot, &item).await,
                    false => sent.load(Ordering::Relaxed) * 2 >= announced.len(),
                }
            })
            .await;
            let path = format!("/api/v1/items/{item}");
            let deletion = || {
                client
                    .command(reqwest::Method::DELETE, &path)
                    .header("If-Match", "*")
            };
            let deleted = answered(|| client.send(deletion())).await;
            assert_eq!(deleted.status, 204, "{deleted:?}");
        }
    };
    tokio::join!(carried_out, deleted);
}

async fn has_files(depot: &Depot, item: &str) -> bool {
    sqlx::query_scalar("SELECT files <> '[]' FROM command.items WHERE id = $1::uuid")
        .bind(item)
        .fetch_one(&depot.database)
        .await
        .unwrap()
}
