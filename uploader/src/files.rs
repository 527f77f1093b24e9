use depot_object_store::{CopyConditions, ObjectStore, StoreError};
use depot_outbox::{Doorbell, ShardSet};
use depot_sabotage::Break;
use depot_schemas::{UploadState, topics::Topics};
use depot_service::database::Pool;
use depot_spans::database::Transaction;

use crate::{derive_thumbnail::Thumbnails, error::UploaderError, scanner::Scanner};

/// What moving files takes: both buckets, the receipts, and the way to tell the outcome.
#[derive(Debug, Clone)]
pub struct Files {
    pub pool: Pool,
    pub store: ObjectStore,
    /// The bucket of what clients sent, keyed by upload id.
    pub staging: String,
    /// The bucket of verified files.
    pub bucket: String,
    /// What the start-up probe found.
    pub copy_conditions: CopyConditions,
    /// Asked about each file before it is stored.
    pub scanner: Scanner,
    /// The room for deriving thumbnails.
    pub thumbnails: Thumbnails,
    pub topics: Topics,
    pub doorbell: Doorbell,
}

impl Files {
    /// Does `work`, which is a transaction from its beginning to its end, in a span of its own: that is what is named as the
    /// cause of the facts that it tells.
    pub(crate) fn in_transaction<T>(
        &self,
        work: impl Future<Output = Result<T, UploaderError>>,
    ) -> impl Future<Output = Result<T, UploaderError>> {
        let of = || Transaction {
            schema: "uploader",
            database: self.pool.connect_options().get_database().map(str::to_owned),
            shared_by: 1,
        };
        Transaction::around(of, work, UploaderError::kind)
    }

    /// To be called after the commit of a fact about that upload.
    pub(crate) fn ring(&self, upload: &UploadState) {
        self.doorbell.ring(ShardSet::of([upload.id]));
    }

    /// Carries out a deletion that was decided.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), StoreError> {
        if depot_sabotage::has(Break::Orphaned) {
            return Ok(());
        }
        if depot_sabotage::has(Break::KeyUsedAgain) {
            // Long enough for the content to come again.
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        }
        self.store.delete(&self.bucket, key).await
    }
}
