//! The rehearsal: load, the migration, a rollout and the way back, and afterwards the check.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use depot_faults::{
    campaign,
    check::{Counter, Verdict, check},
    client::{Client, Patience, Urls},
    inject::Injected,
    interrupted::Interrupted,
    load::{self, Load, World},
    settling,
    site::{INSTANCES, Programs, Service, Site, token},
};
use depot_service::auth::Role;

use crate::{
    balancer::{Backend, Balancer},
    new_field::{self, Times},
    noticed::Noticed,
    rollout::{BACK, FORWARD, roll},
    standstill::Standstill,
};

/// As the chart has it, but shorter: a balancer notices within a second or two.
const NOTICE: (&str, &str) = ("SHUTDOWN_NOTICE_MS", "3000");
/// The client waits for every answer, so that it is the servers which end what takes too long.
const PATIENCE: Patience = Patience {
    timeout: Duration::from_secs(60),
    wait_seconds: 30,
};
/// Of the load alone, before the migration, between the ways and at the end.
const STRETCH: Duration = Duration::from_secs(10);
/// Fixed: what differs between two runs is time.
const SEED: u64 = 6;

pub struct Options {
    /// The version that runs.
    pub current: Programs,
    /// The one that is rolled out.
    pub next: Programs,
    /// Whether it is rolled back afterwards, without taking the migration back.
    pub goes_back: bool,
    /// Where history and logs are kept if something is found.
    pub kept: PathBuf,
}

/// How a rehearsal ended.
pub struct Outcome {
    pub verdict: Verdict,
    pub noticed: Noticed,
    pub last_line: String,
    pub is_clean: bool,
}

struct Rehearsal {
    site: Site,
    world: Arc<World>,
    front: Front,
}

/// The addresses that clients know.
struct Front {
    commands: Balancer,
    queries: Balancer,
    grpc: Balancer,
}

/// What came of the instances.
#[derive(Default)]
struct Rollouts {
    times: Times,
    rolled: usize,
    slowest: Duration,
}

