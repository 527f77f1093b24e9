//! A file passes its scanner before anything refers to it, or is not stored.

use std::time::Duration;

use depot_consumer::Failure;
use depot_domain::CommandId;
use depot_schemas::{EventType, FileOutcome, UploadState};
use depot_test_stack::Gate;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use uploader::{ClamdError, ClamdSettings, Files, Stored, UploaderError, store_upload};

use crate::{
    daemons::{Manner, RealClamd, Speaker, eicar, scanner_at},
    scene::{Scene, announced, store_at},
    whole_process::Pipeline,
};

const STORED: &str = "depot.file.stored.v1";
const REJECTED: &str = "depot.file.rejected.v1";
/// Longer than anything here takes.
const PATIENT: Duration = Duration::from_secs(60);

fn scanned_by(scene: &Scene, address: &str, timeout: Duration) -> Files {
    Files {
        scanner: scanner_at(address, timeout),
        ..scene.files.clone()
    }
}

async fn store(files: &Files, upload: &UploadState) -> Result<Stored, UploaderError> {
    store_upload(files, upload, CommandId::generate()).await
}

async fn is_rejected_as_malware(scene: &Scene, files: &Files, upload: &UploadState) {
    assert_eq!(store(files, upload).await.unwrap(), Stored::Rejected);
    assert_eq!(store(files, upload).await.unwrap(), Stored::KnownAlready);
    assert_eq!(scene.told(upload).await, [REJECTED]);
    let file = scene.fact(upload).await;
    assert_eq!(file["reason"], "malware");
    assert!(file["detail"].as_str().unwrap().contains("Eicar"), "{file}");
    assert_eq!(file["sha256"], upload.sha256);
    assert!(
        scene.keys().await.is_empty(),
        "nothing of it lies in the bucket of files"
    );
    assert!(scene.staged_keys().await.is_empty());
}

#[tokio::test]
async fn clamd_finds_the_test_file_and_lets_others_pass() {
    let (scene, clamd) = (Scene::set().await, RealClamd::start().await);
    let files = scanned_by(&scene, &clamd.address, PATIENT);
    let infected = scene.staged(&eicar()).await;
    is_rejected_as_malware(&scene, &files, &infected).await;
    let clean = scene.staged(b"just some words").await;
    assert!(matches!(
        store(&files, &clean).await.unwrap(),
        Stored::Stored { .. }
    ));
    assert_eq!(scene.told(&clean).await, [STORED]);
}

#[tokio::test]
async fn what_clamd_does_not_look_at_whole_is_not_stored_and_holds_up_nobody_else() {
    let (scene, clamd) = (Scene::set().await, RealClamd::start().await);
    let files = scanned_by(&scene, &clamd.address, PATIENT);
    // Over the size of a file that it scans, over that of a stream that it takes, and far over it.
    for size in [200 * 1024, 1024 * 1024 + 1, 8 * 1024 * 1024] {
        let upload = scene.staged(&vec![b'x'; size]).await;
        let error = store(&files, &upload).await.unwrap_err();
        let over_limit = matches!(
            error,
            UploaderError::Scanner {
                source: ClamdError::OverLimit { .. },
                ..
            }
        );
        assert!(over_limit, "{size}: {error:?}");
        let failure = Failure::from(error);
        assert!(matches!(failure, Failure::RetryLater { .. }), "{failure}");
        assert!(scene.told(&upload).await.is_empty() && scene.keys().await.is_empty());
    }
}

#[tokio::test]
async fn a_file_of_many_chunks_reaches_the_scanner_as_it_is() {
    let (scene, speaker) = (Scene::set().await, Speaker::start(Manner::Honest).await);
    let files = scanned_by(&scene, &speaker.address, PATIENT);
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8 | 0x20).collect();
    let upload = scene.staged(&content).await;
    assert!(matches!(
        store(&files, &upload).await.unwrap(),
        Stored::Stored { .. }
    ));
    assert!(speaker.streams() == [content.clone()]);
    let infected = [content, eicar()].concat();
    let infected = scene.staged(&infected).await;
    assert_eq!(store(&files, &infected).await.unwrap(), Stored::Rejected);
}

#[tokio::test]
async fn content_that_is_there_already_is_scanned_for_each_upload() {
    let scene = Scene::set().await;
    // Stored before there was a scanner.
    let before = scene.staged(&eicar()).await;
    scene.store(&before).await.unwrap();
    let speaker = Speaker::start(Manner::Honest).await;
    let files = scanned_by(&scene, &speaker.address, PATIENT);
    let after = scene.staged(&eicar()).await;
    assert_eq!(store(&files, &after).await.unwrap(), Stored::Rejected);
}

