use std::{
    env, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::UploadError;

/// Where a file's upload is remembered: under the user's state, by everything that makes it the same upload.
#[derive(Debug, Clone)]
pub struct Memory {
    path: PathBuf,
}

/// What is remembered: the key under which the upload was announced. The same announcement under the same key is
/// answered with the same upload, and what has arrived of it is asked of the server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Remembered {
    pub idempotency_key: Uuid,
}

impl Memory {
    /// For the announcement `body`, sent to `server`.
    pub fn of(server: &str, body: &str) -> Self {
        let name = digest(&SHA256, format!("{server}\n{body}").as_bytes());
        let name: String = name.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            path: folder().join(format!("{name}.json")),
        }
    }

    /// What was remembered before, or what is remembered from now on; true for the former.
    pub async fn recall(&self) -> Result<(Remembered, bool), UploadError> {
        match tokio::fs::read(&self.path).await {
            Ok(bytes) => {
                // What cannot be read is nothing to go on from.
                if let Ok(remembered) = serde_json::from_slice(&bytes) {
                    return Ok((remembered, true));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.failed(error)),
        }
        let remembered = Remembered {
            idempotency_key: Uuid::now_v7(),
        };
        self.write(&remembered)
            .await
            .map_err(|error| self.failed(error))?;
        Ok((remembered, false))
    }

    /// Nothing is left to go on from.
    pub async fn forget(&self) -> Result<(), UploadError> {
        match tokio::fs::remove_file(&self.path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    /// Whole or not at all.
    async fn write(&self, remembered: &Remembered) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        tokio::fs::create_dir_all(folder).await?;
        let new = self.path.with_extension("new");
        tokio::fs::write(&new, serde_json::to_vec(remembered)?).await?;
        tokio::fs::rename(&new, &self.path).await
    }

    fn failed(&self, source: io::Error) -> UploadError {
        UploadError::State {
            path: self.path.clone(),
            source,
        }
    }
}

/// After the XDG base directory specification.
fn folder() -> PathBuf {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = || absolute("HOME").map(|home| home.join(".local/state"));
    let state = absolute("XDG_STATE_HOME").or_else(home);
    state.unwrap_or_else(env::temp_dir).join("depot/uploads")
}
