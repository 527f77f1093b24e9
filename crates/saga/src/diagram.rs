//! A saga's declaration as a picture: what is drawn is what is declared.

use std::fmt::Write as _;

use crate::machine::{Deadline, Saga, SagaState};

impl Saga {
    /// The state diagram in Mermaid's language, a line each for what a step means, its deadline, and each way out of
    /// it: `trigger / what is done`. Documents quote it, and a test compares.
    pub fn mermaid(&self) -> String {
        let mut lines = String::from("stateDiagram-v2\n");
        let mut line = |text: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = writeln!(lines, "    {text}");
        };
        if let Some(first) = self.steps.first() {
            line(format_args!("[*] --> {}: {}", first.name, self.begins));
        }
        for step in self.steps {
            line(format_args!("{}: {} ({})", step.name, step.name, step.state));
            line(format_args!("{}: {}", step.name, step.what));
            match step.deadline {
                Some(Deadline::Given { at }) => line(format_args!("{}: deadline — {at}", step.name)),
                Some(Deadline::AskAgain(again)) => line(format_args!(
                    "{}: after {}, {}, … at most {} asks again for {}, {} times, then is stuck",
                    step.name,
                    span(again.first.as_secs()),
                    span(again.delay(1).as_secs()),
                    span(again.longest.as_secs()),
                    again.what,
                    again.attempts
                )),
                None => {}
            }
            for to in step.moves {
                line(format_args!(
                    "{} --> {}: {} / {}",
                    step.name, to.to, to.on, to.does
                ));
            }
            if matches!(step.state, SagaState::Completed | SagaState::Compensated) {
                line(format_args!("{} --> [*]", step.name));
            }
        }
        lines
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        whole if whole % 3_600 == 0 => format!("{} h", whole / 3_600),
        whole if whole % 60 == 0 => format!("{} min", whole / 60),
        seconds => format!("{seconds} s"),
    }
}
