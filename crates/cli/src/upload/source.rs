use std::{
    io::SeekFrom,
    path::{Path, PathBuf},
    time::SystemTime,
};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use tokio::{
    fs::File,
    io::{self, AsyncReadExt as _, AsyncSeekExt as _},
};

use super::{
    error::UploadError,
    progress::{Attempt, Progress},
};

const PIECE: usize = 256 * 1024;

/// The file that is sent.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: PathBuf,
    pub size_bytes: u64,
    pub sha256: String,
    changed_at: Option<SystemTime>,
}

impl Source {
    /// Reads the file once, to know its SHA-256.
    pub async fn read(path: &Path, progress: &Progress) -> Result<Self, UploadError> {
        let failed = |source| UploadError::File {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).await.map_err(failed)?;
        let about = file.metadata().await.map_err(failed)?;
        if !about.is_file() || about.len() == 0 {
            return Err(UploadError::FileUnfit {
                path: path.to_owned(),
                what: "is no file with anything in it".to_owned(),
            });
        }
        progress.begin("checksum", about.len(), 0);
        let (mut hasher, mut piece, mut size_bytes) = (Context::new(&SHA256), vec![0; PIECE], 0);
        loop {
            let read = file.read(&mut piece).await.map_err(failed)?;
            if read == 0 {
                break;
            }
            hasher.update(&piece[..read]);
            size_bytes += read as u64;
            progress.advance(read as u64);
        }
        let digest = hasher.finish();
        Ok(Self {
            path: path.to_owned(),
            size_bytes,
            sha256: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
            changed_at: about.modified().ok(),
        })
    }

    /// # Errors
    /// The file is not the one that was read any more.
    pub async fn require_unchanged(&self) -> Result<(), UploadError> {
        let about = tokio::fs::metadata(&self.path).await;
        let about = about.map_err(|source| UploadError::File {
            path: self.path.clone(),
            source,
        })?;
        if about.len() == self.size_bytes && about.modified().ok() == self.changed_at {
            return Ok(());
        }
        Err(UploadError::FileUnfit {
            path: self.path.clone(),
            what: "was changed while it was being sent".to_owned(),
        })
    }

    /// Some of the file, piece by piece; what has gone into the stream is shown as sent.
    pub async fn stream(
        &self,
        offset: u64,
        length: u64,
        attempt: &Attempt,
    ) -> io::Result<impl Stream<Item = io::Result<Bytes>> + use<>> {
        let mut file = File::open(&self.path).await?;
        file.seek(SeekFrom::Start(offset)).await?;
        let attempt = attempt.clone();
        Ok(stream::try_unfold((file, length), move |(mut file, left)| {
            let attempt = attempt.clone();
            async move {
                if left == 0 {
                    return Ok(None);
                }
                let mut piece = BytesMut::zeroed(PIECE.min(usize::try_from(left).unwrap_or(PIECE)));
                let read = file.read(&mut piece).await?;
                if read == 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the file has become shorter",
                    ));
                }
                piece.truncate(read);
                attempt.advance(read as u64);
                Ok(Some((piece.freeze(), (file, left - read as u64))))
            }
        }))
    }
}
