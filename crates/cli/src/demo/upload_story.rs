use anyhow::{Context, ensure};
use aws_lc_rs::digest;
use depot_schemas::EventType;
use reqwest::Method;
use serde_json::json;

use super::{api::Api, grpc::Grpc, hops::Hops, log::Log};

/// Uploads a file to the item through a presigned URL, waits until it is attached, and reads it back.
pub async fn tell(
    hops: &mut Hops,
    api: &Api,
    grpc: &mut Grpc,
    log: &Log,
    item: &str,
    file: Vec<u8>,
) -> anyhow::Result<()> {
    let sha256 = sha256(&file);
    let request = json!({
        "item_id": item, "file_name": "demo.bin", "content_type": "application/octet-stream",
        "size_bytes": file.len(), "sha256": sha256,
    });
    let command = api.command(Method::POST, "/api/v1/uploads", Some(request), None);
    let upload = hops
        .run("command-api", "upload announced: quota reserved", command)
        .await?;
    let id = upload.text("id")?.to_owned();
    let size = format!(
        "file of {:.1} MiB sent to staging",
        file.len() as f64 / 1_048_576.0
    );
    hops.run("object store", &size, api.put_presigned(&upload.body, file))
        .await?;

    let path = format!("/api/v1/uploads/{id}/complete");
    let complete = api.command(Method::POST, &path, None, None);
    hops.run("command-api", "upload completed: command accepted", complete)
        .await?;
    let received = log.wait_for(EventType::UploadReceived, &id);
    hops.run("command-api's relay", "upload completed: in Kafka", received)
        .await?;
    let stored = log.wait_for(EventType::FileStored, &id);
    hops.run("uploader", "file verified and in the object store", stored)
        .await?;
    let attached = log.wait_for(EventType::UploadStored, &id);
    hops.run("command-api's saga", "file attached, quota settled", attached)
        .await?;

    // Version 3 of an upload is its outcome: announced, completed, stored.
    let path = format!("/api/v1/uploads/{id}");
    let upload = hops
        .run("projector", "upload in the view, over REST", api.read(&path, "3"))
        .await?;
    ensure!(
        upload.text("status")? == "stored",
        "the upload ended as {}",
        upload.body
    );
    // Version 3 of the item: created, changed, file attached.
    let with_file = hops
        .run("query-api", "item with its file, over gRPC", grpc.item(item, "3"))
        .await?;
    let attached = with_file.files.iter().find(|file| file.upload_id == id);
    ensure!(
        attached.is_some_and(|file| file.sha256 == sha256),
        "gRPC shows {with_file:?}"
    );
    let path = format!("/api/v1/items/{item}");
    let item = hops
        .run("query-api", "item with its file, over REST", api.read(&path, "3"))
        .await?;
    let files = item.body["files"].as_array().context("the item has no files")?;
    ensure!(
        files.iter().any(|file| file["sha256"] == json!(sha256)),
        "REST shows {}",
        item.body
    );

    let downloaded = hops.run("object store", "file downloaded, its SHA-256 compared", async {
        let bytes = api.download(&id).await?;
        ensure!(
            self::sha256(&bytes) == sha256,
            "the downloaded bytes have another SHA-256"
        );
        Ok(bytes.len())
    });
    downloaded.await.map(drop)
}

/// As 64 hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
