use std::time::{Duration, Instant};

use anyhow::Result;

use super::Done;
use crate::site::{Arrow, Dependency, Link, Mode, Site};

/// The tool's code for findings: an answer, too.
const SOMETHING_FOUND: Option<i32> = Some(1);
/// Other faults may be under way at either end.
const ANSWERS_WITHIN: Duration = Duration::from_secs(120);

pub(super) async fn disturb(site: &Site, arrow: Arrow, mode: Mode, hold: Duration) -> Result<Done> {
    let disturbed = set_for(site.links(arrow), mode, hold);
    if arrow.1 != Dependency::UploaderAdmin {
        disturbed.await;
        return Ok(Done::Injected);
    }
    // No sweep is scheduled in a campaign: it could mend what the check is to find. So somebody asks for one that only
    // looks, for something to be on its way there.
    let (_, while_disturbed) = tokio::join!(disturbed, look(site));
    if while_disturbed.is_ok() {
        return Ok(Done::Injected);
    }
    let begun = Instant::now();
    loop {
        match look(site).await {
            Ok(()) => return Ok(Done::Injected),
            Err(error) if begun.elapsed() > ANSWERS_WITHIN => {
                return Ok(Done::Amiss(format!(
                    "no sweep is answered {} s afterwards: {error:#}",
                    begun.elapsed().as_secs()
                )));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}

/// command-api compares with the uploader, and changes nothing.
async fn look(site: &Site) -> Result<()> {
    let answered = site.tool(&["sweep", "--dry-run"], SOMETHING_FOUND);
    tokio::time::timeout(ANSWERS_WITHIN, answered).await??;
    Ok(())
}

pub(super) async fn set_for<'a>(links: impl IntoIterator<Item = &'a Link>, mode: Mode, hold: Duration) {
    let links: Vec<_> = links.into_iter().collect();
    for link in &links {
        link.set(mode);
    }
    tokio::time::sleep(hold).await;
    for link in &links {
        link.set(Mode::Open);
    }
}
