//! What became of work that takes long, or went wrong: sagas and dead letters. command-api tells of both.

use std::collections::BTreeMap;

use crate::pipeline::{
    figures::total,
    picture::{DeadLetters, SagaCount, StageName, StageState, Unit},
    stage::{Crew, Judged, World, degraded_if, figure, worse},
};

/// So many letters are no accident of some messages: what writes or reads them is broken.
const FULL: f64 = 100.0;

/// Each tells all of them.
fn largest_by(crew: Crew<'_>, name: &'static str, labels: [&str; 2]) -> BTreeMap<(String, String), f64> {
    let mut largest = BTreeMap::new();
    for value in crew.figures().flat_map(|figures| figures.each(name)) {
        let [Some(one), Some(other)] = labels.map(|label| value.labels.get(label)) else {
            continue;
        };
        let known = largest.entry((one.clone(), other.clone())).or_insert(value.value);
        *known = f64::max(*known, value.value);
    }
    largest
}

/// Sagas that have not ended.
pub fn sagas(world: &World<'_>) -> Vec<SagaCount> {
    largest_by(world.command_api, "depot_sagas_open", ["saga", "state"])
        .into_iter()
        .map(|((saga, state), open)| SagaCount { saga, state, open })
        .collect()
}

/// Where letters are open.
pub fn dead_letters(world: &World<'_>) -> Vec<DeadLetters> {
    let labels = ["group", "topic"];
    let oldest = largest_by(world.command_api, "depot_dead_letters_oldest_seconds", labels);
    largest_by(world.command_api, "depot_dead_letters_open", labels)
        .into_iter()
        .filter(|(_, open)| *open > 0.0)
        .map(|(place, open)| DeadLetters {
            oldest_seconds: oldest.get(&place).copied(),
            open,
            group: place.0,
            topic: place.1,
        })
        .collect()
}

pub fn saga(world: &World<'_>) -> Judged {
    let crew = world.command_api;
    let sagas = sagas(world);
    let is_known = crew.beats().next().is_some();
    let count = |state: &str| {
        let of_state = sagas.iter().filter(|count| count.state == state);
        is_known.then(|| total(of_state.map(|count| count.open)))
    };
    let stuck = count("stuck").unwrap_or(0.0);
    let stopped = crew.stopped_partitions(Some(&world.groups.saga));
    let verdict = if is_known {
        worse(
            degraded_if(stuck > 0.0, || {
                format!("{stuck} sagas are stuck: dead letters first, then `depot saga resume`")
            }),
            degraded_if(stopped > 0.0, || {
                format!("{stopped} partitions of the saga's group stand still until a person has looked")
            }),
        )
    } else {
        (StageState::Down, Some("no command-api tells of them".to_owned()))
    };
    let lag = crew.sum("depot_consumer_lag_messages", &[("group", &world.groups.saga)]);
    Judged {
        name: StageName::Saga,
        title: "sagas",
        source: "command-api/src/saga/upload_saga.rs",
        verdict,
        figures: vec![
            figure("running", "running", Unit::Count, count("running")),
            figure("compensating", "compensating", Unit::Count, count("compensating")),
            figure("stuck", "stuck", Unit::Count, count("stuck")),
            figure(
                "moves_per_second",
                "moves",
                Unit::PerSecond,
                crew.rate("depot_saga_moves_total", &[]),
            ),
            figure("lag_messages", "behind", Unit::Count, lag),
        ],
        settings: Vec::new(),
        instances: Vec::new(),
    }
}

pub fn letters(world: &World<'_>) -> Judged {
    let letters = dead_letters(world);
    let is_known = world.command_api.beats().next().is_some();
    let open = total(letters.iter().map(|letters| letters.open));
    let oldest = letters.iter().filter_map(|letters| letters.oldest_seconds);
    let groups: Vec<_> = letters
        .iter()
        .map(|letters| format!("{} of {} on {}", letters.open, letters.group, letters.topic))
        .collect();
    let state = match open {
        _ if !is_known => StageState::Down,
        open if open >= FULL => StageState::Down,
        open if open > 0.0 => StageState::Degraded,
        _ => StageState::Ok,
    };
    let reason = match state {
        StageState::Ok => None,
        _ if !is_known => Some("no command-api tells of them".to_owned()),
        _ => Some(format!("{open} messages were given up: {}", groups.join(", "))),
    };
    Judged {
        name: StageName::DeadLetters,
        title: "dead letters",
        source: "crates/consumer/src/dead_letter.rs",
        verdict: (state, reason),
        figures: vec![
            figure("open", "open", Unit::Count, is_known.then_some(open)),
            figure("oldest_seconds", "oldest", Unit::Seconds, oldest.reduce(f64::max)),
        ],
        settings: Vec::new(),
        instances: Vec::new(),
    }
}
