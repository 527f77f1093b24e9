//! The thumbnail of a staged picture that was verified: read again into memory, and derived beside the runtime.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use depot_object_store::{Digest, Hasher, StoreError};
use depot_schemas::UploadState;
use tokio::sync::Semaphore;

use crate::{
    error::UploaderError,
    fail_point::FailPoint as _,
    files::Files,
    metrics,
    thumbnail::{self, Kind, NoThumbnail, Thumbnail},
};

/// What bounds deriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThumbnailLimits {
    /// Pictures in memory at a time.
    pub at_once: usize,
    /// Larger files get no thumbnail.
    pub max_input_bytes: i64,
    /// Larger pictures get no thumbnail.
    pub max_pixels: u64,
}

impl Default for ThumbnailLimits {
    fn default() -> Self {
        Self {
            at_once: 1,
            max_input_bytes: 32 * 1024 * 1024,
            max_pixels: 25_000_000,
        }
    }
}

/// The room for pictures that this process has; memory is `at_once` × (12 bytes a pixel + twice the file).
#[derive(Debug, Clone)]
pub struct Thumbnails {
    limits: ThumbnailLimits,
    room: Arc<Semaphore>,
}

impl Thumbnails {
    pub fn new(limits: ThumbnailLimits) -> Self {
        Self {
            limits,
            room: Arc::new(Semaphore::new(limits.at_once)),
        }
    }
}

impl Default for Thumbnails {
    fn default() -> Self {
        Self::new(ThumbnailLimits::default())
    }
}

/// What there is of a thumbnail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Derived {
    Made(Thumbnail),
    /// It is no picture, or one that gets none.
    None,
    /// What was read is not what was verified: verify again.
    SourceChanged,
}

/// Derives the thumbnail of the object that was verified, if it is to have one. May be dropped at any point, and begun
/// again; what is being decoded then keeps its room until it is done.
///
/// # Errors
/// The store is away.
pub(crate) async fn derive_thumbnail(
    files: &Files,
    upload: &UploadState,
    etag: &str,
    verified: Digest,
) -> Result<Derived, UploaderError> {
    let Some(kind) = Kind::of(&upload.content_type) else {
        return Ok(Derived::None);
    };
    let limits = files.thumbnails.limits;
    if upload.size_bytes > limits.max_input_bytes {
        let detail = format!("{} bytes, {} are read", upload.size_bytes, limits.max_input_bytes);
        return Ok(goes_without(upload, &NoThumbnail::OverLimit(detail)));
    }
    // Never closed. Before the first byte is read: what waits has none in memory.
    let room = Arc::clone(&files.thumbnails.room)
        .acquire_owned()
        .fail_point()
        .await;
    let Some(content) = read(files, upload, etag, verified).fail_point().await? else {
        return Ok(Derived::SourceChanged);
    };
    let deriving = tokio::task::spawn_blocking(move || {
        let derived = thumbnail::derive(&content, kind, limits.max_pixels);
        drop((content, room));
        derived
    });
    let derived = match deriving.fail_point().await {
        Ok(derived) => derived,
        Err(error) if error.is_panic() => Err(NoThumbnail::Undecodable("the decoder panicked".into())),
        // The runtime is ending, and this work with it.
        Err(_) => return Err(UploaderError::Cancelled { upload: upload.id }),
    };
    Ok(match derived {
        Ok(made) => {
            metrics::count_thumbnail("made");
            Derived::Made(made)
        }
        Err(reason) => goes_without(upload, &reason),
    })
}

fn goes_without(upload: &UploadState, reason: &NoThumbnail) -> Derived {
    metrics::count_thumbnail(reason.as_str());
    tracing::info!(
        upload.id = %upload.id,
        error = reason as &dyn std::error::Error,
        "the picture is stored without a thumbnail"
    );
    Derived::None
}

/// The object's bytes; none if they are not those that were verified.
async fn read(
    files: &Files,
    upload: &UploadState,
    etag: &str,
    verified: Digest,
) -> Result<Option<Bytes>, UploaderError> {
    let failed = || UploaderError::store(upload.id);
    let staged = upload.id.to_string();
    let opening = files.store.open(&files.staging, &staged, Some(etag));
    let mut reading = match opening.fail_point().await {
        Err(StoreError::NotFound(_) | StoreError::PreconditionFailed(_)) => return Ok(None),
        opened => opened.map_err(failed())?,
    };
    let size = usize::try_from(verified.size_bytes).unwrap_or_default();
    let (mut hasher, mut content) = (Hasher::default(), BytesMut::with_capacity(size));
    while let Some(piece) = reading.next().fail_point().await.map_err(failed())? {
        hasher.update(&piece);
        content.extend_from_slice(&piece);
        // Not the object whose size was verified.
        if content.len() > size {
            return Ok(None);
        }
    }
    Ok((hasher.finish() == verified).then(|| content.freeze()))
}
