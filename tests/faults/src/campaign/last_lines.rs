//! The end of what a campaign prints, whose form others read.

use super::Tally;
use crate::{
    check::{Counter, Verdict},
    history::{Kind, Operation},
};

/// Those that this machine does not allow, each with its class in brackets.
pub(super) fn skipped(tally: &Tally) -> String {
    let names: Vec<_> = tally
        .skipped
        .iter()
        .map(|fault| format!("{fault} [{}]", fault.class()))
        .collect();
    let mut line = format!("skipped={}", names.len());
    if !names.is_empty() {
        line = format!("{line}: {}", names.join(", "));
    }
    line
}

pub(super) fn last(tally: &Tally, operations: &[Operation], verdict: &Verdict) -> String {
    let acknowledged = operations.iter().filter(|operation| operation.is_ok());
    let commands = acknowledged
        .clone()
        .filter(|operation| operation.is_command())
        .count();
    let uploads = acknowledged
        .filter(|operation| operation.kind == Kind::Announce)
        .count();
    let counters = Counter::LAST_LINE.map(|counter| format!("{}={}", counter.name(), verdict.count(counter)));
    format!(
        "faults={} commands={commands} uploads={uploads} {}",
        tally.counted,
        counters.join(" ")
    )
}

impl Tally {
    /// Whether nothing that was planned is missing, but what may be skipped.
    pub(super) fn is_complete(&self, planned: usize, may_skip: bool) -> bool {
        let skipped = if may_skip { self.skipped.len() } else { 0 };
        self.counted + skipped == planned
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, skipped};
    use crate::fault::{Fault, Jump};

    #[test]
    fn a_fault_that_was_skipped_is_missing_unless_it_may_be() {
        let tally = Tally {
            counted: 11,
            skipped: vec![Fault::FullDisk],
        };
        assert!(!tally.is_complete(12, false));
        assert!(tally.is_complete(12, true));
        assert!(
            !tally.is_complete(13, true),
            "one failed, and nobody allowed that"
        );
    }

    #[test]
    fn what_was_skipped_is_told_by_name_and_class() {
        let tally = Tally {
            counted: 1,
            skipped: vec![Fault::FullDisk, Fault::ClockJump(Jump::Back)],
        };
        let line = "skipped=2: fill the object store's disk [full disk], \
                    set the clocks of two instances back [clock]";
        assert_eq!(skipped(&tally), line);
        assert_eq!(skipped(&Tally::default()), "skipped=0");
    }
}
