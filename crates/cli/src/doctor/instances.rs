//! What each instance says of itself at its admin port, asked once for all parts.

use std::time::Duration;

use depot_service::{health::ReadinessReport, problem::chain};
use futures::future::join_all;
use reqwest::{Client, Response, StatusCode, header::DATE};

use super::{
    clock::{Lead, Reading},
    installation::Services,
};

/// A page of metrics takes longer than a probe.
const METRICS: Duration = Duration::from_secs(10);
/// Of an answer that is none of ours.
const MAX_SHOWN_CHARS: usize = 200;

/// An instance of a service.
pub struct Instance {
    /// The program's name.
    pub service: &'static str,
    pub url: String,
    pub state: State,
    /// How far its clock is ahead of this machine's.
    pub clock: Option<Lead>,
    /// Its metrics in Prometheus' text format.
    pub metrics: Option<String>,
}

/// What an instance answered.
pub enum State {
    /// Nothing, or something that no service of ours says; why, for people.
    Away(String),
    Answers(ReadinessReport),
}

/// All instances, side by side.
pub async fn ask_all(http: &Client, services: &Services) -> Vec<Instance> {
    let asked = services
        .admin_urls
        .iter()
        .map(|(service, url)| ask(http, service, url));
    join_all(asked).await
}

async fn ask(http: &Client, service: &'static str, url: &str) -> Instance {
    let (alive, metrics) = tokio::join!(probes(http, url), metrics(http, url));
    let (state, clock) = match alive {
        Ok((report, clock)) => (State::Answers(report), clock),
        Err(why) => (State::Away(why), None),
    };
    Instance {
        service,
        url: url.to_owned(),
        state,
        clock,
        metrics,
    }
}

/// What `/readyz` says, of an instance that says at `/livez` that it lives.
async fn probes(http: &Client, url: &str) -> Result<(ReadinessReport, Option<Lead>), String> {
    let (livez, readyz) = (format!("{url}/livez"), format!("{url}/readyz"));
    let reading = Reading::begin();
    let alive = answer(http, &livez).await?;
    let clock = alive
        .headers()
        .get(DATE)
        .and_then(|date| reading.of_http_date(date.to_str().ok()?));
    if alive.status() != StatusCode::OK {
        return Err(format!(
            "it answers {} at /livez: is that the admin port of a service?",
            alive.status()
        ));
    }
    let text = answer(http, &readyz).await?.text().await;
    let text = text.map_err(|error| chain(&error.without_url()))?;
    let report = serde_json::from_str(&text).map_err(|_| {
        let shown: String = text.trim().chars().take(MAX_SHOWN_CHARS).collect();
        format!("it does not answer at /readyz as a service does: {shown}")
    })?;
    Ok((report, clock))
}

async fn answer(http: &Client, url: &str) -> Result<Response, String> {
    let answer = http.get(url).send().await;
    answer.map_err(|error| chain(&error.without_url()))
}

/// None where there are none to be had; that the instance is away is told otherwise.
async fn metrics(http: &Client, url: &str) -> Option<String> {
    let request = http.get(format!("{url}/metrics")).timeout(METRICS);
    let answer = request.send().await.ok()?.error_for_status().ok()?;
    answer.text().await.ok()
}

impl Instance {
    /// The samples of a metric: each with its labels, as they stand in the text, and its value.
    pub fn samples<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        samples(self.metrics.as_deref().unwrap_or_default(), metric)
    }

    /// The version that it says it is of; programs that say none are older than this.
    pub fn version(&self) -> Option<&str> {
        let mut infos = self.samples("depot_build_info");
        infos.find_map(|(labels, _)| label(labels, "version"))
    }
}

pub fn samples<'a>(text: &'a str, metric: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(metric)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once('}')?,
            None => ("", rest),
        };
        // Another metric, whose name goes on.
        let value = value.strip_prefix(' ')?;
        Some((labels, value.split(' ').next()?.parse().ok()?))
    })
}

/// The value of a label. None of those that are looked at here has anything escaped in it.
pub fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels.split("\",").find_map(|label| {
        let value = label.trim().strip_prefix(name)?.strip_prefix("=\"")?;
        Some(value.trim_end_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_by_the_whole_name_of_their_metric_and_its_labels() {
        let text =
            "# HELP a x\na 1\na_total{group=\"g.h\",topic=\"t\"} 2.5\na{group=\"x\"} 3\nab{group=\"y\"} 4\n";
        let of = |metric| samples(text, metric).collect::<Vec<_>>();
        assert_eq!(of("a"), [("", 1.0), ("group=\"x\"", 3.0)]);
        assert_eq!(of("a_total"), [("group=\"g.h\",topic=\"t\"", 2.5)]);
        let labels = of("a_total")[0].0;
        assert_eq!(
            (
                label(labels, "group"),
                label(labels, "topic"),
                label(labels, "none")
            ),
            (Some("g.h"), Some("t"), None)
        );
    }
}
