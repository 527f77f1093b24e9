use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use depot_test_stack::{free_port, wait_until};
use serde_json::Value;
use tokio::process::{Child, Command};
use url::Url;

use super::{Folder, workspace};
use crate::{process::Service, stack::Depot};

/// A Prometheus that scrapes one stack each second, by the deployed configuration and its rules; nothing but the targets and
/// the pace is another. It ends with the value.
pub struct OwnPrometheus {
    pub url: String,
    http: reqwest::Client,
    config: PathBuf,
    _process: Child,
    _folder: Folder,
}

impl OwnPrometheus {
    /// Waits until it answers, not until it has scraped anything.
    pub async fn start(depot: &Depot) -> Result<Self> {
        Self::start_in(Folder::new()?, depot, &deployed().join("rules")).await
    }

    /// As `start`, with rules that `altered` makes of the text of each of the deployed files.
    pub async fn start_with_rules(depot: &Depot, altered: impl Fn(&str) -> String) -> Result<Self> {
        let folder = Folder::new()?;
        let rules = folder.0.join("rules");
        fs::create_dir(&rules)?;
        for entry in fs::read_dir(deployed().join("rules"))? {
            let path = entry?.path();
            let name = path.file_name().context("a file has a name")?;
            fs::write(rules.join(name), altered(&fs::read_to_string(&path)?))?;
        }
        Self::start_in(folder, depot, &rules).await
    }

    async fn start_in(folder: Folder, depot: &Depot, rules: &Path) -> Result<Self> {
        let config = folder.0.join("prometheus.yml");
        fs::write(&config, configuration(depot, rules)?)?;
        let log = File::create(folder.0.join("log"))?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.0.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-lifecycle")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("start prometheus: deploy/native/install.sh check-rules installs it")?;
        let prometheus = Self {
            url: format!("http://{address}"),
            http: reqwest::Client::new(),
            config,
            _process: process,
            _folder: folder,
        };
        let ready = format!("{}/-/ready", prometheus.url);
        wait_until("Prometheus is ready", || async {
            let answer = prometheus.http.get(&ready).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        Ok(prometheus)
    }

    /// Takes a service's target away, as if nobody had told of it; answers what brings it back.
    pub async fn forget(&self, service: Service) -> Result<Forgotten> {
        let whole = fs::read_to_string(&self.config)?;
        let label = format!("labels: {{service: {}}}", service.name());
        let lines: Vec<_> = whole.lines().collect();
        let place = lines.iter().position(|line| line.trim() == label);
        let place = place.with_context(|| format!("no target has {label}"))?;
        let rest = [&lines[..place - 1], &lines[place + 1..]].concat();
        self.configure(&rest.join("\n")).await?;
        Ok(Forgotten(whole))
    }

    pub async fn remember(&self, Forgotten(whole): Forgotten) -> Result<()> {
        self.configure(&whole).await
    }

    async fn configure(&self, text: &str) -> Result<()> {
        fs::write(&self.config, text)?;
        let read = self.http.post(format!("{}/-/reload", self.url)).send().await?;
        ensure!(read.status().is_success(), "{}", read.text().await?);
        Ok(())
    }

    /// What a query finds now, one element a series.
    ///
    /// # Errors
    /// A query that Prometheus does not understand or cannot answer.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>> {
        let parameters = [("query", query)];
        let url = Url::parse_with_params(&format!("{}/api/v1/query", self.url), parameters)?;
        let found = self.get(url).await.with_context(|| query.to_owned())?["result"].take();
        Ok(found.as_array().cloned().unwrap_or_default())
    }

    /// The number that a query finds; none where it finds no series.
    pub async fn number(&self, query: &str) -> Result<Option<f64>> {
        let found = self.query(query).await?;
        let Some(first) = found.first() else {
            return Ok(None);
        };
        let value = first["value"][1].as_str().context("a number")?;
        Ok(Some(value.parse()?))
    }

    /// All rules that it has read, of all groups.
    pub async fn rules(&self) -> Result<Vec<Value>> {
        let data = self
            .get(Url::parse(&format!("{}/api/v1/rules", self.url))?)
            .await?;
        let groups = data["groups"].as_array().context("groups")?;
        let rules = groups.iter().filter_map(|group| group["rules"].as_array());
        Ok(rules.flatten().cloned().collect())
    }

    /// The names of all metrics that it has.
    pub async fn names(&self) -> Result<Vec<String>> {
        let url = format!("{}/api/v1/label/__name__/values", self.url);
        Ok(serde_json::from_value(self.get(Url::parse(&url)?).await?)?)
    }

    async fn get(&self, url: Url) -> Result<Value> {
        let mut answer: Value = self.http.get(url).send().await?.json().await?;
        ensure!(answer["status"] == "success", "{answer}");
        Ok(answer["data"].take())
    }
}

/// The configuration with all targets.
#[must_use]
pub struct Forgotten(String);

fn deployed() -> PathBuf {
    workspace().join("deploy/prometheus")
}

/// The deployed one, with the stack's own admin ports.
fn configuration(depot: &Depot, rules: &Path) -> Result<String> {
    let rules = rules.canonicalize()?;
    let mut text = fs::read_to_string(deployed().join("prometheus.yml"))?;
    for service in Service::ALL {
        let begins = format!("\"{}:", service.name());
        let begin = text
            .find(&begins)
            .with_context(|| format!("no target {begins}…"))?;
        let length = text[begin + 1..].find('"').context("a target ends")?;
        let address = depot.admin_url(service, "").replacen("http://", "", 1);
        text.replace_range(begin + 1..begin + 1 + length, &address);
    }
    for (deployed, here) in [
        ("scrape_interval: 5s", "scrape_interval: 1s".to_owned()),
        ("evaluation_interval: 15s", "evaluation_interval: 1s".to_owned()),
        ("- rules/*.yml", format!("- {}/*.yml", rules.display())),
    ] {
        ensure!(
            text.contains(deployed),
            "the deployed configuration has no {deployed}"
        );
        text = text.replace(deployed, &here);
    }
    Ok(text)
}
