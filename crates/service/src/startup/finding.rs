use std::{fmt, time::Duration};

use super::NoAnswer;

/// Something about the installation with which this program does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What: `topic depot.items.v1`.
    pub subject: String,
    /// What is wrong with it: `has 3 partitions instead of 6`.
    pub problem: String,
    /// What to do about it.
    pub mend: String,
    /// Whether it may pass.
    pub weight: Weight,
}

/// Whether a finding is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// A step of the installation has not been run, or not to its end: it may be under way.
    Pending,
    /// It stays wrong until somebody mends it.
    Wrong,
}

impl Finding {
    /// A finding that passes with a step of the installation.
    pub fn pending(subject: impl Into<String>, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            problem: problem.into(),
            mend: mend.into(),
            weight: Weight::Pending,
        }
    }

    /// A finding that does not pass by itself.
    pub fn wrong(subject: impl Into<String>, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            weight: Weight::Wrong,
            ..Self::pending(subject, problem, mend)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.subject, self.problem, self.mend)
    }
}

/// Why the process does not start: everything that was found, in one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// At least one.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub unanswered: Vec<(&'static str, NoAnswer)>,
    /// How long was waited in vain, where nothing but the time was over.
    pub waited: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.findings.len();
        let faults = if count == 1 { "fault" } else { "faults" };
        write!(f, "the installation has {count} {faults}")?;
        if let Some(waited) = self.waited {
            write!(f, ", for {} s already", waited.as_secs())?;
        }
        f.write_str(":")?;
        for finding in &self.findings {
            write!(f, "\n  {finding}")?;
        }
        for (subject, NoAnswer(why)) in &self.unanswered {
            write!(f, "\n  not looked at: {subject}, which does not answer: {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
