//! A Depot that a Prometheus watches, in which faults are planted one after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    time::Duration,
};

use depot_end_to_end::{Backing, Client, Depot, OwnPrometheus};
use depot_service::auth::Role;
use depot_test_stack::{OperatorRole, eventually, wait_until};
use serde_json::json;
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::{
    page::Page,
    scale::scaled,
    table::{Group, ROWS},
};

/// For an alarm to come or go: longer than any of the scaled times, and than what is done once a minute.
const PATIENCE: Duration = Duration::from_secs(240);
const PAUSE: Duration = Duration::from_millis(200);

pub struct Scene {
    pub depot: Depot,
    pub prometheus: OwnPrometheus,
    /// What the page says is to be set, and what is of this scene.
    pub environment: Vec<(String, String)>,
    group: Group,
    page: Page,
    told: Vec<String>,
    done: BTreeSet<&'static str>,
}

/// Alarms that one fault raises.
#[must_use]
pub struct Rehearsal {
    alerts: &'static [&'static str],
    planted: Instant,
    fired: BTreeMap<&'static str, Duration>,
    mended_from: Instant,
    mended: BTreeSet<&'static str>,
}

/// Does something again and again, until it is dropped.
pub struct Repeated(JoinHandle<()>);

impl Drop for Repeated {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// `pause` lies between the end of one and the beginning of the next.
pub fn repeat<F>(pause: Duration, what: impl Fn() -> F + Send + 'static) -> Repeated
where
    F: Future<Output = ()> + Send,
{
    Repeated(tokio::spawn(async move {
        loop {
            what().await;
            sleep(pause).await;
        }
    }))
}

/// Creates an item each time; what is answered says nothing of what is rehearsed.
pub fn creating(client: &Client, pause: Duration) -> Repeated {
    let client = client.clone();
    repeat(pause, move || {
        let client = client.clone();
        async move {
            let (key, body) = (Uuid::now_v7().to_string(), json!({"name": "a"}));
            drop(client.create_item(&key, &body).await);
        }
    })
}

impl Scene {
    /// `settings` are the services', `tools` the page's besides what every scene has.
    pub async fn start(
        group: Group,
        backing: Backing,
        settings: &[(&str, &str)],
        tools: &[(&str, &str)],
    ) -> Self {
        let depot = Depot::start_on(backing, settings).await.unwrap();
        let prometheus = OwnPrometheus::start_with_rules(&depot, scaled).await.unwrap();
        let mut environment = depot.environment();
        let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
        set("DEPOT_TOKEN", depot.token("olivia", Role::Admin));
        set("PROMETHEUS_URL", prometheus.url.clone());
        set(OperatorRole::URL_VARIABLE, depot.backing.database.operator_url());
        set("MIGRATE_DATABASE_URL", depot.backing.database.owner_url());
        for (name, value) in tools {
            set(name, (*value).to_owned());
        }
        wait_until("all four are scraped", || async {
            prometheus.number("sum(up{job=\"depot\"})").await.unwrap() == Some(4.0)
        })
        .await;
        Self {
            depot,
            prometheus,
            environment,
            group,
            page: Page::read(),
            told: Vec::new(),
            done: BTreeSet::new(),
        }
    }

    pub fn client(&self, subject: &str) -> Client {
        self.depot.client(subject, Role::Writer)
    }

    pub async fn execute(&self, statement: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&self.depot.database);
        done.await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Somebody's transaction, which did this and is left open.
    pub async fn hold(&self, statement: &str) -> Transaction<'static, Postgres> {
        let mut open = self.depot.database.begin().await.unwrap();
        let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut *open);
        done.await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        open
    }

    async fn firing(&self) -> BTreeSet<String> {
        let found = self.prometheus.query("ALERTS{alertstate=\"firing\"}").await;
        let names = found.unwrap().into_iter();
        names
            .map(|series| series["metric"]["alertname"].as_str().unwrap().to_owned())
            .collect()
    }

