//! The version that comes next: a copy of this tree with patches, built beside it.

mod build;
mod tree;

use anyhow::{Result, bail};

pub use tree::write_tree;

/// A version to be rolled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Its migration adds a column, and its events have a field more that readers may ignore.
    Expands,
    /// Its migration also renames a column that the version before it reads and writes.
    ContractsFirst,
}

impl Next {
    pub const ALL: [Self; 2] = [Self::Expands, Self::ContractsFirst];

    pub fn name(self) -> &'static str {
        match self {
            Self::Expands => "next",
            Self::ContractsFirst => "contract-first",
        }
    }

    /// # Errors
    /// No version has that name.
    pub fn named(name: &str) -> Result<Self> {
        let Some(next) = Self::ALL.into_iter().find(|next| next.name() == name) else {
            bail!("no version is called {name}: next or contract-first");
        };
        Ok(next)
    }

    /// The files of `tests/rolling` that make it of this tree, one upon the other.
    pub fn patches(self) -> &'static [&'static str] {
        match self {
            Self::Expands => &["next"],
            Self::ContractsFirst => &["next", "contract-first"],
        }
    }
}
