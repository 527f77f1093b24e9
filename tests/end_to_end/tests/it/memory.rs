use bytes::Bytes;
use depot_end_to_end::{Depot, Service};
use depot_service::auth::Role;
use futures::stream;

const CHUNK: usize = 1024 * 1024;

/// The file's size: 2 GiB in `make test-all`, enough to show flatness in `make test`.
fn chunks() -> usize {
    if std::env::var_os("DEPOT_LONG").is_some() {
        2048
    } else {
        192
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_uploader_stores_a_file_of_any_size_in_flat_memory() {
    let mut depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("k", &serde_json::json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    let before = depot.process(Service::Uploader).peak_memory().unwrap();

    let chunk = Bytes::from(vec![42; CHUNK]);
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    (0..chunks()).for_each(|_| digest.update(&chunk));
    let sha256: String = digest
        .finish()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let announced = alice
        .request_upload(&item, "big.bin", chunks() * CHUNK, &sha256)
        .await
        .unwrap();
    let body = stream::iter((0..chunks()).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let body = reqwest::Body::wrap_stream(body);
    let put = alice
        .put_presigned_stream(&announced.json(), chunks() * CHUNK, body)
        .await
        .unwrap();
    assert!(put.status.is_success(), "{put:?}");
    let id = announced.text("id");
    alice.complete_upload(&id).await.unwrap();
    depot_test_stack::wait_until("the file is stored", || async {
        alice
            .read_at_least(&format!("/api/v1/uploads/{id}"), "3")
            .await
            .is_ok_and(|a| a.text("status") == "stored")
    })
    .await;

    let after = depot.process(Service::Uploader).peak_memory().unwrap();
    println!(
        "uploader's peak memory: {} KiB before, {} KiB after {} MiB",
        before / 1024,
        after / 1024,
        chunks()
    );
    assert!(
        after - before < 64 * 1024 * 1024,
        "grew by {} KiB",
        (after - before) / 1024
    );
}