    /// From here on what raises these is planted. None of them fires.
    pub async fn begin(&self, alerts: &'static [&'static str]) -> Rehearsal {
        for alert in alerts {
            let row = ROWS.iter().find(|row| row.alert == *alert).unwrap();
            assert_eq!(row.group, self.group, "{alert} is rehearsed by another test");
        }
        wait_until(&format!("{alerts:?} are silent before"), || async {
            let firing = self.firing().await;
            alerts.iter().all(|alert| !firing.contains(*alert))
        })
        .await;
        let now = Instant::now();
        Rehearsal {
            alerts,
            planted: now,
            fired: BTreeMap::new(),
            mended_from: now,
            mended: BTreeSet::new(),
        }
    }

    /// Waits until each fires, and runs what the page says shows it.
    pub async fn fires(&self, rehearsal: &mut Rehearsal) {
        rehearsal.fired = self.watch(rehearsal.alerts, rehearsal.planted, true).await;
        for alert in rehearsal.alerts {
            self.is_shown(alert).await;
        }
        rehearsal.mended_from = Instant::now();
    }

    /// Waits until all of them fire, or none does. Answers after how long each did so for the first time.
    async fn watch(
        &self,
        alerts: &'static [&'static str],
        since: Instant,
        fire: bool,
    ) -> BTreeMap<&'static str, Duration> {
        let deadline = Instant::now() + PATIENCE;
        let mut after = BTreeMap::new();
        loop {
            let firing = self.firing().await;
            let as_wanted = |alert: &&&'static str| firing.contains(**alert) == fire;
            for alert in alerts.iter().filter(as_wanted) {
                after.entry(*alert).or_insert_with(|| since.elapsed());
            }
            if alerts.iter().all(|alert| firing.contains(*alert) == fire) {
                return after;
            }
            let what = if fire { "fire" } else { "are silent" };
            assert!(
                Instant::now() < deadline,
                "not within {PATIENCE:?}: {alerts:?} {what}; firing are {firing:?}"
            );
            sleep(PAUSE).await;
        }
    }

    /// What is seen may come a little later than the alarm, which has another way.
    async fn is_shown(&self, alert: &str) {
        let words = ROWS.iter().find(|row| row.alert == alert).unwrap().shown;
        let blocks = &self.page.sections[alert].see;
        let said = eventually(&format!("the page's commands show {alert}"), || async {
            let said = self.page.look(blocks, &self.environment).await;
            let is_shown = words.iter().all(|word| said.contains(word));
            if !is_shown {
                println!("{alert} is to show {words:?}, and shows:\n{said}");
            }
            is_shown.then_some(said)
        })
        .await;
        println!("== {alert}, seen:\n{said}");
    }

    /// Runs what the page says mends it.
    pub async fn mends(&self, rehearsal: &mut Rehearsal, alert: &'static str) {
        let blocks = &self.page.sections[alert].mend;
        assert!(!blocks.is_empty(), "the page has nothing that mends {alert}");
        let said = self.page.mend(blocks, &self.environment).await;
        println!("== {alert}, mended:\n{said}");
        rehearsal.mended.insert(alert);
    }

    /// Waits until each is silent again. All that the page says of them has been done.
    pub async fn clears(&mut self, rehearsal: Rehearsal) {
        for alert in rehearsal.alerts {
            let has_mend = !self.page.sections[*alert].mend.is_empty();
            assert!(
                !has_mend || rehearsal.mended.contains(alert),
                "{alert}: what mends it was not run"
            );
        }
        let cleared = self.watch(rehearsal.alerts, rehearsal.mended_from, false).await;
        for alert in rehearsal.alerts {
            let line = format!(
                "{alert:32} fired after {:5.1} s, silent after {:5.1} s",
                rehearsal.fired[alert].as_secs_f64(),
                cleared[alert].as_secs_f64()
            );
            println!("{line}");
            self.told.push(line);
            self.done.insert(alert);
        }
    }

    /// This machine cannot be made to show it.
    pub fn leave_out(&mut self, alert: &'static str, reason: &str) {
        self.told.push(format!("{alert:32} NOT RUN: {reason}"));
        self.done.insert(alert);
    }

    /// All that the table gives to this test was rehearsed.
    pub fn end(self) {
        let rows = ROWS.iter().filter(|row| row.group == self.group);
        let expected: BTreeSet<_> = rows.map(|row| row.alert).collect();
        assert_eq!(self.done, expected);
        let told = format!("runbook, {:?}:\n  {}", self.group, self.told.join("\n  "));
        // Past the test harness, which keeps to itself what a test prints that passes.
        writeln!(std::io::stderr(), "{told}").unwrap();
    }
}
