//! What stages are judged by: the processes of each service, and what the stores answered.

use std::time::Duration;

use depot_service::heartbeat::Heartbeat;
use tokio::time::Instant;

use super::{
    figures::{Buckets, Figures},
    instance::Heard,
    picture::{ServiceInstance, StageFigure, StageName, StageSetting, StageState, Unit},
    stores::Answers,
};

/// A state with its reason.
pub type Verdict = (StageState, Option<String>);

/// What is known at one moment.
pub struct World<'a> {
    pub command_api: Crew<'a>,
    pub projector: Crew<'a>,
    pub uploader: Crew<'a>,
    pub query_api: Crew<'a>,
    pub stores: &'a Answers,
    pub groups: &'a Groups,
}

/// The consumer groups that are shown apart.
#[derive(Debug, Clone)]
pub struct Groups {
    pub projector: String,
    pub saga: String,
}

/// A stage as it is now; since when, the watcher knows.
pub struct Judged {
    pub name: StageName,
    pub title: &'static str,
    pub source: &'static str,
    pub verdict: Verdict,
    pub figures: Vec<StageFigure>,
    pub settings: Vec<StageSetting>,
    pub instances: Vec<ServiceInstance>,
}

/// A figure's name, and the counter with labels that it is the rate of.
pub type Rate<'a> = (&'static str, &'a str, &'a [(&'a str, &'a str)]);

/// The processes of one service.
#[derive(Clone, Copy)]
pub struct Crew<'a> {
    pub now: Instant,
    /// Where they should be, for people.
    pub named: &'a str,
    pub all: &'a [Heard],
}

impl<'a> Crew<'a> {
    /// Those that are not silent.
    pub fn beats(self) -> impl Iterator<Item = &'a Heartbeat> {
        self.all.iter().filter_map(move |one| one.beat(self.now))
    }

    pub fn figures(self) -> impl Iterator<Item = &'a Figures> {
        self.all.iter().filter_map(move |one| one.figures(self.now))
    }

    /// The sum over all; none if none tells it.
    pub fn sum(self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.figures()
            .filter_map(|figures| figures.sum(name, labels))
            .reduce(|sum, value| sum + value)
    }

    /// The largest of all; none if none tells it.
    pub fn max(self, name: &str) -> Option<f64> {
        self.figures()
            .filter_map(|figures| figures.max(name))
            .reduce(f64::max)
    }

    /// How much a counter grew in a second, of all together.
    pub fn rate(self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.all
            .iter()
            .filter_map(|one| one.rate(name, labels, self.now))
            .reduce(|sum, rate| sum + rate)
    }

    /// What a quantile of a histogram is, in milliseconds.
    pub fn quantile_ms(self, name: &str, part: f64) -> Option<f64> {
        let observed = self.all.iter().map(|one| one.observed(name, self.now));
        let all = observed.fold(Buckets::default(), |all, one| all.and(&one));
        all.quantile(part).map(|seconds| seconds * 1e3)
    }

    /// How many partitions stand still, waiting for a person; of one group, or of all.
    pub fn stopped_partitions(self, group: Option<&str>) -> f64 {
        let labels = group.map(|group| ("group", group));
        self.sum("depot_consumer_stopped_partitions", labels.as_slice())
            .unwrap_or(0.0)
    }

    /// For the picture, each with its own rates.
    pub fn shown(self, rates: &[Rate<'_>]) -> Vec<ServiceInstance> {
        let one = |one: &Heard| {
            let mut shown = one.shown(self.now);
            let rates = rates.iter();
            shown.figures = rates
                .map(|(name, metric, labels)| (*name, one.rate(metric, labels, self.now)))
                .collect();
            shown
        };
        self.all.iter().map(one).collect()
    }

    /// Whether they run and take work.
    pub fn verdict(self) -> Verdict {
        let silent: Vec<_> = self.all.iter().filter(|one| one.is_silent(self.now)).collect();
        let shown = |one: &Heard| {
            let shown = one.shown(self.now);
            let name = shown.instance.unwrap_or(shown.address);
            (name, shown.reason.unwrap_or_default(), shown.silent_ms / 1_000)
        };
        if self.all.is_empty() {
            let reason = format!("no process is known at {}", self.named);
            return (StageState::Down, Some(reason));
        }
        if let Some(first) = silent.first() {
            let (name, why, seconds) = shown(first);
            return if silent.len() == self.all.len() {
                let reason = format!("{name} is silent for {seconds} s: {why}");
                (StageState::Down, Some(reason))
            } else {
                let (silent, all) = (silent.len(), self.all.len());
                let reason = format!("{silent} of {all} processes are silent; {name} for {seconds} s: {why}");
                (StageState::Degraded, Some(reason))
            };
        }
        let unready = self
            .all
            .iter()
            .find(|one| one.shown(self.now).state != StageState::Ok);
        match unready.map(shown) {
            Some((name, why, _)) => (StageState::Degraded, Some(format!("{name}: {why}"))),
            None => (StageState::Ok, None),
        }
    }

    /// Of the process that began last, as its settings are the newest.
    pub fn settings(self) -> Vec<StageSetting> {
        let newest = self.beats().max_by_key(|beat| beat.started_at);
        let settings = newest.into_iter().flat_map(|beat| &beat.settings);
        settings
            .map(|(name, value)| StageSetting {
                name: name.clone(),
                value: value.clone(),
            })
            .collect()
    }
}

