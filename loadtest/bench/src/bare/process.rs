use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail};
use depot_end_to_end::Folder;
use depot_test_stack::free_port;
use tokio::process::{Child, Command};

use crate::{load::Connection, processes::Watched};

/// A limit's server, a process of its own as the product is; it ends with the value.
pub struct BareServer {
    child: Child,
    pub address: String,
    _folder: Folder,
}

impl BareServer {
    /// `depot-bench <command> PORT FILE`, with what it is to answer in the file.
    pub async fn start(command: &str, answer: &[u8]) -> Result<Self> {
        let (folder, port) = (Folder::new()?, free_port()?);
        let file = folder.0.join("answer");
        std::fs::write(&file, answer)?;
        let child = Command::new(std::env::current_exe()?)
            .args([command, &port.to_string()])
            .arg(&file)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let server = Self {
            child,
            address: format!("127.0.0.1:{port}"),
            _folder: folder,
        };
        for _ in 0..100 {
            if Connection::open(&server.address).await.is_ok() {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{command} does not listen on {}", server.address)
    }

    pub fn watched(&self) -> Result<Watched> {
        Ok(Watched {
            name: "bare".to_owned(),
            id: self.child.id().context("the bare server has ended")?,
            with_children: false,
            admin: None,
        })
    }
}
