//! Looking again and again, until everything is in order or refused.

use std::time::Duration;

use depot_retry::Delays;
use tokio::time::{Instant, sleep};

use super::{Check, Clearance, Finding, NoAnswer, Refusal, Weight};
use crate::health::ReadyState;

/// How long is waited, and how often is looked meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// For a step of the installation.
    pub(super) wait: Duration,
    pub(super) first_pause: Duration,
    pub(super) longest_pause: Duration,
}

impl Pace {
    pub(super) fn waiting(wait: Duration) -> Self {
        Self {
            wait,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(2),
        }
    }
}

/// A check, and what is given when it is passed.
pub(super) struct Entry {
    pub(super) check: Box<dyn Check>,
    pub(super) clearance: Clearance,
}

/// What one round found.
#[derive(Default)]
struct Round {
    findings: Vec<Finding>,
    unanswered: Vec<(&'static str, NoAnswer)>,
}

/// Gives each check's clearance as soon as that one is passed. Ends when all are, or with the first round that shows what
/// does not pass, or when what passes has not done so in time. Time counts from the first such finding, and a service that
/// does not answer is refused by nobody.
pub(super) async fn pass(entries: Vec<Entry>, pace: Pace, state: &ReadyState) -> Result<(), Refusal> {
    let mut delays = Delays::never_ending(pace.first_pause, pace.longest_pause);
    let mut found_first = None;
    let mut told = String::new();
    loop {
        let Round { findings, unanswered } = look(&entries).await;
        if findings.is_empty() && unanswered.is_empty() {
            tracing::info!("the installation is as this program needs it");
            return Ok(());
        }
        if !findings.is_empty() {
            let is_wrong = findings.iter().any(|finding| finding.weight == Weight::Wrong);
            let begun = *found_first.get_or_insert_with(Instant::now);
            let is_over = begun.elapsed() >= pace.wait;
            if is_wrong || is_over {
                return Err(Refusal {
                    findings,
                    unanswered,
                    waited: (!is_wrong).then(|| begun.elapsed()),
                });
            }
        }
        let reason = reason(&findings, &unanswered);
        if told != reason {
            tracing::warn!(reason, "the installation is waited for");
            told.clone_from(&reason);
        }
        state.waiting_for(reason);
        sleep(delays.next_delay().unwrap_or(pace.longest_pause)).await;
    }
}

/// One round over what is not cleared yet, all side by side.
async fn look(entries: &[Entry]) -> Round {
    let open = entries.iter().filter(|entry| !entry.clearance.is_given());
    let looks = open.map(|entry| async move {
        let answer = entry.check.look().await;
        if answer.as_ref().is_ok_and(Vec::is_empty) {
            entry.clearance.give();
        }
        (entry.check.subject(), answer)
    });
    let mut round = Round::default();
    for (subject, answer) in futures::future::join_all(looks).await {
        match answer {
            Ok(findings) => round.findings.extend(findings),
            Err(no_answer) => round.unanswered.push((subject, no_answer)),
        }
    }
    round
}

fn reason(findings: &[Finding], unanswered: &[(&'static str, NoAnswer)]) -> String {
    let findings = findings.iter().map(ToString::to_string);
    let unanswered = unanswered
        .iter()
        .map(|(subject, NoAnswer(why))| format!("{subject} does not answer: {why}"));
    findings.chain(unanswered).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::{FutureExt as _, future::BoxFuture};

    use super::*;
    use crate::health::Readiness;

    type Answer = Result<Vec<Finding>, NoAnswer>;

    /// Gives one answer after the other, and the last one for good.
    struct Scripted(Mutex<Vec<Answer>>);

    impl Check for Scripted {
        fn subject(&self) -> &'static str {
            "the service"
        }

        fn look(&self) -> BoxFuture<'_, Answer> {
            let mut answers = self.0.lock().unwrap();
            let answer = if answers.len() > 1 {
                answers.remove(0)
            } else {
                answers[0].clone()
            };
            futures::future::ready(answer).boxed()
        }
    }

    fn entry(answers: impl IntoIterator<Item = Answer>) -> Entry {
        Entry {
            check: Box::new(Scripted(Mutex::new(answers.into_iter().collect()))),
            clearance: Clearance::default(),
        }
    }

    fn away() -> Answer {
        Err(NoAnswer("connection refused".to_owned()))
    }

    fn pending() -> Finding {
        Finding::pending("schema", "is not there", "migrate")
    }

    fn wrong() -> Finding {
        Finding::wrong("topic", "is wrong", "make another")
    }

    fn pace(wait: Duration) -> Pace {
        let millisecond = Duration::from_millis(1);
        Pace {
            wait,
            first_pause: millisecond,
            longest_pause: 2 * millisecond,
        }
    }

    const NO_TIME: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(3_600);

    async fn passed(entries: Vec<Entry>, wait: Duration) -> Result<(), Refusal> {
        pass(entries, pace(wait), &Readiness::new().part("installation")).await
    }

    #[tokio::test]
    async fn a_service_that_is_away_is_waited_for_however_long_it_takes() {
        let answers = vec![away(); 100].into_iter().chain([Ok(vec![])]);
        passed(vec![entry(answers)], NO_TIME).await.unwrap();
    }

    #[tokio::test]
    async fn a_step_that_is_run_in_time_is_waited_for() {
        let answers = vec![Ok(vec![pending()]); 20].into_iter().chain([Ok(vec![])]);
        passed(vec![entry(answers)], LONG).await.unwrap();
    }

    #[tokio::test]
    async fn a_step_that_nobody_runs_is_refused_when_the_time_is_over_and_not_before() {
        let begun = Instant::now();
        let wait = Duration::from_millis(300);
        let refusal = passed(vec![entry([Ok(vec![pending()])])], wait)
            .await
            .unwrap_err();
        assert_eq!(refusal.findings, [pending()]);
        assert!(begun.elapsed() >= wait && refusal.waited.is_some_and(|waited| waited >= wait));
        let said = refusal.to_string();
        assert!(
            said.starts_with("the installation has 1 fault, for ") && said.contains(" s already:\n  schema"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_service_that_went_away_again_is_not_refused_for_what_it_said_before() {
        let wait = Duration::from_millis(20);
        let mut answers = vec![Ok(vec![pending()])];
        answers.extend(vec![away(); 100]);
        answers.push(Ok(vec![]));
        passed(vec![entry(answers)], wait).await.unwrap();
    }

    #[tokio::test]
    async fn what_does_not_pass_is_refused_at_once_with_all_that_was_found() {
        let entries = vec![
            entry([Ok(vec![pending()])]),
            entry([Ok(vec![wrong(), wrong()])]),
            entry([away()]),
        ];
        let refusal = passed(entries, LONG).await.unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the installation has 3 faults:\n  schema: is not there; migrate\n  topic: is wrong; make another\n  \
             topic: is wrong; make another\n  not looked at: the service, which does not answer: connection refused"
        );
    }

    #[tokio::test]
    async fn what_is_in_order_is_cleared_while_another_service_is_away() {
        let entries = vec![entry([Ok(vec![])]), entry([away()])];
        let (first, second) = (entries[0].clearance.clone(), entries[1].clearance.clone());
        let both = first.and(&second);
        let passing = tokio::spawn(passed(entries, NO_TIME));
        first.given().await;
        assert!(!second.is_given() && !both.is_given());
        passing.abort();
    }
}
