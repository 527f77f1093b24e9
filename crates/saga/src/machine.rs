use std::{fmt, str::FromStr};

/// What a saga's step means for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SagaState {
    /// On its way; others are waited for.
    Running,
    /// It failed, and what was done is being undone.
    Compensating,
    /// Done.
    Completed,
    /// Undone.
    Compensated,
    /// It cannot go on by itself: somebody has to look.
    Stuck,
}

impl SagaState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Stuck => "stuck",
        }
    }
}

impl fmt::Display for SagaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SagaState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [
            Self::Running,
            Self::Compensating,
            Self::Completed,
            Self::Compensated,
            Self::Stuck,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| format!("`{text}` is no state of a saga"))
    }
}

/// A step of a saga: what it is doing or waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub state: SagaState,
    /// Names of the steps that may follow it. A step may always be repeated.
    pub next: &'static [&'static str],
}

/// A declared saga. The first step is where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saga {
    pub name: &'static str,
    pub steps: &'static [Step],
}

/// A step, or a move between two steps, that the saga does not declare.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UndeclaredStep {
    #[error("saga {saga} has no step `{step}`")]
    Step { saga: &'static str, step: String },
    #[error("saga {saga} declares no move from `{from}` to `{to}`")]
    Move {
        saga: &'static str,
        from: &'static str,
        to: &'static str,
    },
}

impl Saga {
    /// The step of that name.
    ///
    /// # Errors
    /// `Step` if none is declared.
    pub fn step(&self, name: &str) -> Result<&'static Step, UndeclaredStep> {
        let found = self.steps.iter().find(|step| step.name == name);
        found.ok_or_else(|| UndeclaredStep::Step {
            saga: self.name,
            step: name.to_owned(),
        })
    }

    /// The step `to`, if it may follow `from`.
    ///
    /// # Errors
    /// `Step` for an unknown name, `Move` where the declaration does not allow it.
    pub fn follow(&self, from: &str, to: &str) -> Result<&'static Step, UndeclaredStep> {
        let (from, to) = (self.step(from)?, self.step(to)?);
        if from.name == to.name || from.next.contains(&to.name) {
            return Ok(to);
        }
        Err(UndeclaredStep::Move {
            saga: self.name,
            from: from.name,
            to: to.name,
        })
    }

    /// What is wrong with the declaration itself; empty if nothing is. A test of the service calls it.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            if self.steps[..index].iter().any(|other| other.name == step.name) {
                faults.push(format!("`{}` is declared twice", step.name));
            }
            for next in step.next.iter().filter(|next| self.step(next).is_err()) {
                faults.push(format!(
                    "`{}` leads to `{next}`, which is not declared",
                    step.name
                ));
            }
            let under_way = matches!(step.state, SagaState::Running | SagaState::Compensating);
            if under_way && step.next.is_empty() {
                faults.push(format!("`{}` is under way and leads nowhere", step.name));
            }
            let reached = index == 0 || self.steps.iter().any(|other| other.next.contains(&step.name));
            if !reached {
                faults.push(format!("`{}` is never reached", step.name));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn step(name: &'static str, state: SagaState, next: &'static [&'static str]) -> Step {
        Step { name, state, next }
    }

    const SAGA: Saga = Saga {
        name: "example",
        steps: &[
            step("waiting", SagaState::Running, &["done", "undoing"]),
            step("undoing", SagaState::Compensating, &["undone"]),
            step("done", SagaState::Completed, &[]),
            step("undone", SagaState::Compensated, &[]),
        ],
    };

    #[test]
    fn only_declared_moves_and_repeats_are_allowed() {
        assert_eq!(
            SAGA.follow("waiting", "done").unwrap().state,
            SagaState::Completed
        );
        assert_eq!(SAGA.follow("done", "done").unwrap().name, "done");
        assert!(matches!(
            SAGA.follow("done", "undoing"),
            Err(UndeclaredStep::Move { .. })
        ));
        assert!(matches!(
            SAGA.follow("waiting", "nowhere"),
            Err(UndeclaredStep::Step { .. })
        ));
    }

    #[test]
    fn a_declaration_that_cannot_work_is_found_out() {
        assert_eq!(SAGA.faults(), Vec::<String>::new());
        const BROKEN: Saga = Saga {
            name: "broken",
            steps: &[
                step("a", SagaState::Running, &["b"]),
                step("a", SagaState::Compensating, &[]),
                step("c", SagaState::Completed, &[]),
            ],
        };
        assert_eq!(BROKEN.faults().len(), 5, "{:?}", BROKEN.faults());
    }

    #[test]
    fn a_state_reads_back_as_it_was_written() {
        for step in SAGA.steps {
            assert_eq!(step.state.as_str().parse(), Ok(step.state));
        }
    }
}