/// Runs a rehearsal to its end; every process that it started has ended then.
pub async fn run(options: Options) -> Result<Outcome> {
    let mut interrupted = Interrupted::new()?;
    let folder = std::env::temp_dir().join(format!("depot-rolling-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut settings = campaign::SETTINGS.to_vec();
    settings.push(NOTICE);
    let site = Site::start(folder.clone(), options.current.clone(), settings)
        .await
        .with_context(|| format!("start an installation in {}", folder.display()))?;
    let front = Front::open(&site).await;
    let world = Arc::new(World::default());
    let outcome = match front {
        Ok(front) => {
            let rehearsal = Rehearsal {
                site,
                world: Arc::clone(&world),
                front,
            };
            let outcome = tokio::select! {
                outcome = rehearsal.run(&options) => outcome,
                () = interrupted.wait() => Err(anyhow::anyhow!("interrupted")),
            };
            rehearsal.site.end().await;
            outcome
        }
        Err(error) => {
            site.end().await;
            Err(error)
        }
    };
    finish(
        &world,
        &folder,
        &options.kept,
        outcome.as_ref().is_ok_and(|outcome| outcome.is_clean),
    )?;
    outcome
}

fn finish(world: &World, folder: &Path, kept: &Path, is_clean: bool) -> Result<()> {
    if !is_clean {
        campaign::keep(world, folder, kept)?;
        println!("history and logs are kept in {}", kept.display());
    }
    if let Err(error) = std::fs::remove_dir_all(folder) {
        eprintln!("{} is left behind: {error}", folder.display());
    }
    Ok(())
}

impl Front {
    async fn open(site: &Site) -> Result<Self> {
        let before = |service: Service, beside: u16| {
            let instances = (0..INSTANCES).map(|number| site.ports.instance(service.index(), number));
            let backends = instances.map(|port| Backend {
                port: port + beside,
                readiness: format!("http://127.0.0.1:{}/readyz", port + 2),
            });
            Balancer::open(backends.collect())
        };
        Ok(Self {
            commands: before(Service::CommandApi, 0).await?,
            queries: before(Service::QueryApi, 0).await?,
            grpc: before(Service::QueryApi, 1).await?,
        })
    }

    fn client(&self, subject: &str) -> Result<Client> {
        let urls = Urls {
            commands: vec![self.commands.url()],
            queries: vec![self.queries.url()],
            grpc: vec![self.grpc.url()],
        };
        Client::new(urls, subject, token(subject, Role::Writer)?, PATIENCE)
    }
}

impl Rehearsal {
    async fn run(&self, options: &Options) -> Result<Outcome> {
        let history = &self.world.history;
        load::play(&self.world, |subject| self.front.client(subject)).await?;
        let load = Load::start(&self.world, SEED, |subject| self.front.client(subject))?;
        let (begun, standstill) = (history.now_ms(), Standstill::watch());
        tokio::time::sleep(STRETCH).await;
        let migrated = history.now_ms();
        self.site.tool_of(&options.next, &["migrate"], None).await?;
        println!("migrated in {} ms", history.now_ms() - migrated);
        let rollouts = self.roll_out(options).await;
        let stopped = history.now_ms();
        load.stop().await?;
        let told = history.told();
        println!("before: {}", Noticed::between(&told, begun, migrated));
        let noticed = Noticed::between(&told, migrated, stopped);
        println!("during: {noticed}");
        println!(
            "the rehearsal itself stood still for {} ms at most",
            standstill.longest_ms()
        );
        noticed.print_findings();
        let rollouts = rollouts?;
        let verdict = self.check().await?;
        print!("{verdict}");
        if options.goes_back {
            let brokers = self.site.direct_brokers();
            let (with, without) = new_field::is_in_the_log(&brokers, &told, rollouts.times).await?;
            println!("events of uploads: {with} with the new field, {without} without");
        }
        Ok(Outcome {
            last_line: last_line(&rollouts, &noticed, &verdict),
            is_clean: verdict.is_clean() && verdict.count(Counter::Forbidden) == 0 && noticed.is_clean(),
            verdict,
            noticed,
        })
    }

    async fn roll_out(&self, options: &Options) -> Result<Rollouts> {
        let mut all = Rollouts::default();
        let now = || self.world.history.now_ms();
        for service in FORWARD {
            if service == Service::CommandApi {
                all.times.first_next = now();
            }
            self.roll(service, &options.next, "the next version", &mut all)
                .await?;
        }
        all.times.all_next = now();
        tokio::time::sleep(STRETCH).await;
        if options.goes_back {
            let client_of = |subject: &str| self.front.client(subject);
            let shown = new_field::is_shown(&self.world, client_of, all.times.all_next).await?;
            println!("{shown} uploads are shown with the new field");
            all.times.first_back = now();
            for service in BACK {
                self.roll(service, &options.current, "the version before", &mut all)
                    .await?;
                if service == Service::CommandApi {
                    all.times.all_back = Some(now());
                }
            }
            tokio::time::sleep(STRETCH).await;
        }
        Ok(all)
    }

    async fn roll(
        &self,
        service: Service,
        programs: &Programs,
        version: &str,
        all: &mut Rollouts,
    ) -> Result<()> {
        for rolled in roll(&self.site, service, programs, version).await? {
            all.rolled += 1;
            all.slowest = all.slowest.max(rolled.away);
        }
        Ok(())
    }

    async fn check(&self) -> Result<Verdict> {
        let unsettled = [
            settling::wait_until_quiet(&self.site, campaign::QUIET_WITHIN).await?,
            settling::sweep_once(&self.site, campaign::URL_TTL).await,
        ];
        settling::fill_the_cache(&self.world, &self.front.client("reader-0")?).await;
        let told = self.world.history.told();
        let mut verdict = check(&self.site, &told, &Injected::default()).await?;
        for problem in unsettled.into_iter().flatten() {
            verdict.find(Counter::Stuck, problem);
        }
        Ok(verdict)
    }
}

fn last_line(rollouts: &Rollouts, noticed: &Noticed, verdict: &Verdict) -> String {
    let mut line = format!(
        "rolled={} slowest_instance={:.1}s requests={} acknowledged={} longest_pause={}ms 5xx={} unanswered={}",
        rollouts.rolled,
        rollouts.slowest.as_secs_f64(),
        noticed.requests,
        noticed.acknowledged,
        noticed.longest_pause_ms,
        noticed.failed.len(),
        noticed.unanswered.len()
    );
    for counter in Counter::LAST_LINE.into_iter().chain([Counter::Forbidden]) {
        line.push_str(&format!(" {}={}", counter.name(), verdict.count(counter)));
    }
    line
}
