//! One measurement of one thing, as it is kept: a file each, written as soon as it is known.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::profiles::Stacks;

/// What a process used while something was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// User and system time, of all its threads.
    pub cpu_seconds: f64,
    /// Resident memory before it began, at its end, and the most that was seen (five times a second).
    pub rss_before_bytes: u64,
    pub rss_bytes: u64,
    pub rss_peak_bytes: u64,
    /// Where it was profiled: kept beside the measurement, as pictures.
    #[serde(skip)]
    pub stacks: Option<Stacks>,
}

/// A measurement: `what` of `row` in one round.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    pub row: String,
    pub what: String,
    /// From 1; 0 for what comes before the rounds and tells how they are run.
    pub round: u32,
    /// Of a short first reading, which is no result.
    pub quick: bool,
    /// RFC 3339.
    pub at: String,
    pub seconds: f64,
    /// Figures by name, each with its unit: `per_second`, `p99_ms`, `bytes`.
    pub values: BTreeMap<String, f64>,
    /// By name of the process; `generator` is who makes the load. A tree of processes, such as Postgres', is one.
    pub processes: BTreeMap<String, Use>,
    /// Curves by name: points of (seconds since the begin, value).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub curves: BTreeMap<String, Vec<(f64, f64)>>,
    /// Set where it could not be measured, and then all there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
}

/// What a measure found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub values: BTreeMap<String, f64>,
    pub curves: BTreeMap<String, Vec<(f64, f64)>>,
    /// Of processes that lived in the measure alone.
    pub processes: BTreeMap<String, Use>,
    pub not_measured: Option<String>,
}

impl Found {
    /// Figures by name.
    pub fn values<const N: usize>(values: [(&str, f64); N]) -> Self {
        Self {
            values: values.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Self::default()
        }
    }

    /// # Errors
    /// A figure is no number: too little was measured to divide by.
    pub fn checked(self) -> Result<Self> {
        let strange = self.values.iter().find(|(_, value)| !value.is_finite());
        if let Some((name, value)) = strange {
            bail!("{name} is {value}: too little was measured");
        }
        Ok(self)
    }

    pub fn not_measured(reason: impl Into<String>) -> Self {
        Self {
            not_measured: Some(reason.into()),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn and(mut self, name: &str, value: f64) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    #[must_use]
    pub fn with_curve(mut self, name: &str, points: Vec<(f64, f64)>) -> Self {
        self.curves.insert(name.to_owned(), points);
        self
    }

    pub fn get(&self, name: &str) -> Result<f64> {
        let value = self.values.get(name).copied();
        value.with_context(|| format!("the measure has no {name}"))
    }
}

/// The folder in which all measurements lie.
#[derive(Debug, Clone)]
pub struct Results(pub PathBuf);

impl Results {
    fn of_row(&self, row: &str) -> PathBuf {
        self.0.join("rows").join(row)
    }

    fn file(&self, row: &str, round: u32, what: &str) -> PathBuf {
        self.of_row(row).join(format!("{round}-{what}.json"))
    }

    /// Forgets what was measured of a row.
    pub fn clear(&self, row: &str) -> Result<()> {
        let folder = self.of_row(row);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        Ok(())
    }

    /// Written beside, then renamed: a run that is killed leaves no half file behind.
    pub fn write(&self, measurement: &Measurement) -> Result<()> {
        let file = self.file(&measurement.row, measurement.round, &measurement.what);
        fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
        let beside = file.with_extension("new");
        let Measurement { row, round, what, .. } = measurement;
        for (process, used) in &measurement.processes {
            if let Some(stacks) = &used.stacks {
                stacks.write(
                    &self.0.join("profiles"),
                    &format!("{row}-{round}-{what}-{process}"),
                )?;
            }
        }
        fs::write(&beside, serde_json::to_vec_pretty(measurement)?)?;
        fs::rename(&beside, &file).with_context(|| file.display().to_string())
    }

    /// None if it was not measured yet.
    pub fn read(&self, row: &str, round: u32, what: &str) -> Result<Option<Measurement>> {
        let file = self.file(row, round, what);
        if !file.exists() {
            return Ok(None);
        }
        read(&file).map(Some)
    }

    /// Everything of a row, by round and name.
    pub fn all(&self, row: &str) -> Result<Vec<Measurement>> {
        let folder = self.of_row(row);
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "json") {
                found.push(read(&file)?);
            }
        }
        found.sort_by(|a, b| (a.round, &a.what).cmp(&(b.round, &b.what)));
        Ok(found)
    }
}

fn read(file: &Path) -> Result<Measurement> {
    let bytes = fs::read(file)?;
    serde_json::from_slice(&bytes).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_no_number_is_refused() {
        assert!(Found::values([("per_second", 2.5)]).checked().is_ok());
        for strange in [f64::NAN, f64::INFINITY] {
            let refused = Found::values([("seconds", 0.0), ("per_second", strange)]).checked();
            let text = refused.unwrap_err().to_string();
            assert!(text.starts_with("per_second is "), "{text}");
        }
    }

    #[test]
    fn a_measurement_comes_back_as_it_was_and_a_cleared_row_has_none() {
        let folder = std::env::temp_dir().join(depot_test_stack::unique_name());
        let results = Results(folder.clone());
        let measurement = Measurement {
            row: "row".into(),
            what: "ours".into(),
            round: 1,
            values: [("per_second".into(), 2.5)].into(),
            ..Measurement::default()
        };
        results.write(&measurement).unwrap();
        assert_eq!(results.read("row", 1, "ours").unwrap(), Some(measurement.clone()));
        assert_eq!(results.read("row", 2, "ours").unwrap(), None);
        assert_eq!(results.all("row").unwrap(), [measurement]);
        results.clear("row").unwrap();
        assert!(results.all("row").unwrap().is_empty());
        fs::remove_dir_all(folder).unwrap();
    }
}
