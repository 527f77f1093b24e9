//! One process, as it was heard at its admin port.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use depot_service::heartbeat::{CHECKS_WITHIN, Heartbeat, PATH};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{
    figures::{Buckets, Figures, rate},
    picture::{ServiceInstance, StageState},
};

/// Beyond this, and twice without an answer, a process is taken for one that does not run.
pub const SILENT_AFTER: Duration = Duration::from_millis(1_500);
/// An answer waits for the checks of readiness for so long at most.
pub const ASK: Duration = Duration::from_millis(CHECKS_WITHIN.as_millis() as u64 + 400);
/// Rates are over so much of the past, or over as long as lies between two answers.
const WINDOW: Duration = Duration::from_secs(5);
/// The most answers that are kept.
const MOST: usize = 32;

/// When it came, and what it told.
type Answer = (Instant, Figures);

/// What is known of one address.
#[derive(Debug)]
pub struct Heard {
    pub address: SocketAddr,
    first_asked: Instant,
    last: Option<(Instant, OffsetDateTime, Heartbeat)>,
    past: VecDeque<Answer>,
    /// Questions without an answer since the last one that had one.
    failures: u32,
    why: Option<String>,
    /// Since when nobody names the address any more.
    pub unnamed_since: Option<Instant>,
}

impl Heard {
    pub fn new(address: SocketAddr, now: Instant) -> Self {
        Self {
            address,
            first_asked: now,
            last: None,
            past: VecDeque::new(),
            failures: 0,
            why: None,
            unnamed_since: None,
        }
    }

    /// Notes an answer, or why there was none.
    pub fn note(&mut self, answer: Result<Heartbeat, String>, now: Instant, at: OffsetDateTime) {
        match answer {
            Ok(beat) => {
                let is_another = |(_, _, last): &(_, _, Heartbeat)| {
                    last.instance != beat.instance || last.started_at != beat.started_at
                };
                if self.last.as_ref().is_some_and(is_another) {
                    self.past.clear();
                }
                self.past.push_back((now, Figures::new(beat.figures.clone())));
                self.forget(now);
                self.last = Some((now, at, beat));
                (self.failures, self.why) = (0, None);
            }
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                self.why = Some(why);
            }
        }
    }

    /// Keeps what rates are made of: one answer older than the window at most.
    fn forget(&mut self, now: Instant) {
        let is_old = |answer: Option<&Answer>| answer.is_some_and(|(at, _)| now - *at > WINDOW);
        while self.past.len() > MOST || (self.past.len() > 2 && is_old(self.past.front())) {
            self.past.pop_front();
        }
    }

    pub fn silent(&self, now: Instant) -> Duration {
        let heard = self.last.as_ref().map(|(at, _, _)| *at);
        now - heard.unwrap_or(self.first_asked)
    }

    /// Whether it is taken for one that does not run.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.failures >= 2 && self.silent(now) > SILENT_AFTER
    }

    /// What it told last, unless it is silent.
    pub fn beat(&self, now: Instant) -> Option<&Heartbeat> {
        let (_, _, beat) = self.last.as_ref()?;
        Some(beat).filter(|_| !self.is_silent(now))
    }

    /// The figures that it told last, unless it is silent.
    pub fn figures(&self, now: Instant) -> Option<&Figures> {
        self.beat(now)?;
        self.past.back().map(|(_, figures)| figures)
    }

    /// How much a counter grew in a second.
    pub fn rate(&self, name: &str, labels: &[(&str, &str)], now: Instant) -> Option<f64> {
        let ((from, earlier), (to, later)) = self.ends(now)?;
        rate(earlier.sum(name, labels), later.sum(name, labels), *to - *from)
    }

    /// What a histogram took in.
    pub fn observed(&self, name: &str, now: Instant) -> Buckets {
        self.ends(now)
            .map_or_else(Buckets::default, |((_, earlier), (_, later))| {
                later.buckets(name).since(&earlier.buckets(name))
            })
    }

    fn ends(&self, now: Instant) -> Option<(&Answer, &Answer)> {
        self.beat(now)?;
        let (first, last) = (self.past.front()?, self.past.back()?);
        (first.0 < last.0).then_some((first, last))
    }

    /// For the picture.
    pub fn shown(&self, now: Instant) -> ServiceInstance {
        let is_silent = self.is_silent(now);
        let beat = self.last.as_ref().map(|(_, _, beat)| beat);
        let figures = self.figures(now);
        let state = match beat {
            _ if is_silent => StageState::Down,
            Some(beat) if beat.ready => StageState::Ok,
            _ => StageState::Degraded,
        };
        let waiting_for = beat
            .filter(|_| !is_silent)
            .map(|beat| beat.waiting_for.clone())
            .unwrap_or_default();
        let reason = match state {
            StageState::Ok => None,
            StageState::Down => Some(
                self.why
                    .clone()
                    .unwrap_or_else(|| "it does not answer".to_owned()),
            ),
            StageState::Degraded if beat.is_some_and(|beat| beat.draining) => Some("it is ending".to_owned()),
            StageState::Degraded if beat.is_none() => Some("it was not heard yet".to_owned()),
            StageState::Degraded => {
                let parts = waiting_for.iter();
                let parts: Vec<_> = parts
                    .map(|part| format!("{}: {}", part.name, part.reason))
                    .collect();
                Some(format!("it waits for {}", parts.join("; ")))
            }
        };
        ServiceInstance {
            instance: beat.map(|beat| beat.instance.clone()),
            address: self.address.to_string(),
            version: beat.map(|beat| beat.version.clone()),
            started_at: beat.map(|beat| beat.started_at),
            last_seen: self.last.as_ref().map(|(_, at, _)| *at),
            silent_ms: u64::try_from(self.silent(now).as_millis()).unwrap_or(u64::MAX),
            state,
            reason,
            draining: beat.is_some_and(|beat| beat.draining),
            waiting_for,
            shards_held: figures.and_then(|figures| figures.sum("depot_outbox_shards_held", &[])),
            epoch_max: figures.and_then(|figures| figures.max("depot_outbox_epoch_max")),
            figures: std::collections::BTreeMap::new(),
        }
    }
}

