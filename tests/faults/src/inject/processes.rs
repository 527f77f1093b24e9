use std::time::Duration;

use anyhow::Result;
use rand::{RngExt as _, rngs::StdRng};

use crate::{
    fault::Target,
    inject::Done,
    site::{INSTANCES, Instance, Service, Site},
};

pub(super) async fn kill(site: &Site, target: Target, away: Duration) -> Result<()> {
    match target {
        Target::Instance(service, number) => {
            let mut instance = site.instance(service, number).lock().await;
            instance.kill().await?;
            tokio::time::sleep(away).await;
            instance.start_again()?;
        }
        Target::Server(server) => {
            site.backing.kill(server).await?;
            tokio::time::sleep(away).await;
            site.backing.start_again(server).await?;
        }
    }
    Ok(())
}

pub(super) async fn pause(site: &Site, target: Target, long: Duration) -> Result<()> {
    match target {
        Target::Instance(service, number) => {
            let instance = site.instance(service, number).lock().await;
            instance.signal("STOP").await?;
            tokio::time::sleep(long).await;
            instance.signal("CONT").await
        }
        Target::Server(server) => {
            site.backing.pause(server, true).await?;
            tokio::time::sleep(long).await;
            site.backing.pause(server, false).await
        }
    }
}

pub(super) async fn restart(site: &Site, target: Target) -> Result<Done> {
    match target {
        Target::Instance(service, number) => {
            let mut instance = site.instance(service, number).lock().await;
            let done = end(&mut instance).await?;
            instance.start_again()?;
            Ok(done)
        }
        Target::Server(server) => {
            site.backing.stop(server).await?;
            site.backing.start_again(server).await?;
            Ok(Done::Injected)
        }
    }
}

async fn end(instance: &mut Instance) -> Result<Done> {
    Ok(match instance.terminate().await? {
        true => Done::Injected,
        false => Done::Amiss(format!("{} did not end when it was asked to", instance.name())),
    })
}

/// A third instance takes its share of shards and partitions, one of the three is killed, and the third leaves in order.
pub(super) async fn scale(site: &Site, service: Service, hold: Duration, rng: &mut StdRng) -> Result<Done> {
    let mut third = site.further_instance(service)?;
    site.wait_ready(&third).await?;
    tokio::time::sleep(hold).await;
    let victim = rng.random_range(1..=INSTANCES + 1);
    if victim > INSTANCES {
        third.kill().await?;
        return Ok(Done::Injected);
    }
    let mut instance = site.instance(service, victim).lock().await;
    instance.kill().await?;
    tokio::time::sleep(hold).await;
    instance.start_again()?;
    drop(instance);
    end(&mut third).await
}

/// Has it run again, whatever a fault that broke off did to it.
pub(super) async fn revive(site: &Site, target: Target) -> Result<()> {
    match target {
        Target::Instance(service, number) => {
            let mut instance = site.instance(service, number).lock().await;
            match instance.is_running() {
                true => instance.signal("CONT").await,
                false => instance.start_again(),
            }
        }
        Target::Server(server) => {
            // Whatever state it is in; and it fails for one that has ended.
            drop(site.backing.kill(server).await);
            site.backing.start_again(server).await
        }
    }
}
