use crate::{copy::CopyOutcome, error::StoreError, store::ObjectStore};

/// Keys of the probe's objects begin so, in both buckets.
pub const PROBE_PREFIX: &str = ".probe/";

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
        let key = format!("{PROBE_PREFIX}{tag}");
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
        match (with_wrong, with_right) {
            (Ok(CopyOutcome::SourceChanged), Ok(CopyOutcome::Copied)) => Ok(CopyConditions::Honoured),
            (Ok(_), Ok(_)) => Ok(CopyConditions::Ignored),
            (Err(error), _) | (_, Err(error)) if !is_not_offered(&error) => Err(error),
            _ => Ok(CopyConditions::Ignored),
        }
    }
}

/// A server that does not know the request says so by 400 or 501: as good as ignoring the condition.
fn is_not_offered(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Refused {
            status: 400 | 501,
            ..
        }
    )
}
