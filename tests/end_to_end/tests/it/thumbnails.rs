use depot_end_to_end::{Client, Depot};
use depot_service::auth::Role;
use depot_test_stack::{small_png, wait_until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn account(client: &Client) -> (Value, Value) {
    let request = client.command(Method::GET, "/api/v1/accounts/alice");
    let account = client.send(request).await.unwrap().json();
    (account["used_bytes"].clone(), account["reserved_bytes"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_shown_with_its_thumbnail_which_is_counted_and_goes_with_it() {
    let depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("k1", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    let picture = small_png(7);
    let upload = alice
        .upload_of("image/png", &item, "a.png", picture.clone())
        .await
        .unwrap();
    let path = format!("/api/v1/uploads/{upload}");
    let stored = alice.read_at_least(&path, "3").await.unwrap();
    assert_eq!(stored.text("status"), "stored", "{stored:?}");
    let shown = stored.json()["thumbnail"].clone();
    assert_eq!(
        (&shown["width"], &shown["height"], &shown["content_type"]),
        (&json!(40), &json!(30), &json!("image/jpeg"))
    );

    let redirect = alice
        .send(alice.query(&format!("{path}/thumbnail?disposition=inline")))
        .await
        .unwrap();
    assert_eq!(redirect.status, StatusCode::TEMPORARY_REDIRECT);
    let answer = reqwest::get(redirect.header("location").unwrap()).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "image/jpeg");
    let thumbnail = answer.bytes().await.unwrap();
    assert_eq!(shown["size_bytes"], json!(thumbnail.len()));
    let used = picture.len() + thumbnail.len();
    assert_eq!(account(&alice).await, (json!(used), json!(0)));

    let deleted = alice.delete_item(&item, "2").await.unwrap();
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    wait_until("file and thumbnail are gone and their quota released", || async {
        let listed = depot
            .backing
            .store
            .list(&depot.backing.files, None)
            .await
            .unwrap();
        account(&alice).await == (json!(0), json!(0)) && listed.objects.is_empty()
    })
    .await;
}
