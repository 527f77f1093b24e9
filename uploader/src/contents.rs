//! The contents that an upload will refer to: its file, and its thumbnail where it has one. Each is an object by the same
//! rules.

use depot_object_store::{CopyConditions, CopyOutcome, Digest, StoreError};
use depot_schemas::{ThumbnailState, UploadState};
use std::{collections::BTreeMap, future::Future, pin::Pin};

use crate::{
    error::UploaderError, fail_point::FailPoint as _, files::Files, object_key, objects, thumbnail::Thumbnail,
};

/// What an attempt wants to refer to, and what it copied for that.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) thumbnail: Option<Thumbnail>,
    /// By the SHA-256 of each content, the key of the copy that this attempt made: contents are locked in this order by
    /// everybody. A picture that is its own thumbnail is one.
    copies: BTreeMap<String, Option<String>>,
}

impl Contents {
    pub(crate) fn of(upload: &UploadState, thumbnail: Option<Thumbnail>) -> Self {
        let thumbnails = thumbnail
            .iter()
            .map(|thumbnail| thumbnail.sha256.as_str().to_owned());
        let sha256s = thumbnails.chain([upload.sha256.clone()]);
        Self {
            copies: sha256s.map(|sha256| (sha256, None)).collect(),
            thumbnail,
        }
    }

    /// Each content's SHA-256 with the key of this attempt's copy, in the order in which they are locked.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let copies = self.copies.iter();
        copies.map(|(sha256, copy)| (sha256.as_str(), copy.as_deref()))
    }

    /// The copies that this attempt made, but for those that are referred to.
    pub(crate) fn copies_but(&self, referred: &Referred) -> Vec<String> {
        let copies = self.copies.values().flatten();
        copies.filter(|key| !referred.names(key)).cloned().collect()
    }

    /// What is to be told of the thumbnail, at the key that is referred to.
    pub(crate) fn thumbnail_state(&self, referred: &Referred) -> Option<ThumbnailState> {
        let thumbnail = self.thumbnail.as_ref()?;
        Some(ThumbnailState {
            object_key: referred.key_of(thumbnail.sha256.as_str())?.to_owned(),
            sha256: thumbnail.sha256.as_str().to_owned(),
            size_bytes: thumbnail.content.len() as i64,
            content_type: thumbnail.content_type.to_owned(),
            width: thumbnail.width,
            height: thumbnail.height,
        })
    }

    /// Makes copies of those contents that have no object, the file first.
    ///
    /// # Errors
    /// A dependency is away; what was claimed is on record, and claimed again by the next attempt.
    pub(crate) async fn copy(
        &mut self,
        files: &Files,
        upload: &UploadState,
        (etag, digest): (&str, Digest),
        lacking: &[String],
    ) -> Result<CopyOutcome, UploaderError> {
        if lacking.contains(&upload.sha256) {
            let key = claim(files, upload, &upload.sha256, upload.size_bytes)
                .fail_point()
                .await?;
            let copied = copy_file(files, upload, etag, digest, &key).fail_point().await?;
            if copied == CopyOutcome::SourceChanged {
                return Ok(copied);
            }
            self.copies.insert(upload.sha256.clone(), Some(key));
        }
        let thumbnail = self.thumbnail.as_ref();
        let wanted = thumbnail.filter(|thumbnail| {
            let sha256 = thumbnail.sha256.as_str();
            sha256 != upload.sha256 && lacking.iter().any(|lacks| lacks == sha256)
        });
        if let Some(thumbnail) = wanted {
            let sha256 = thumbnail.sha256.as_str().to_owned();
            let size_bytes = thumbnail.content.len() as i64;
            let key = claim(files, upload, &sha256, size_bytes).fail_point().await?;
            let put = files.store.put_typed(
                &files.bucket,
                &key,
                thumbnail.content.clone(),
                thumbnail.content_type,
            );
            put.fail_point().await.map_err(UploaderError::store(upload.id))?;
            self.copies.insert(sha256, Some(key));
        }
        Ok(CopyOutcome::Copied)
    }
}

/// The live object of each content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Referred(BTreeMap<String, String>);

impl Referred {
    pub(crate) fn refer(&mut self, sha256: &str, key: String) {
        self.0.insert(sha256.to_owned(), key);
    }

    pub(crate) fn key_of(&self, sha256: &str) -> Option<&str> {
        self.0.get(sha256).map(String::as_str)
    }

    fn names(&self, key: &str) -> bool {
        self.0.values().any(|referred| referred == key)
    }
}

/// Claims a key to copy to, and commits that before the first byte: what a crash leaves behind is on record.
async fn claim(
    files: &Files,
    upload: &UploadState,
    sha256: &str,
    size_bytes: i64,
) -> Result<String, UploaderError> {
    let failed = || UploaderError::database("claim a key", upload.id);
    let mut connection = files.pool.acquire().fail_point().await.map_err(failed())?;
    let mut attempt = 0;
    loop {
        let key = object_key::object_key(sha256, upload.id, attempt);
        let claimed = objects::claim(&mut connection, &key, sha256, size_bytes)
            .fail_point()
            .await;
        if claimed.map_err(failed())? {
            return Ok(key);
        }
        // Its deletion was decided: that key is never used again.
        attempt += 1;
    }
}

async fn copy_file(
    files: &Files,
    upload: &UploadState,
    etag: &str,
    digest: Digest,
    key: &str,
) -> Result<CopyOutcome, UploaderError> {
    let staged = upload.id.to_string();
    let (from, to) = (
        (files.staging.as_str(), staged.as_str()),
        (files.bucket.as_str(), key),
    );
    let (store, content_type) = (&files.store, &upload.content_type);
    let copying: Pin<Box<dyn Future<Output = Result<CopyOutcome, StoreError>> + Send>> =
        match files.copy_conditions {
            CopyConditions::Honoured => {
                Box::pin(store.copy_verified(from, etag, to, content_type, upload.size_bytes))
            }
            CopyConditions::Ignored => Box::pin(store.copy_through(from, to, content_type, digest)),
        };
    let copied = copying.fail_point().await;
    copied.map_err(UploaderError::store(upload.id))
}
