//! The list of rows that were not accepted: a line of JSON each, with why, and the row itself.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use depot_service::problem::FieldFault;
use serde::Serialize;
use serde_json::Value;

use super::error::LoadError;

/// How each line begins.
const BEGIN: &[u8] = b"{\"row\":";

/// Why a row is no item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    pub row: u64,
    /// The status of the answer; none where nobody was asked.
    pub status: Option<u16>,
    /// The type of the problem.
    pub problem: String,
    pub detail: String,
    pub errors: Vec<FieldFault>,
    /// The row: an object, or a text where it is none.
    pub input: Value,
}

/// The list, which is made with its first line.
#[derive(Debug)]
pub struct FailedRows {
    path: PathBuf,
    file: Option<File>,
    length: u64,
}

impl FailedRows {
    /// Goes on with a list of which so many bytes are true; what was added to it right before a kill is added again. Blocks.
    ///
    /// # Errors
    /// What is there is no such list: then it stays as it is.
    pub fn open(path: &Path, length: u64) -> Result<Self, LoadError> {
        let mut rows = Self {
            path: path.to_owned(),
            file: None,
            length,
        };
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => rows.go_on(file)?,
            // It was taken away: the rows in it are not listed again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => rows.length = 0,
            Err(source) => return Err(rows.failed(source)),
        }
        Ok(rows)
    }

    fn go_on(&mut self, mut file: File) -> Result<(), LoadError> {
        let mut begin = Vec::new();
        let read = (&mut file).take(BEGIN.len() as u64).read_to_end(&mut begin);
        read.map_err(|source| self.failed(source))?;
        if !BEGIN.starts_with(&begin) {
            return Err(LoadError::NoFailed(self.path.clone()));
        }
        let known = file.metadata().map_err(|source| self.failed(source))?.len();
        self.length = self.length.min(known);
        let cut = file
            .set_len(self.length)
            .and_then(|()| file.seek(SeekFrom::End(0)));
        cut.map_err(|source| self.failed(source))?;
        self.file = Some(file);
        Ok(())
    }

    /// Adds a row. Blocks for a line.
    pub fn add(&mut self, failure: &Failure) -> Result<(), LoadError> {
        let line = serde_json::to_string(failure).map_err(|error| self.failed(error.into()))? + "\n";
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let made = OpenOptions::new().append(true).create(true).open(&self.path);
                none.insert(made.map_err(|source| LoadError::Keep {
                    path: self.path.clone(),
                    source,
                })?)
            }
        };
        let written = file.write_all(line.as_bytes());
        written.map_err(|source| self.failed(source))?;
        self.length += line.len() as u64;
        Ok(())
    }

    /// In bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn failed(&self, source: io::Error) -> LoadError {
        LoadError::Keep {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failure(row: u64) -> Failure {
        Failure {
            row,
            status: Some(422),
            problem: "validation-failed".to_owned(),
            detail: "1 field is invalid; see errors.".to_owned(),
            errors: vec![FieldFault::new("/name", "is blank")],
            input: json!({"name": ""}),
        }
    }

    fn rows_in(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        let row = |line: &str| {
            serde_json::from_str::<Value>(line).unwrap()["row"]
                .as_u64()
                .unwrap()
        };
        text.lines().map(row).collect()
    }

    #[test]
    fn what_was_added_right_before_a_kill_is_not_there_twice() {
        let path = std::env::temp_dir().join(format!("depot-failed-{}", uuid::Uuid::now_v7()));
        let mut rows = FailedRows::open(&path, 0).unwrap();
        assert!(!path.exists(), "nothing has failed yet");
        rows.add(&failure(3)).unwrap();
        let told = rows.length();
        rows.add(&failure(5)).unwrap();
        drop(rows);
        // The journal knows of the first only, and something is torn behind the second.
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"row\":7,");
        std::fs::write(&path, text).unwrap();
        let mut rows = FailedRows::open(&path, told).unwrap();
        rows.add(&failure(5)).unwrap();
        rows.add(&failure(7)).unwrap();
        assert_eq!(rows_in(&path), [3, 5, 7]);
        drop(rows);
        drop(FailedRows::open(&path, 0).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        std::fs::write(&path, "name\na\n").unwrap();
        assert!(matches!(FailedRows::open(&path, 0), Err(LoadError::NoFailed(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "name\na\n");
        std::fs::remove_file(&path).unwrap();
    }
}
