use std::sync::Mutex;

use depot_consumer::{Origin, ParkedKeys, ParkedUnavailable, Place, Slot, Tenure, TenureLost};
use tokio_util::sync::CancellationToken;
use uploader::ParkedUploads;

/// Hangs at one call of the store, before or after it is done: the process is dead from there on.
pub struct Crashing {
    pub inner: ParkedUploads,
    pub left: Mutex<u32>,
    pub after: bool,
    pub crashed: CancellationToken,
}

impl Crashing {
    async fn call<T>(&self, work: impl Future<Output = T>) -> T {
        let is_last = {
            let mut left = self.left.lock().unwrap();
            *left = left.saturating_sub(1);
            *left == 0
        };
        if is_last && !self.after {
            self.crashed.cancel();
            std::future::pending::<()>().await;
        }
        let answer = work.await;
        if is_last {
            self.crashed.cancel();
            std::future::pending::<()>().await;
        }
        answer
    }
}

type Answer<T> = Result<T, ParkedUnavailable>;

impl ParkedKeys for Crashing {
    async fn begin(&self, tenure: &Tenure) -> Answer<()> {
        self.inner.begin(tenure).await
    }

    async fn follow(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
    ) -> Answer<Result<Option<Slot>, TenureLost>> {
        self.call(self.inner.follow(tenure, key, origin)).await
    }

    async fn park(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
        slot: Slot,
    ) -> Answer<Result<(), TenureLost>> {
        self.call(self.inner.park(tenure, key, origin, slot)).await
    }

    async fn place(&self, group: &str, key: &[u8], origin: &Origin) -> Answer<Place> {
        self.call(self.inner.place(group, key, origin)).await
    }

    async fn release(&self, tenure: &Tenure, key: &[u8], origin: &Origin) -> Answer<Result<(), TenureLost>> {
        self.call(self.inner.release(tenure, key, origin)).await
    }
}
