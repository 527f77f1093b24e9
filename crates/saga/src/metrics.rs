//! The crate's metrics, declared once.

use metrics::{Unit, counter, describe_counter, describe_gauge};

use crate::machine::{Saga, Step};

pub(crate) const OPEN: &str = "depot_sagas_open";
pub(crate) const STUCK: &str = "depot_sagas_stuck";
const MOVES: &str = "depot_saga_moves_total";
const TIMEOUTS: &str = "depot_saga_timeouts_total";

/// Says what each metric means, and begins those of this saga. Further calls change nothing.
pub(crate) fn declare(saga: &Saga) {
    describe_gauge!(
        OPEN,
        Unit::Count,
        "Sagas by state, of the states in which something is still to be done, each counted up to 10,000"
    );
    describe_gauge!(
        STUCK,
        Unit::Count,
        "Sagas that asked as often as is declared and had no answer"
    );
    describe_counter!(
        MOVES,
        Unit::Count,
        "Moves of sagas by the step that they lead to; what is rolled back and done again counts again"
    );
    describe_counter!(
        TIMEOUTS,
        Unit::Count,
        "Deadlines that had passed, by outcome: handled or failed"
    );
    for step in saga.steps {
        counter!(MOVES, "saga" => saga.name, "step" => step.name).increment(0);
    }
    count_timeouts(saga, 0, 0);
}

pub(crate) fn count_move(saga: &Saga, to: &Step) {
    counter!(MOVES, "saga" => saga.name, "step" => to.name).increment(1);
}

pub(crate) fn count_timeouts(saga: &Saga, handled: usize, failed: usize) {
    counter!(TIMEOUTS, "saga" => saga.name, "outcome" => "handled").increment(handled as u64);
    counter!(TIMEOUTS, "saga" => saga.name, "outcome" => "failed").increment(failed as u64);
}