/// Asks a process how it is.
///
/// # Errors
/// Why it does not answer, in words.
pub async fn ask(client: &reqwest::Client, address: SocketAddr) -> Result<Heartbeat, String> {
    let url = format!("http://{address}{PATH}");
    let answer = client
        .get(url)
        .timeout(ASK)
        .send()
        .await
        .map_err(|error| why(&error))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("it answers {status} where its heartbeat should be"));
    }
    answer.json().await.map_err(|error| why(&error))
}

fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} ms", ASK.as_millis());
    }
    if error.is_connect() {
        return "nothing listens there".to_owned();
    }
    depot_service::problem::chain(error)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use depot_service::heartbeat::Value;
    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);

    fn beat(instance: &str, count: f64) -> Heartbeat {
        Heartbeat {
            service: "command-api".to_owned(),
            instance: instance.to_owned(),
            version: "1".to_owned(),
            started_at: AT,
            ready: true,
            draining: false,
            waiting_for: Vec::new(),
            figures: vec![Value {
                name: "n".to_owned(),
                labels: BTreeMap::new(),
                value: count,
            }],
            settings: BTreeMap::new(),
        }
    }

    fn heard(start: Instant) -> Heard {
        Heard::new("127.0.0.1:1".parse().unwrap(), start)
    }

    #[test]
    fn a_process_is_down_when_it_was_silent_long_enough_and_twice() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut process = heard(start);
        process.note(Ok(beat("a", 1.0)), start, AT);
        process.note(Err("gone".to_owned()), after(1_600), AT);
        assert_eq!(process.shown(after(1_600)).state, StageState::Ok);
        process.note(Err("gone".to_owned()), after(1_700), AT);
        let shown = process.shown(after(1_700));
        assert_eq!(shown.state, StageState::Down);
        assert_eq!(shown.reason.as_deref(), Some("gone"));
        assert_eq!(shown.silent_ms, 1_700);
        assert!(process.figures(after(1_700)).is_none());
        process.note(Ok(beat("a", 2.0)), after(1_800), AT);
        assert_eq!(process.shown(after(1_800)).state, StageState::Ok);
    }

    #[test]
    fn one_that_was_never_heard_is_down_after_a_while() {
        let start = Instant::now();
        let mut process = heard(start);
        process.note(Err("x".to_owned()), start, AT);
        assert_eq!(process.shown(start).state, StageState::Degraded);
        let later = start + Duration::from_secs(2);
        process.note(Err("x".to_owned()), later, AT);
        assert_eq!(process.shown(later).state, StageState::Down);
    }

    #[test]
    fn rates_are_over_the_window_and_of_one_process_alone() {
        let start = Instant::now();
        let mut process = heard(start);
        for second in 0..20_u32 {
            let now = start + Duration::from_secs(second.into());
            process.note(Ok(beat("a", f64::from(second) * 10.0)), now, AT);
        }
        let now = start + Duration::from_secs(19);
        assert_eq!(process.rate("n", &[], now), Some(10.0));
        assert!(process.past.len() < 10);
        process.note(Ok(beat("b", 3.0)), start + Duration::from_secs(20), AT);
        assert_eq!(process.rate("n", &[], start + Duration::from_secs(20)), None);
    }
}