#[tokio::test]
async fn without_a_verdict_nothing_is_stored_and_the_file_waits() {
    let scene = Scene::set().await;
    let upload = scene.staged(&vec![b'x'; 300_000]).await;
    let cases = [
        (Manner::Hasty, PATIENT),
        (Manner::Mute, PATIENT),
        (Manner::Confused, PATIENT),
        (Manner::Silent, Duration::from_millis(200)),
    ];
    for (manner, timeout) in cases {
        let speaker = Speaker::start(manner).await;
        let files = scanned_by(&scene, &speaker.address, timeout);
        let error = store(&files, &upload).await.unwrap_err();
        assert!(
            matches!(error, UploaderError::Scanner { .. }),
            "{manner:?}: {error:?}"
        );
        let failure = Failure::from(error);
        assert!(
            matches!(failure, Failure::Transient { .. }),
            "{manner:?}: {failure}"
        );
        assert!(scene.told(&upload).await.is_empty() && scene.keys().await.is_empty());
    }
    let files = scanned_by(&scene, "127.0.0.1:9", PATIENT);
    let failure = Failure::from(store(&files, &upload).await.unwrap_err());
    assert!(matches!(failure, Failure::Transient { .. }), "{failure}");
    // It is kept, and goes on when the scanner is back.
    let speaker = Speaker::start(Manner::Honest).await;
    let files = scanned_by(&scene, &speaker.address, PATIENT);
    assert!(matches!(
        store(&files, &upload).await.unwrap(),
        Stored::Stored { .. }
    ));
}

#[tokio::test]
async fn a_stream_that_is_refused_before_it_ends_is_refused_for_its_size() {
    let (scene, speaker) = (Scene::set().await, Speaker::start(Manner::AtMost(100_000)).await);
    let files = scanned_by(&scene, &speaker.address, PATIENT);
    let upload = scene.staged(&vec![b'x'; 20_000_000]).await;
    let error = store(&files, &upload).await.unwrap_err();
    let over_limit = matches!(
        error,
        UploaderError::Scanner {
            source: ClamdError::OverLimit { .. },
            ..
        }
    );
    assert!(over_limit, "{error:?}");
}

/// What a server of the store does when the scanner's bytes are asked for, by their ETag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trick {
    /// Another object is put in its place just before.
    Replace,
    /// The condition is ignored, and other bytes are given.
    GiveOthers,
}

const HARMLESS: [u8; 68] = [b'x'; 68];

/// Stands before a real server, one request a connection.
async fn tricky(scene: &Scene, upload: &UploadState, trick: Trick) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (files, staged) = (scene.files.clone(), upload.id.to_string());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (files, staged) = (files.clone(), staged.clone());
            tokio::spawn(async move { play(client, &files, &staged, trick).await });
        }
    });
    endpoint
}

async fn play(mut client: TcpStream, files: &Files, staged: &str, trick: Trick) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head).to_lowercase();
    let is_scan = text.starts_with("get") && text.contains("\r\nif-match:");
    if is_scan && trick == Trick::GiveOthers {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 68\r\nconnection: close\r\n\r\n";
        client.write_all(answer.as_bytes()).await?;
        return client.write_all(&HARMLESS).await;
    }
    if is_scan {
        files
            .store
            .put(&files.staging, staged, HARMLESS.to_vec())
            .await
            .unwrap();
    }
    let endpoint = depot_test_stack::settings().get("MINIO_ENDPOINT");
    let mut server = TcpStream::connect(endpoint.trim_start_matches("http://")).await?;
    let first_line = head.iter().position(|byte| *byte == b'\n').unwrap_or_default() + 1;
    server.write_all(&head[..first_line]).await?;
    server.write_all(b"connection: close\r\n").await?;
    server.write_all(&head[first_line..]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[tokio::test]
async fn what_is_scanned_is_what_was_verified_though_the_staged_object_is_replaced() {
    let (scene, speaker) = (Scene::set().await, Speaker::start(Manner::Honest).await);
    for trick in [Trick::Replace, Trick::GiveOthers] {
        let upload = announced(&eicar());
        scene.stage(&upload, &eicar()).await;
        let mut files = scanned_by(&scene, &speaker.address, PATIENT);
        files.store = store_at(&tricky(&scene, &upload, trick).await);
        let stored = store(&files, &upload).await;
        let is_right = match trick {
            // Found by the next look to be another file than was announced.
            Trick::Replace => matches!(stored, Ok(Stored::Rejected)),
            Trick::GiveOthers => matches!(stored, Err(UploaderError::Restless { .. })),
        };
        assert!(is_right, "{trick:?}: {stored:?}");
        assert!(scene.keys().await.is_empty(), "{trick:?}");
    }
}

#[tokio::test]
async fn while_the_scanner_is_away_files_wait_and_readiness_says_for_what() {
    let (pipeline, speaker) = (Pipeline::new().await, Speaker::start(Manner::Honest).await);
    let door = Gate::to(&speaker.address).await;
    let running = pipeline
        .start_with(|config| {
            config.scanner = Some(ClamdSettings {
                address: door.endpoint.trim_start_matches("http://").to_owned(),
                connect_timeout: PATIENT,
                timeout: PATIENT,
            });
        })
        .await;
    running.ready().await;
    door.shut();
    let upload = pipeline.scene.staged(b"abc").await;
    pipeline.send(EventType::UploadReceived, &upload).await;
    depot_test_stack::wait_until("readiness names the scanner and the file that waits", || async {
        let waiting = running.readiness.report().await.waiting_for;
        let names = |name: &str| {
            waiting
                .iter()
                .any(|part| part.name == name && part.reason.contains("clamd"))
        };
        names("scanner") && names("events")
    })
    .await;
    assert!(pipeline.facts().await.is_empty());
    door.open();
    pipeline.wait_for(&upload, &[FileOutcome::Stored]).await;
    running.ready().await;
    running.stop().await;
}
