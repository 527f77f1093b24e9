use std::{io::Write as _, path::PathBuf, time::Duration};

use anyhow::Result;

use super::Done;
use crate::site::{Server, Site};

/// Takes every free byte of the object store's disk, and gives them back. The index of a volume of this store may be cut off
/// then, so the store is stopped, mended and started, as whoever runs it would do.
pub(super) async fn fill(site: &Site, hold: Duration) -> Result<Done> {
    if !site.backing.has_small_disk {
        return Ok(Done::NotHere("a small disk cannot be mounted"));
    }
    let path = filler(site);
    tokio::task::spawn_blocking(move || -> Result<()> {
        let mut file = std::fs::File::create(path)?;
        let block = vec![0; 64 * 1024];
        // To the last byte: that it ends with an error is the point.
        while file.write_all(&block).is_ok() {}
        Ok(())
    })
    .await??;
    tokio::time::sleep(hold).await;
    std::fs::remove_file(filler(site))?;
    site.backing.stop(Server::ObjectStore).await?;
    mend(site).await?;
    Ok(Done::Injected)
}

/// After a filling that broke off.
pub(super) async fn empty(site: &Site) -> Result<()> {
    if filler(site).exists() {
        std::fs::remove_file(filler(site))?;
    }
    // Fails for one that has ended.
    drop(site.backing.kill(Server::ObjectStore).await);
    mend(site).await
}

async fn mend(site: &Site) -> Result<()> {
    site.backing.mend_volumes().await?;
    site.backing.start_again(Server::ObjectStore).await
}

fn filler(site: &Site) -> PathBuf {
    site.backing.store_disk().join("filler")
}
