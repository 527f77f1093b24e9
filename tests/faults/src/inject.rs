//! Brings a fault about, and undoes it.

mod clock;
mod disk;
mod links;
mod messages;
mod processes;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

pub use messages::{Injected, Origin};

use crate::{
    fault::{Fault, Target},
    site::{Dependency, INSTANCES, Mode, Site},
};

const SLOW: Mode = Mode::Slow(Duration::from_millis(150));

/// What was done of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    Injected,
    /// It is, and something did not do as it should.
    Amiss(String),
    /// The machine does not let it be done, for this reason.
    NotHere(&'static str),
}

/// From the first moment of a fault to the moment at which everything that it broke has been given back.
///
/// # Errors
/// It broke off: `give_back` has to follow.
pub async fn inject(site: &Arc<Site>, injected: &Injected, fault: Fault, seed: u64) -> Result<Done> {
    let mut rng = StdRng::seed_from_u64(seed);
    let hold = Duration::from_millis(rng.random_range(2_000..6_000));
    match fault {
        Fault::Kill(target) => processes::kill(site, target, hold).await?,
        Fault::Pause(target, long) => processes::pause(site, target, long).await?,
        Fault::Restart(target) => return processes::restart(site, target).await,
        Fault::Scale(service) => return processes::scale(site, service, hold, &mut rng).await,
        Fault::Cut(arrow) => return links::disturb(site, arrow, Mode::Cut, hold).await,
        Fault::Silence(arrow) => return links::disturb(site, arrow, Mode::Silent, hold).await,
        Fault::Slow(arrow) => return links::disturb(site, arrow, SLOW, hold).await,
        Fault::SlowPostgres => links::set_for(site.links_to(Dependency::Postgres), SLOW, hold).await,
        Fault::FlushRedis => flush(site).await?,
        Fault::FullDisk => return disk::fill(site, hold).await,
        Fault::ClockJump(jump) => return clock::jump(site, jump, hold).await,
        Fault::Poison(topic) => injected.poison(site, topic, &mut rng).await?,
        Fault::Repeat(topic) => injected.repeat(site, topic).await?,
        Fault::Disorder(topic) => injected.disorder(site, topic, &mut rng).await?,
        Fault::Gap(topic) => injected.gap(site, topic).await?,
    }
    Ok(Done::Injected)
}

/// After a fault that broke off: what it may have left broken is given back, so that the rest finds something to break.
pub async fn give_back(site: &Site, fault: Fault) -> Result<()> {
    match fault {
        Fault::Kill(target) | Fault::Pause(target, _) | Fault::Restart(target) => {
            processes::revive(site, target).await
        }
        Fault::Scale(service) => {
            for number in 1..=INSTANCES {
                processes::revive(site, Target::Instance(service, number)).await?;
            }
            Ok(())
        }
        Fault::FullDisk => disk::empty(site).await,
        Fault::ClockJump(_) => site.clock.set(0).map(drop),
        // They leave nothing: links are open again in any case, and what lies in a topic lies there.
        Fault::Cut(_)
        | Fault::Silence(_)
        | Fault::Slow(_)
        | Fault::SlowPostgres
        | Fault::FlushRedis
        | Fault::Poison(_)
        | Fault::Repeat(_)
        | Fault::Disorder(_)
        | Fault::Gap(_) => Ok(()),
    }
}

async fn flush(site: &Site) -> Result<()> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", site.ports.redis()))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("FLUSHALL").exec_async(&mut connection).await?;
    Ok(())
}
