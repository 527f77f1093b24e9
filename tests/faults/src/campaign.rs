//! Load, faults on a seeded schedule, and afterwards the check.

mod faults;
mod last_lines;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use depot_service::auth::Role;
use tokio::{sync::Mutex, time::Instant};

use self::faults::{Recoveries, Tally};
use crate::{
    check::{Counter, Verdict, check},
    client::{Client, Patience, Urls},
    inject::Injected,
    interrupted::Interrupted,
    load::{self, Load, World},
    plan::plan,
    settling,
    site::{Dependency, Programs, Site, token},
};

/// Faults at a time.
const LANES: usize = 3;
/// Load before the first fault, and after the last.
const WARM_UP: Duration = Duration::from_secs(5);
/// Load for a campaign that has no faults: enough for every counter to see its break.
const WITHOUT_FAULTS: Duration = Duration::from_secs(15);
/// Until everything that is under way has ended.
pub const QUIET_WITHIN: Duration = Duration::from_secs(300);
/// With a break that lets things never end.
pub const QUIET_WITHIN_SABOTAGED: Duration = Duration::from_secs(45);
/// Short lives, so that what is forgotten expires while the campaign runs.
pub const URL_TTL: Duration = Duration::from_secs(20);
/// Of every instance. No sweep is scheduled: it could mend what the check is to find.
pub const SETTINGS: [(&str, &str); 12] = [
    ("UPLOAD_URL_TTL_SECONDS", "20"),
    ("UPLOAD_GRACE_SECONDS", "5"),
    ("MULTIPART_OVER_BYTES", "1048576"),
    ("MULTIPART_PART_BYTES", "5242880"),
    ("MULTIPART_TTL_SECONDS", "25"),
    ("UPLOAD_RETRY_DELAYS_SECONDS", "1,2,3"),
    ("SAGA_SWEEP_ENABLED", "false"),
    // Nobody sends any: the group is there to be poisoned.
    ("STORE_NOTIFICATIONS_ENABLED", "true"),
    ("LOG_LEVEL", "info"),
    ("RATE_LIMIT_PER_SECOND", "100000"),
    ("RATE_LIMIT_BURST", "100000"),
    ("KAFKA_REPLICATION_FACTOR", "3"),
];

pub struct Options {
    pub seed: u64,
    /// None: each class with each target twice.
    pub faults: Option<usize>,
    pub programs: Programs,
    /// Where history and logs are kept if something is found.
    pub kept: PathBuf,
    /// How long everything that is under way has time to end.
    pub quiet_within: Duration,
    /// Whether the campaign is whole without the faults that this machine does not allow.
    pub may_skip: bool,
}

/// How a campaign ended.
pub struct Outcome {
    pub verdict: Verdict,
    pub last_line: String,
    pub is_clean: bool,
}

struct Campaign {
    site: Arc<Site>,
    world: Arc<World>,
    injected: Injected,
    seed: u64,
    began: Instant,
    recoveries: Mutex<Recoveries>,
    problems: Mutex<Vec<String>>,
}

/// Runs a campaign to its end; every process that it started has ended then.
pub async fn run(options: Options) -> Result<Outcome> {
    let mut interrupted = Interrupted::new()?;
    let folder = std::env::temp_dir().join(format!("depot-faults-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let site = Site::start(folder.clone(), options.programs.clone(), SETTINGS.to_vec()).await;
    let site = Arc::new(site.with_context(|| format!("start an installation in {}", folder.display()))?);
    let campaign = Campaign {
        site: Arc::clone(&site),
        world: Arc::new(World::default()),
        injected: Injected::default(),
        seed: options.seed,
        began: Instant::now(),
        recoveries: Mutex::default(),
        problems: Mutex::default(),
    };
    let outcome = tokio::select! {
        outcome = campaign.run(&options) => outcome,
        () = interrupted.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    site.end().await;
    let is_clean = outcome.as_ref().is_ok_and(|outcome| outcome.is_clean);
    if !is_clean {
        keep(&campaign.world, &folder, &options.kept)?;
        println!(
            "seed {}: history and logs are kept in {}",
            options.seed,
            options.kept.display()
        );
    }
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!("{} is left behind: {error}", folder.display());
    }
    outcome
}

impl Campaign {
    async fn run(&self, options: &Options) -> Result<Outcome> {
        load::play(&self.world, |subject| self.client(subject)).await?;
        let load = Load::start(&self.world, self.seed, |subject| self.client(subject))?;
        tokio::time::sleep(WARM_UP).await;
        let faults = plan(self.seed, options.faults);
        println!("seed {}: {} faults, {LANES} at a time", self.seed, faults.len());
        let planned = faults.len();
        if faults.is_empty() {
            tokio::time::sleep(WITHOUT_FAULTS).await;
        }
        let tally = self.break_everything(faults).await?;
        tokio::time::sleep(WARM_UP).await;
        load.stop().await?;
        let unsettled = [
            settling::wait_until_quiet(&self.site, options.quiet_within).await?,
            settling::sweep_once(&self.site, URL_TTL).await,
        ];
        for problem in unsettled.into_iter().flatten() {
            self.problem(problem).await;
        }
        settling::fill_the_cache(&self.world, &self.client("reader-0")?).await;
        let told = self.world.history.told();
        let mut verdict = check(&self.site, &told, &self.injected).await?;
        for problem in self.problems.lock().await.iter() {
            verdict.find(Counter::Stuck, problem.clone());
        }
        for (class, (count, slowest)) in self.recoveries.lock().await.iter() {
            println!(
                "{class}: {count} survived, slowest recovery {:.1} s",
                slowest.as_secs_f64()
            );
        }
        print!("{verdict}");
        println!("{}", last_lines::skipped(&tally));
        println!("forbidden={}", verdict.count(Counter::Forbidden));
        let is_complete = tally.is_complete(planned, options.may_skip);
        if !is_complete {
            println!("a failure: of {planned} faults {} counted", tally.counted);
        }
        Ok(Outcome {
            is_clean: verdict.is_clean() && is_complete,
            last_line: last_lines::last(&tally, &told.operations, &verdict),
            verdict,
        })
    }

    fn client(&self, subject: &str) -> Result<Client> {
        let token = token(subject, Role::Writer)?;
        let urls = Urls {
            commands: self.site.urls_for_clients(Dependency::CommandApi),
            queries: self.site.urls_for_clients(Dependency::QueryApi),
            grpc: self.site.urls_for_clients(Dependency::QueryGrpc),
        };
        Client::new(urls, subject, token, Patience::SHORT)
    }

    async fn problem(&self, what: String) {
        self.problems.lock().await.push(what);
    }
}

/// Keeps history and logs.
pub fn keep(world: &World, folder: &std::path::Path, kept: &std::path::Path) -> Result<()> {
    std::fs::create_dir_all(kept)?;
    world.history.save(&kept.join("history.jsonl"))?;
    for logs in ["services", "log"] {
        for entry in std::fs::read_dir(folder.join(logs)).into_iter().flatten() {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), kept.join(entry.file_name()))?;
            }
        }
    }
    Ok(())
}
