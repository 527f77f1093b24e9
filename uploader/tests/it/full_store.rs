//! A store without room: a fault that passes, and nobody's rejection.

use depot_consumer::Failure;
use depot_domain::CommandId;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use uploader::{Stored, UploaderError};

use crate::scene::{Scene, store_at};

/// Stands before a real server, and answers what makes it hold more as a full one does.
async fn full(server: &str, status: &'static str, code: &'static str) -> String {
    let server = server.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(client, server.clone(), status, code));
        }
    });
    endpoint
}

/// One request a connection, so that each is looked at.
async fn answer(mut client: TcpStream, server: String, status: &str, code: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head).to_lowercase();
    if text.contains("x-amz-copy-source") {
        let body = format!("<Error><Code>{code}</Code><Message>no room</Message></Error>");
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        return client.write_all(answer.as_bytes()).await;
    }
    let mut server = TcpStream::connect(server).await?;
    let first_line = head.iter().position(|byte| *byte == b'\n').unwrap_or_default() + 1;
    server.write_all(&head[..first_line]).await?;
    server.write_all(b"connection: close\r\n").await?;
    server.write_all(&head[first_line..]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[tokio::test]
async fn an_upload_waits_for_room_in_a_full_store_and_is_stored_when_there_is() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    let kinds = [
        ("507 Insufficient Storage", "XMinioStorageFull"),
        ("507 Insufficient Storage", "InsufficientStorage"),
        ("403 Forbidden", "QuotaExceeded"),
        ("400 Bad Request", "XMinioAdminBucketQuotaExceeded"),
    ];
    for (status, code) in kinds {
        let mut files = scene.files.clone();
        files.store = store_at(&full(&scene_endpoint(), status, code).await);
        let failed = uploader::store_upload(&files, &upload, CommandId::generate()).await;
        let error = failed.unwrap_err();
        let UploaderError::Store { source, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(source.is_transient(), "{code}: {source:?}");
        assert!(matches!(Failure::from(error), Failure::Transient { .. }));
        assert!(scene.told(&upload).await.is_empty(), "{code} rejects nothing");
    }
    assert_eq!(scene.staged_keys().await, [upload.id.to_string()], "it is kept");
    assert!(matches!(
        scene.store(&upload).await.unwrap(),
        Stored::Stored { .. }
    ));
    assert_eq!(scene.keys().await.len(), 1);
}

fn scene_endpoint() -> String {
    depot_test_stack::settings().get("MINIO_ENDPOINT").to_owned()
}
