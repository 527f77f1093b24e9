use serde::Serialize;

use super::finding::{Finding, Kind, Severity};

/// What one part of an installation was found to be.
#[derive(Debug, Default, Serialize)]
pub struct Answer {
    pub findings: Vec<Finding>,
    /// What was seen, in figures: shows that something was looked at.
    pub seen: Vec<String>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

impl Answer {
    /// Nothing could be looked at.
    pub fn unseen(why: impl Into<String>) -> Self {
        Self {
            unseen: vec![why.into()],
            ..Self::default()
        }
    }

    /// Nothing could be looked at, and that is a finding itself.
    pub fn away(finding: Finding) -> Self {
        let why = finding.what.clone();
        Self {
            findings: vec![finding],
            ..Self::unseen(why)
        }
    }

    pub fn fault(&mut self, kind: Kind, what: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding::fault(kind, what, mend));
    }

    pub fn warning(&mut self, kind: Kind, what: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding::warning(kind, what, mend));
    }

    /// Adds what another look at the same part has found.
    pub fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.seen.extend(other.seen);
        self.unseen.extend(other.unseen);
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }
}
