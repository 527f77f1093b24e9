//! What is wrong with the environment.

use std::fmt;

/// One variable that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// The variable as it was found, or its bare name where it is missing.
    pub variable: String,
    /// What is wrong. Never contains the value of a secret.
    pub problem: String,
    /// What to set instead.
    pub fix: String,
}

/// Everything that is wrong with the environment, in the order of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// At least one.
    pub faults: Vec<ConfigFault>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        write!(
            f,
            "the configuration has {count} {}:",
            if count == 1 { "fault" } else { "faults" }
        )?;
        for fault in &self.faults {
            write!(f, "\n  {}: {}; {}", fault.variable, fault.problem, fault.fix)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
