use crate::{copy::CopyOutcome, error::StoreError, store::ObjectStore};

/// Whether the store honours a condition on a copy's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyConditions {
    /// A copy from another ETag is refused: copies inside the store are safe.
    Honoured,
    /// The condition is ignored: what is copied has to be hashed on the way.
    Ignored,
}

impl ObjectStore {
    /// Tries a copy with a wrong ETag, and one with the right ETag, on an object of its own in `from`.
    ///
    /// `tag` keeps probes of several processes apart.
    pub async fn probe_copy_conditions(
        &self,
        from: &str,
        to: &str,
        tag: &str,
    ) -> Result<CopyConditions, StoreError> {
        let key = format!(".probe/{tag}");
        self.put(from, &key, b"probe".to_vec()).await?;
        let etag = self.head(from, &key).await?.etag;
        let wrong = "\"00000000000000000000000000000000\"";
        let with_wrong = self
            .copy_verified((from, &key), wrong, (to, &key), "text/plain", 5)
            .await;
        let with_right = self
            .copy_verified((from, &key), &etag, (to, &key), "text/plain", 5)
            .await;
        self.delete(from, &key).await?;
        self.delete(to, &key).await?;
        match (with_wrong?, with_right?) {
            (CopyOutcome::SourceChanged, CopyOutcome::Copied) => Ok(CopyConditions::Honoured),
            _ => Ok(CopyConditions::Ignored),
        }
    }
}
