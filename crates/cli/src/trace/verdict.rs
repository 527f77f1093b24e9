//! What follows from the hops: where it is, since when, what it waits for, and what to do.

use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    hop::{Hop, HopState},
    moment,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing is waited for.
    Settled,
    /// Something is waited for that comes by itself.
    OnItsWay,
    /// Somebody has to do something.
    Stuck,
    /// Not all could be looked at, and of what was nothing waits.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub standing: Standing,
    pub text: String,
    place: Option<String>,
    since: Option<OffsetDateTime>,
    reason: Option<String>,
    advice: Option<String>,
}

/// The first hop that a person is needed for says it; if there is none, the first that waits.
pub fn of(title: &str, hops: &[Hop], now: OffsetDateTime) -> Verdict {
    let waiting = || {
        hops.iter()
            .filter_map(|hop| Some((hop.since, hop.wait.as_ref()?)))
    };
    let stuck = waiting().find(|(_, wait)| wait.is_stuck);
    let unseen: Vec<&str> = hops
        .iter()
        .filter(|hop| hop.state == HopState::Unknown)
        .map(|hop| &*hop.name)
        .collect();
    if let Some((since, wait)) = stuck.or_else(|| waiting().next()) {
        let since_when = since.map(|at| format!(" since {}", moment::with_age(at, now)));
        let mut text = format!(
            "{title}: {}{}: {}; {}",
            wait.place,
            since_when.unwrap_or_default(),
            wait.reason,
            wait.advice
        );
        if !unseen.is_empty() {
            text.push_str(&format!(" (not looked at: {})", unseen.join(", ")));
        }
        return Verdict {
            standing: if wait.is_stuck {
                Standing::Stuck
            } else {
                Standing::OnItsWay
            },
            text,
            place: Some(wait.place.clone()),
            since,
            reason: Some(wait.reason.clone()),
            advice: Some(wait.advice.clone()),
        };
    }
    if unseen.is_empty() {
        settled(title, hops, now)
    } else {
        unknown(title, &unseen)
    }
}

fn settled(title: &str, hops: &[Hop], now: OffsetDateTime) -> Verdict {
    // What it is now, by the first store that says since when.
    let last = hops.iter().find(|hop| hop.name.starts_with("state "));
    let last = last.or(hops.first());
    let since = last.and_then(|hop| hop.since);
    let what = last.map_or_else(String::new, |hop| format!(": {}", hop.detail));
    let since_when = since.map(|at| format!(" since {}", moment::with_age(at, now)));
    Verdict {
        standing: Standing::Settled,
        text: format!(
            "{title}: at its end{}{what}; nothing is waited for",
            since_when.unwrap_or_default()
        ),
        place: None,
        since,
        reason: None,
        advice: None,
    }
}

fn unknown(title: &str, unseen: &[&str]) -> Verdict {
    let advice = "look again when they answer".to_owned();
    Verdict {
        standing: Standing::Unknown,
        text: format!(
            "{title}: nothing is waited for in what was seen; not looked at: {}; {advice}",
            unseen.join(", ")
        ),
        place: None,
        since: None,
        reason: None,
        advice: Some(advice),
    }
}

impl Verdict {
    pub fn to_json(&self) -> Value {
        json!({
            "standing": self.standing,
            "text": self.text,
            "place": self.place,
            "since": self.since.map(moment::text),
            "reason": self.reason,
            "advice": self.advice,
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::trace::hop::{NotSeen, Wait};

    const SINCE: OffsetDateTime = datetime!(2026-12-01 02:00 UTC);
    const NOW: OffsetDateTime = datetime!(2026-12-01 02:00:05 UTC);

    fn done(name: &str) -> Hop {
        Hop::new(name, HopState::Done, "stored, version 3").since(SINCE)
    }

    fn waiting(place: &str, is_stuck: bool) -> Hop {
        Hop::new(place, HopState::Waiting, "").since(SINCE).waits(Wait {
            is_stuck,
            place: place.to_owned(),
            reason: "because".to_owned(),
            advice: "do this".to_owned(),
        })
    }

    #[test]
    fn what_a_person_is_needed_for_comes_before_what_comes_by_itself() {
        let hops = [
            done("state (command-api)"),
            waiting("here", false),
            waiting("there", true),
        ];
        let verdict = of("upload 7", &hops, NOW);
        assert_eq!(verdict.standing, Standing::Stuck);
        let expected = "upload 7: there since 2026-12-01T02:00:00Z (5 s ago): because; do this";
        assert_eq!(verdict.text, expected);
        let verdict = of("upload 7", &hops[..2], NOW);
        assert_eq!(verdict.standing, Standing::OnItsWay);
        assert!(
            verdict.text.starts_with("upload 7: here since"),
            "{}",
            verdict.text
        );
    }

    #[test]
    fn where_nothing_waits_it_is_at_its_end_unless_something_was_not_seen() {
        let seen = done("state (command-api)");
        let verdict = of("item 7", std::slice::from_ref(&seen), NOW);
        assert_eq!(verdict.standing, Standing::Settled);
        let expected = "item 7: at its end since 2026-12-01T02:00:00Z (5 s ago): stored, version 3; nothing is waited for";
        assert_eq!(verdict.text, expected);
        let away = Hop::unseen("cache (Redis)", &NotSeen("refused".to_owned()));
        let verdict = of("item 7", &[seen, away.clone()], NOW);
        assert_eq!(verdict.standing, Standing::Unknown);
        assert!(verdict.text.contains("cache (Redis)"), "{}", verdict.text);
        let verdict = of("item 7", &[waiting("here", false), away], NOW);
        assert_eq!(verdict.standing, Standing::OnItsWay);
        assert!(
            verdict.text.ends_with("(not looked at: cache (Redis))"),
            "{}",
            verdict.text
        );
    }
}
