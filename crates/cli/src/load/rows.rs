//! Rows on their way from the input, one after the other, a bounded number ahead of what is sent.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::PathBuf,
    thread,
};

use tokio::sync::mpsc;

use super::{Format, csv_rows::CsvRows, error::LoadError, ndjson::Lines};

/// How far the reading is ahead at most. With the bound of a row, it is what a load takes of memory.
const AHEAD: usize = 64;
const BUFFER: usize = 256 * 1024;
/// Of a row. Items are far smaller.
pub const MAX_ROW_BYTES: usize = 1024 * 1024;

/// A row that is to become an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// From 1: the line of an NDJSON file; the row of a CSV file, in which that of the names is the first.
    pub number: u64,
    /// Where the input goes on behind it, in bytes.
    pub end: u64,
    /// As it is sent; of a row that cannot be, as it was found.
    pub text: String,
    /// Why it cannot be sent.
    pub fault: Option<Fault>,
}

/// What is wrong with a row, seen without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub problem: &'static str,
    pub detail: String,
}

impl Fault {
    pub fn new(problem: &'static str, detail: impl Into<String>) -> Self {
        Self {
            problem,
            detail: detail.into(),
        }
    }
}

/// What cannot be read any further.
#[derive(Debug)]
pub enum ReadFault {
    Header(String),
    Input(io::Error),
}

impl From<io::Error> for ReadFault {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

/// A row as it was read.
type Found = Result<Row, ReadFault>;

/// What the reading tells: a row, or none at the end of the input. A channel that ends without that has lost its reader.
pub type Told = Result<Option<Row>, ReadFault>;

/// Rows behind number `done`, in their order. They are read by a thread of their own: reading blocks, and one that waits for a
/// terminal or a pipe cannot be called off. It ends with the input, or when nobody takes rows any more, at the latest with the process.
pub fn start(input: Option<PathBuf>, format: Format, done: u64) -> Result<mpsc::Receiver<Told>, LoadError> {
    let (sender, rows) = mpsc::channel(AHEAD);
    let named = input.clone().unwrap_or_else(|| PathBuf::from("-"));
    let read = move || {
        let ended = match input {
            Some(path) => File::open(path)
                .map_err(ReadFault::from)
                .and_then(|file| pass(file, format, done, &sender)),
            None => pass(io::stdin(), format, done, &sender),
        };
        // Nobody may be there any more to be told.
        drop(sender.blocking_send(ended.map(|()| None)));
    };
    let spawned = thread::Builder::new().name("rows".to_owned()).spawn(read);
    match spawned {
        Ok(_) => Ok(rows),
        Err(source) => Err(LoadError::Input { path: named, source }),
    }
}

fn pass(input: impl Read, format: Format, done: u64, sender: &mpsc::Sender<Told>) -> Result<(), ReadFault> {
    let reader = BufReader::with_capacity(BUFFER, input);
    match format {
        Format::Ndjson => send(Lines::new(reader), done, sender),
        Format::Csv => send(CsvRows::new(reader)?, done, sender),
    }
}

fn send(rows: impl Iterator<Item = Found>, done: u64, sender: &mpsc::Sender<Told>) -> Result<(), ReadFault> {
    for row in rows {
        let row = row?;
        if row.number > done && sender.blocking_send(Ok(Some(row))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_behind_what_is_done_are_told_and_then_the_end() {
        let path = std::env::temp_dir().join(format!("depot-rows-{}", uuid::Uuid::now_v7()));
        std::fs::write(&path, "{}\n\n{\"a\": 1}\n{}\n").unwrap();
        let mut rows = start(Some(path.clone()), Format::Ndjson, 1).unwrap();
        let mut numbers = Vec::new();
        while let Some(row) = rows.recv().await.unwrap().unwrap() {
            numbers.push(row.number);
        }
        assert_eq!(numbers, [3, 4]);
        assert!(rows.recv().await.is_none());
        std::fs::remove_file(&path).unwrap();
        let mut rows = start(Some(path), Format::Ndjson, 0).unwrap();
        assert!(matches!(rows.recv().await, Some(Err(ReadFault::Input(_)))));
    }
}
