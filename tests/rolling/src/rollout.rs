use std::time::Duration;

use anyhow::{Result, ensure};
use depot_faults::site::{INSTANCES, Programs, Service, Site};
use tokio::time::Instant;

/// Who reads a thing comes before who writes it: consumers, what shows the views, and what produces the events.
pub const FORWARD: [Service; 4] = [
    Service::Projector,
    Service::Uploader,
    Service::QueryApi,
    Service::CommandApi,
];
/// Who writes a thing that the others do not know goes first.
pub const BACK: [Service; 4] = [
    Service::CommandApi,
    Service::QueryApi,
    Service::Uploader,
    Service::Projector,
];
/// Under load between two instances, so that both versions are at work side by side.
const BETWEEN: Duration = Duration::from_secs(3);

/// One instance, ended and started from other programs.
pub struct Rolled {
    /// From the signal to its end.
    pub ended_after: Duration,
    /// From the signal until it is ready again.
    pub away: Duration,
}

/// All instances of a service, one at a time: the next one is ended when the one before is ready again.
///
/// # Errors
/// An instance does not end in order, or is not ready in time.
pub async fn roll(site: &Site, service: Service, programs: &Programs, version: &str) -> Result<Vec<Rolled>> {
    let mut all = Vec::new();
    for number in 1..=INSTANCES {
        let rolled = roll_one(site, service, number, programs).await?;
        println!(
            "{}-{number} to {version}: ended after {:.1} s, ready after {:.1} s",
            service.name(),
            rolled.ended_after.as_secs_f64(),
            rolled.away.as_secs_f64()
        );
        all.push(rolled);
        tokio::time::sleep(BETWEEN).await;
    }
    Ok(all)
}

async fn roll_one(site: &Site, service: Service, number: u16, programs: &Programs) -> Result<Rolled> {
    let mut instance = site.instance(service, number).lock().await;
    let begun = Instant::now();
    let has_ended = instance.terminate().await?;
    let ended_after = begun.elapsed();
    ensure!(
        has_ended && instance.has_ended_in_order(),
        "{} did not end in order: see {}",
        instance.name(),
        site.logs.display()
    );
    instance.start_other(programs.of(service))?;
    site.wait_ready(&instance).await?;
    Ok(Rolled {
        ended_after,
        away: begun.elapsed(),
    })
}
