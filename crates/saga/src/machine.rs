use std::{fmt, str::FromStr, time::Duration};

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

/// When a step that is under way does something by itself. By the database's clock, in the saga's row: it survives
/// every restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// Named by whoever begins the saga; when it has passed, the saga leaves the step.
    Given {
        /// What it is measured from, for people.
        at: &'static str,
    },
    /// Nobody answered: what the step waits for is asked for again.
    AskAgain(AskAgain),
}

/// How a step asks again. After the last attempt the saga is [`SagaState::Stuck`], until the answer comes after all or
/// somebody resumes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskAgain {
    /// What is asked for, for people.
    pub what: &'static str,
    /// The wait before the first repetition; each further one is twice as long.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
    /// Repetitions before the saga is stuck.
    pub attempts: u32,
}

impl AskAgain {
    /// The wait after the repetition number `asked`; 0 is the question itself.
    pub fn delay(&self, asked: u32) -> Duration {
        self.first
            .saturating_mul(2_u32.saturating_pow(asked))
            .min(self.longest)
    }
}

/// A way from one step to another: what brings it about, and what is done in the transaction that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    pub to: &'static str,
    /// The event, command or time that leads there.
    pub on: &'static str,
    /// What is done with it, compensations included.
    pub does: &'static str,
}

/// A step of a saga: what it is doing or waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub state: SagaState,
    /// What is true or waited for meanwhile, for people.
    pub what: &'static str,
    /// Required where the step is under way: nothing is waited for without an end.
    pub deadline: Option<Deadline>,
    /// What may follow. A step may always be repeated.
    pub moves: &'static [Move],
}

impl Step {
    fn is_under_way(&self) -> bool {
        matches!(self.state, SagaState::Running | SagaState::Compensating)
    }

    fn leads_to(&self, name: &str) -> bool {
        self.moves.iter().any(|to| to.to == name)
    }
}

/// A declared saga. The first step is where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saga {
    pub name: &'static str,
    /// What begins it, and what is done with that.
    pub begins: &'static str,
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
        if from.name == to.name || from.leads_to(to.name) {
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
            for to in step.moves.iter().filter(|to| self.step(to.to).is_err()) {
                faults.push(format!(
                    "`{}` leads to `{}`, which is not declared",
                    step.name, to.to
                ));
            }
            if step.is_under_way() && step.moves.is_empty() {
                faults.push(format!("`{}` is under way and leads nowhere", step.name));
            }
            if step.is_under_way() != step.deadline.is_some() {
                let what = if step.is_under_way() {
                    "needs"
                } else {
                    "cannot have"
                };
                faults.push(format!("`{}` {what} a deadline", step.name));
            }
            if index > 0 && matches!(step.deadline, Some(Deadline::Given { .. })) {
                faults.push(format!(
                    "`{}` is not the first step, nobody gives it its deadline",
                    step.name
                ));
            }
            let reached = index == 0 || self.steps.iter().any(|other| other.leads_to(step.name));
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

    const fn step(name: &'static str, state: SagaState, moves: &'static [Move]) -> Step {
        let deadline = match state {
            SagaState::Running | SagaState::Compensating => Some(Deadline::AskAgain(AGAIN)),
            _ => None,
        };
        Step {
            name,
            state,
            what: "something",
            deadline,
            moves,
        }
    }

    const fn to(to: &'static str) -> Move {
        Move {
            to,
            on: "it happened",
            does: "what follows",
        }
    }

    const AGAIN: AskAgain = AskAgain {
        what: "an answer",
        first: Duration::from_secs(60),
        longest: Duration::from_secs(300),
        attempts: 5,
    };

    const SAGA: Saga = Saga {
        name: "example",
        begins: "somebody begins",
        steps: &[
            step("waiting", SagaState::Running, &[to("done"), to("undoing")]),
            step("undoing", SagaState::Compensating, &[to("undone")]),
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
            begins: "",
            steps: &[
                step("a", SagaState::Running, &[to("b")]),
                step("a", SagaState::Compensating, &[]),
                step("c", SagaState::Completed, &[]),
                Step {
                    deadline: None,
                    ..step("d", SagaState::Running, &[to("d")])
                },
                Step {
                    deadline: Some(Deadline::Given { at: "then" }),
                    ..step("e", SagaState::Completed, &[to("e")])
                },
            ],
        };
        assert_eq!(
            BROKEN.faults(),
            [
                "`a` leads to `b`, which is not declared",
                "`a` is declared twice",
                "`a` is under way and leads nowhere",
                "`a` is never reached",
                "`c` is never reached",
                "`d` needs a deadline",
                "`e` cannot have a deadline",
                "`e` is not the first step, nobody gives it its deadline",
            ]
        );
    }

    #[test]
    fn waits_grow_to_the_longest() {
        let seconds = [0, 1, 2, 3, 40].map(|asked| AGAIN.delay(asked).as_secs());
        assert_eq!(seconds, [60, 120, 240, 300, 300]);
    }

    #[test]
    fn a_state_reads_back_as_it_was_written() {
        for step in SAGA.steps {
            assert_eq!(step.state.as_str().parse(), Ok(step.state));
        }
    }
}
