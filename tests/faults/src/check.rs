//! The promises, checked from outside: by what clients were told, by everything that lies in Kafka, Postgres, Redis and the
//! object store, and by none of the services' own logic.

mod answers;
mod behind;
mod effects;
mod evidence;
mod files;
mod first;
mod leftovers;
mod log_order;
mod reads;
mod repeats;
mod uploads;
mod views;

use std::{collections::BTreeMap, fmt};

use anyhow::Result;

pub use evidence::Evidence;

use self::first::First;

use crate::{history::Told, inject::Injected, site::Site};

/// How many findings of one kind are printed.
const SHOWN: usize = 8;

/// What can go wrong, each counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// An acknowledged command whose effect is nowhere.
    Lost,
    /// An effect that is there twice, or of a command that was refused.
    Duplicated,
    /// A first occurrence out of order, a gap, or a repeat of another id or other bytes.
    Reordered,
    /// An older state than the one that was asked for.
    Stale,
    /// A view that is not what the log says, or a cache older than its view.
    Diverged,
    /// Bytes counted that are not attached, or the other way round.
    Quota,
    /// A reference without its object.
    Dangling,
    /// An object that nobody refers to.
    Orphaned,
    /// Work that does not end: uploads, sagas, messages.
    Stuck,
    /// Rows that are still in an outbox.
    Unpublished,
    /// A read that the token does not allow, and that was answered.
    Forbidden,
}

impl Counter {
    /// Those of the last line, in its order. `Forbidden` has a line of its own.
    pub const LAST_LINE: [Self; 10] = [
        Self::Lost,
        Self::Duplicated,
        Self::Reordered,
        Self::Stale,
        Self::Diverged,
        Self::Quota,
        Self::Dangling,
        Self::Orphaned,
        Self::Stuck,
        Self::Unpublished,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::Stale => "stale",
            Self::Diverged => "diverged",
            Self::Quota => "quota",
            Self::Dangling => "dangling",
            Self::Orphaned => "orphaned",
            Self::Stuck => "stuck",
            Self::Unpublished => "unpublished",
            Self::Forbidden => "forbidden",
        }
    }
}

/// What was found, and how much was read to find it.
#[derive(Debug, Default)]
pub struct Verdict {
    findings: BTreeMap<Counter, Vec<String>>,
    read: BTreeMap<String, usize>,
    notes: Vec<String>,
}

impl Verdict {
    pub fn find(&mut self, counter: Counter, what: impl Into<String>) {
        self.findings.entry(counter).or_default().push(what.into());
    }

    fn has_read(&mut self, what: impl Into<String>, count: usize) {
        *self.read.entry(what.into()).or_default() += count;
    }

    fn note(&mut self, what: String) {
        self.notes.push(what);
    }

    pub fn count(&self, counter: Counter) -> usize {
        self.findings.get(&counter).map_or(0, Vec::len)
    }

    /// What was read none of: a check of nothing is no check.
    pub fn unread(&self) -> Vec<&str> {
        self.read
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(what, _)| what.as_str())
            .collect()
    }

    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.unread().is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read: Vec<_> = self
            .read
            .iter()
            .map(|(what, count)| format!("{what} {count}"))
            .collect();
        writeln!(f, "read: {}", read.join(", "))?;
        for what in self.unread() {
            writeln!(f, "a failure: {what}: none was read, so nothing was checked")?;
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        for (counter, found) in &self.findings {
            for what in found.iter().take(SHOWN) {
                writeln!(f, "{}: {what}", counter.name())?;
            }
            if found.len() > SHOWN {
                writeln!(f, "{}: and {} more", counter.name(), found.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

/// Looks at everything, of an installation that has gone quiet.
pub async fn check(site: &Site, told: &Told, injected: &Injected) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let evidence = Evidence::gather(site, injected, &mut verdict).await?;
    let (first, operations) = (First::of(&evidence), &told.operations);
    verdict.has_read("operations", operations.len());
    log_order::check(&evidence, &mut verdict);
    repeats::check(&evidence, &mut verdict);
    effects::check(&evidence, &first, operations, &mut verdict);
    answers::check(&first, told, &mut verdict);
    uploads::check(&evidence, &first, operations, &mut verdict);
    reads::check(operations, &mut verdict);
    views::check(&evidence, &mut verdict);
    files::check(&evidence, &mut verdict);
    leftovers::check(&evidence, &mut verdict);
    Ok(verdict)
}