/// The worse of two; the first where they are as bad.
pub fn worse(one: Verdict, other: Verdict) -> Verdict {
    if other.0 > one.0 { other } else { one }
}

/// Degraded for this reason where something is so.
pub fn degraded_if(is_so: bool, reason: impl FnOnce() -> String) -> Verdict {
    match is_so {
        true => (StageState::Degraded, Some(reason())),
        false => (StageState::Ok, None),
    }
}

/// A figure of a stage.
pub fn figure(name: &'static str, label: &'static str, unit: Unit, value: Option<f64>) -> StageFigure {
    StageFigure {
        name,
        label,
        unit,
        value,
    }
}

/// How long a store took to answer, as a figure.
pub fn answer_ms(answer: &Result<Duration, String>) -> StageFigure {
    let took = answer.as_ref().ok().map(|took| took.as_secs_f64() * 1e3);
    figure("answer_ms", "answer", Unit::Ms, took)
}

/// What processes tell of something that they use.
pub struct Told {
    pub verdict: Verdict,
    pub answer: StageFigure,
}

/// Whether it answers those that use it, by their gauges: whether it does, and how long it took.
pub fn told(up: &str, answer_seconds: &str, crews: &[Crew<'_>]) -> Told {
    let each = |name: &str| -> Vec<f64> {
        let figures = crews.iter().flat_map(|crew| crew.figures());
        figures.filter_map(|figures| figures.max(name)).collect()
    };
    let up = each(up);
    let away = up.iter().filter(|up| **up < 1.0).count();
    let verdict = match (away, up.len()) {
        (_, 0) => (
            StageState::Down,
            Some("no process that uses it tells of it".to_owned()),
        ),
        (0, _) => (StageState::Ok, None),
        (away, all) if away == all => (
            StageState::Down,
            Some(format!("it answers none of the {all} processes that use it")),
        ),
        (away, all) => (
            StageState::Degraded,
            Some(format!(
                "it does not answer {away} of the {all} processes that use it"
            )),
        ),
    };
    // The gauge keeps what it was when the last answer came.
    let is_there = verdict.0 != StageState::Down;
    let slowest = each(answer_seconds).into_iter().reduce(f64::max);
    let slowest = slowest.filter(|_| is_there).map(|took| took * 1e3);
    Told {
        verdict,
        answer: figure("answer_ms", "answer", Unit::Ms, slowest),
    }
}
