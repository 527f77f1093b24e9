//! Scanners: a real clamd with a signature of the test's own, and a server that speaks its protocol and misbehaves.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use depot_test_stack::{free_port, unique_name, wait_until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};
use uploader::{ClamdSettings, Scanner};

/// The test file of eicar.org, made of pieces so that no scanner finds it in this source.
pub fn eicar() -> Vec<u8> {
    let (head, name, tail) = (
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}$",
        "EICAR-STANDARD-ANTI",
        "VIRUS-TEST-FILE!$H+H*",
    );
    [head, name, tail].concat().into_bytes()
}

pub fn scanner_at(address: &str, timeout: Duration) -> Scanner {
    Scanner::new(Some(ClamdSettings {
        address: address.to_owned(),
        connect_timeout: timeout,
        timeout,
    }))
}

const PAGE: &str = include_str!("../../../docs/operations.md");
const MARK: &str = "<!-- tested: clamd -->\n```conf\n";

/// clamd itself, on a port and with a folder of its own.
pub struct RealClamd {
    pub address: String,
    folder: PathBuf,
    process: Child,
}

impl RealClamd {
    /// Knows one signature, that of the test file; takes streams of at most 1 MiB, and looks at 128 KiB of one.
    pub async fn start() -> Self {
        let port = free_port().unwrap();
        let folder = std::env::temp_dir().join(unique_name());
        std::fs::create_dir_all(folder.join("signatures")).unwrap();
        let hex: String = eicar().iter().map(|byte| format!("{byte:02x}")).collect();
        let signature = format!("Depot.Test.Eicar:0:0:{hex}\n");
        std::fs::write(folder.join("signatures/test.ndb"), signature).unwrap();
        // As the page has it, but for the port and smaller limits.
        let (_, page) = PAGE.split_once(MARK).expect("the page has a block for it");
        let (settings, _) = page.split_once("```").expect("a block ends");
        let mut settings = settings.to_owned();
        for (of_page, of_test) in [
            ("TCPSocket 3310", format!("TCPSocket {port}")),
            ("StreamMaxLength 2000M", "StreamMaxLength 1M".to_owned()),
            ("MaxFileSize 2000M", "MaxFileSize 128K".to_owned()),
        ] {
            assert!(settings.contains(of_page), "{of_page} is not in {settings}");
            settings = settings.replace(of_page, &of_test);
        }
        let own = format!(
            "Foreground yes\nDatabaseDirectory {0}/signatures\nTemporaryDirectory {0}\n",
            folder.display()
        );
        let file = folder.join("clamd.conf");
        std::fs::write(&file, own + &settings).unwrap();
        let process = Command::new(program())
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("clamd runs");
        let address = format!("127.0.0.1:{port}");
        let scanner = scanner_at(&address, Duration::from_secs(60));
        wait_until("clamd answers", || async { scanner.check().await.is_ok() }).await;
        Self {
            address,
            folder,
            process,
        }
    }
}

impl Drop for RealClamd {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn program() -> &'static Path {
    const KNOWN: [&str; 3] = [
        "/usr/sbin/clamd",
        "/usr/local/sbin/clamd",
        "/opt/homebrew/sbin/clamd",
    ];
    let there = KNOWN.iter().map(Path::new).find(|path| path.exists());
    there.expect("clamd is not installed: deploy/native/install.sh test (package clamav-daemon)")
}

/// What a server does with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Takes it whole, and finds the test file in it.
    Honest,
    /// Refuses what is over so many bytes, and closes.
    AtMost(usize),
    /// Says that it is clean before it has it.
    Hasty,
    /// Takes it whole, and closes.
    Mute,
    /// Takes it whole, and says nothing.
    Silent,
    /// Answers with something else.
    Confused,
}

/// Speaks clamd's protocol, with the framing checked.
pub struct Speaker {
    pub address: String,
    /// The streams that it has had whole.
    pub streams: Arc<Mutex<Vec<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Speaker {
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&streams);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(speak(client, manner, Arc::clone(&kept)));
            }
        });
        Self {
            address,
            streams,
            task,
        }
    }

    pub fn streams(&self) -> Vec<Vec<u8>> {
        self.streams.lock().unwrap().clone()
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn speak(
    mut client: TcpStream,
    manner: Manner,
    streams: Arc<Mutex<Vec<Vec<u8>>>>,
) -> std::io::Result<()> {
    let mut command = Vec::new();
    while client.read_buf(&mut command).await? > 0 && !command.contains(&0) {
        assert!(command.len() < 64 * 1024, "a command without an end");
    }
    let end = command
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(command.len());
    if &command[..end] == b"zPING" {
        return client.write_all(b"PONG\0").await;
    }
    assert_eq!(&command[..end], b"zINSTREAM");
    if manner == Manner::Hasty {
        client.write_all(b"stream: OK\0").await?;
    }
    let mut rest = std::io::Cursor::new(command.split_off((end + 1).min(command.len())));
    let (mut reader, mut writer) = client.into_split();
    let mut reader = (&mut rest).chain(&mut reader);
    let mut stream = Vec::new();
    loop {
        let length = reader.read_u32().await? as usize;
        if length == 0 {
            break;
        }
        assert!(length <= 64 * 1024, "chunks are bounded");
        let start = stream.len();
        stream.resize(start + length, 0);
        reader.read_exact(&mut stream[start..]).await?;
        if let Manner::AtMost(limit) = manner
            && stream.len() > limit
        {
            return writer.write_all(b"INSTREAM size limit exceeded. ERROR\0").await;
        }
    }
    let test_file = eicar();
    let is_found = stream.windows(test_file.len()).any(|bytes| bytes == test_file);
    streams.lock().unwrap().push(stream);
    match manner {
        Manner::Honest | Manner::AtMost(_) if is_found => {
            writer.write_all(b"stream: Test.Eicar FOUND\0").await
        }
        Manner::Honest | Manner::AtMost(_) => writer.write_all(b"stream: OK\0").await,
        Manner::Confused => writer.write_all(b"stream: OK. Probably\0").await,
        Manner::Hasty | Manner::Mute => Ok(()),
        Manner::Silent => std::future::pending().await,
    }
}
