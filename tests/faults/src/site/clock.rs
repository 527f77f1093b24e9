//! The wall clock of some instances: libfaketime's, under the real programs.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

/// The library looks at its file once in a second.
pub const TAKES: Duration = Duration::from_secs(2);

/// None where libfaketime is not installed.
pub struct Clock(Option<Moved>);

struct Moved {
    library: PathBuf,
    /// By how much it is moved.
    file: PathBuf,
}

impl Clock {
    pub fn new(folder: &Path) -> Result<Self> {
        let name = format!(
            "/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1",
            std::env::consts::ARCH
        );
        let library = PathBuf::from(name);
        if !library.exists() {
            return Ok(Self(None));
        }
        let clock = Self(Some(Moved {
            library,
            file: folder.join("clock"),
        }));
        clock.set(0)?;
        Ok(clock)
    }

    /// Makes it go `seconds` ahead of the machine's; false where it cannot be moved.
    pub fn set(&self, seconds: i64) -> Result<bool> {
        let Some(Moved { file, .. }) = &self.0 else {
            return Ok(false);
        };
        fs::write(file, format!("{seconds:+}\n")).context("move the clock")?;
        Ok(true)
    }

    /// For a process that is to go by it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let Some(Moved { library, file }) = &self.0 else {
            return Vec::new();
        };
        let pairs = [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            // Time-outs and leases go by the monotonic clock, which no administrator sets.
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }
}
