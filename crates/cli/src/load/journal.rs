//! How far a load is: a file of lines, each whole by itself. Only the last counts, and one that a kill has torn does not.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{Format, error::LoadError};

/// Between two lines: what lies between is sent again after a kill, under the same keys.
const EVERY: Duration = Duration::from_millis(200);
/// command-api knows a key for a day at least. A row may have been under way for a while when the last line was written.
const KEYS_ARE_KNOWN_HOURS: i64 = 23;
const FORM: u32 = 1;

/// What the load is, in the first line: another one does not go on from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The form of the journal.
    pub depot_load: u32,
    pub load_id: String,
    pub format: String,
    /// Where the items are.
    pub server: String,
    /// Whose: the token's `sub`, since a key is one's own. None where the token does not tell.
    pub subject: Option<String>,
}

impl About {
    pub fn new(load_id: String, format: Format, server: String, subject: Option<String>) -> Self {
        let format = match format {
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        };
        Self {
            depot_load: FORM,
            load_id,
            format: format.to_owned(),
            server,
            subject,
        }
    }

    /// In what that of a journal is another load than this one.
    fn differs(&self, other: &Self) -> Option<String> {
        let mut said = Vec::new();
        if other.depot_load != self.depot_load {
            said.push("it was written by another version of the tool".to_owned());
        }
        if other.load_id != self.load_id {
            let ids = (&other.load_id, &self.load_id);
            said.push(format!(
                "its load id is {}, and not {}: the file has changed, or another --load-id was given",
                ids.0, ids.1
            ));
        }
        if other.format != self.format {
            said.push(format!("its --format is {}", other.format));
        }
        if other.server != self.server {
            said.push(format!("its COMMAND_PUBLIC_URL is {}", other.server));
        }
        if other.subject != self.subject {
            let subject = other.subject.as_deref().unwrap_or("unknown");
            said.push(format!("its DEPOT_TOKEN is of {subject}"));
        }
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// How far the load is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Every row up to this one is settled.
    pub row: u64,
    /// Where the input goes on behind it, in bytes.
    pub offset: u64,
    /// Rows that are items.
    pub created: u64,
    /// Rows that were not accepted.
    pub failed: u64,
    /// How much of the list of those is true.
    pub failed_bytes: u64,
    /// How many rows may be under way behind it.
    pub at_once: u16,
    /// No row that may be under way was sent for the first time before, in seconds since 1970; 0 before anything was sent.
    pub at: i64,
    /// The input had no more rows.
    pub is_complete: bool,
}

impl Reached {
    /// What was under way when the load was cut off, if the server may have forgotten it by now.
    pub fn late(&self, now: i64) -> Option<LoadError> {
        let hours = (now - self.at) / 3_600;
        let has_begun = self.at > 0 && !self.is_complete;
        (has_begun && hours >= KEYS_ARE_KNOWN_HOURS).then_some(LoadError::Late {
            hours,
            row: self.row,
            at_once: self.at_once,
        })
    }

    /// How many rows have to be settled until nothing is left of what was under way at `at`.
    pub fn under_way_until(&self) -> u64 {
        self.created + self.failed + u64::from(self.at_once)
    }

    /// Moves `at` on, once nothing is left of what was under way then. A run that settles nothing makes no key any younger.
    pub fn pass(&mut self, under_way_until: &mut u64, at_once: u16, now: i64) {
        if self.at == 0 || self.created + self.failed >= *under_way_until {
            (self.at, self.at_once) = (now, at_once);
            *under_way_until = self.under_way_until();
        } else {
            self.at_once = self.at_once.max(at_once);
        }
    }
}

/// The journal of this load; no other process writes it meanwhile.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    written: Option<Instant>,
}

impl Journal {
    /// Opens or begins it; answers how far the load is. Blocks.
    ///
    /// # Errors
    /// It is that of another load, or no journal: then it stays as it is.
    pub fn open(path: &Path, about: &About) -> Result<(Self, Reached), LoadError> {
        let failed = |source| LoadError::Keep {
            path: path.to_owned(),
            source,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LoadError::Busy(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let first = serde_json::to_string(about).map_err(|error| failed(error.into()))? + "\n";
        let found = read(&file, &first).map_err(failed)?;
        let (reached, end) = match found {
            Found::Nothing => (Reached::default(), 0),
            Found::Stranger => return Err(LoadError::NoJournal(path.to_owned())),
            Found::Journal { of, reached, end } => {
                if let Some(what) = about.differs(&of) {
                    let path = path.to_owned();
                    return Err(LoadError::OtherLoad { path, what });
                }
                (reached, end)
            }
        };
        // What is torn would run together with the next line.
        file.set_len(end).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            written: None,
        };
        if end == 0 {
            journal.append(&first)?;
        }
        Ok((journal, reached))
    }

    /// Whether it is time for a line.
    pub fn is_due(&self) -> bool {
        self.written.is_none_or(|written| written.elapsed() >= EVERY)
    }

    /// Writes how far the load is. What the line says has to be true before: the list of failed rows is written first. Blocks for a
    /// line of some hundred bytes.
    pub fn write(&mut self, reached: &Reached) -> Result<(), LoadError> {
        let line = serde_json::to_string(reached).map_err(|error| self.failed(error.into()))?;
        self.append(&(line + "\n"))?;
        self.written = Some(Instant::now());
        Ok(())
    }

    fn append(&mut self, line: &str) -> Result<(), LoadError> {
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> LoadError {
        LoadError::Keep {
            path: self.path.clone(),
            source,
        }
    }
}

enum Found {
    Nothing,
    /// Something that is not to be overwritten.
    Stranger,
    /// With where what is whole ends.
    Journal {
        of: About,
        reached: Reached,
        end: u64,
    },
}

/// Reads up to the first line that is not whole. `expected` is the first line of this load, of which a kill may have left a part.
fn read(file: &File, expected: &str) -> io::Result<Found> {
    /// A file of something else may have no lines.
    const LONGEST: u64 = 64 * 1024;
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    let mut next = |line: &mut Vec<u8>| -> io::Result<usize> {
        line.clear();
        io::Read::take(&mut lines, LONGEST).read_until(b'\n', line)
    };
    let mut end = next(&mut line)? as u64;
    if line.last() != Some(&b'\n') {
        let is_torn = line.len() < expected.len() && expected.as_bytes().starts_with(&line);
        return Ok(if is_torn { Found::Nothing } else { Found::Stranger });
    }
    let Ok(of) = serde_json::from_slice(&line) else {
        return Ok(Found::Stranger);
    };
    let mut reached = Reached::default();
    loop {
        let length = next(&mut line)? as u64;
        let is_whole = line.last() == Some(&b'\n');
        match serde_json::from_slice(&line) {
            Ok(newer) if is_whole => (reached, end) = (newer, end + length),
            _ => return Ok(Found::Journal { of, reached, end }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("depot-journal-{}", uuid::Uuid::now_v7()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn journal(&self) -> PathBuf {
            self.0.join("items.depot-load")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    fn about() -> About {
        About::new(
            "1234".to_owned(),
            Format::Ndjson,
            "http://x".to_owned(),
            Some("alice".to_owned()),
        )
    }

    fn reached(row: u64) -> Reached {
        Reached {
            row,
            offset: 10 * row,
            created: row,
            at_once: 16,
            at: 1_000,
            ..Reached::default()
        }
    }

    #[test]
    fn a_load_goes_on_behind_the_last_line() {
        let folder = Folder::new();
        let (mut journal, begun) = Journal::open(&folder.journal(), &about()).unwrap();
        assert_eq!(begun, Reached::default());
        assert!(journal.is_due());
        journal.write(&reached(5)).unwrap();
        journal.write(&reached(9)).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&folder.journal(), &about()).unwrap().1, reached(9));
    }

    #[test]
    fn a_last_line_that_is_torn_anywhere_counts_for_nothing_and_spoils_nothing() {
        let folder = Folder::new();
        let path = folder.journal();
        let (mut journal, _) = Journal::open(&path, &about()).unwrap();
        journal.write(&reached(5)).unwrap();
        let whole = std::fs::metadata(&path).unwrap().len();
        journal.write(&reached(9)).unwrap();
        drop(journal);
        let bytes = std::fs::read(&path).unwrap();
        for length in usize::try_from(whole).unwrap()..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let (mut journal, found) = Journal::open(&path, &about()).unwrap();
            assert_eq!(found, reached(5), "torn at {length}");
            journal.write(&reached(7)).unwrap();
            drop(journal);
            assert_eq!(
                Journal::open(&path, &about()).unwrap().1,
                reached(7),
                "torn at {length}"
            );
        }
        // As a disk leaves it that lost its power: of the right length, without the bytes.
        let mut zeros = bytes.clone();
        zeros[usize::try_from(whole).unwrap()..].fill(0);
        std::fs::write(&path, zeros).unwrap();
        assert_eq!(Journal::open(&path, &about()).unwrap().1, reached(5));
    }

    #[test]
    fn a_first_line_that_is_torn_is_begun_anew() {
        let folder = Folder::new();
        let path = folder.journal();
        drop(Journal::open(&path, &about()).unwrap());
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            drop(Journal::open(&path, &about()).unwrap());
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "torn at {length}");
        }
    }

    #[test]
    fn what_is_no_journal_is_left_alone() {
        let folder = Folder::new();
        for text in ["name\na\n", "{\"name\": \"a\"}\n{\"name\": \"b\"}\n", "x"] {
            std::fs::write(folder.journal(), text).unwrap();
            let refused = Journal::open(&folder.journal(), &about()).unwrap_err();
            assert!(matches!(refused, LoadError::NoJournal(_)), "{refused}");
            assert_eq!(std::fs::read_to_string(folder.journal()).unwrap(), text);
        }
    }

    #[test]
    fn another_load_does_not_go_on_from_here() {
        let folder = Folder::new();
        drop(Journal::open(&folder.journal(), &about()).unwrap());
        let of = |change: fn(&mut About)| {
            let mut other = about();
            change(&mut other);
            Journal::open(&folder.journal(), &other).unwrap_err().to_string()
        };
        let said = [
            (of(|other| other.load_id = "5".to_owned()), "the file has changed"),
            (of(|other| other.format = "csv".to_owned()), "--format is ndjson"),
            (
                of(|other| other.server = "http://y".to_owned()),
                "COMMAND_PUBLIC_URL is http://x",
            ),
            (of(|other| other.subject = None), "of alice"),
        ];
        for (said, expected) in said {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn two_do_not_write_one_journal() {
        let folder = Folder::new();
        let _held = Journal::open(&folder.journal(), &about()).unwrap();
        let refused = Journal::open(&folder.journal(), &about()).unwrap_err();
        assert!(matches!(refused, LoadError::Busy(_)), "{refused}");
    }

    #[test]
    fn keys_are_as_old_as_the_oldest_that_may_be_under_way() {
        let mut now = Reached::default();
        let mut until = now.under_way_until();
        now.pass(&mut until, 16, 1_000);
        assert_eq!((now.at, now.at_once, until), (1_000, 16, 16));
        // Cut off, and begun again much later, with more at once: of the first 16 one may still be under way.
        now.created = 14;
        now.failed = 1;
        now.pass(&mut until, 32, 80_000);
        assert_eq!((now.at, now.at_once), (1_000, 32));
        now.created = 15;
        now.pass(&mut until, 32, 80_000);
        assert_eq!((now.at, now.at_once, until), (80_000, 32, 48));
    }

    #[test]
    fn what_was_under_way_too_long_ago_is_told() {
        let hour = 3_600;
        let cut_off = reached(100);
        assert!(cut_off.late(1_000 + 22 * hour).is_none());
        let late = cut_off.late(1_000 + 23 * hour).unwrap();
        assert!(late.to_string().contains("the 16 rows behind row 100"), "{late}");
        let complete = Reached {
            is_complete: true,
            ..cut_off
        };
        assert!(complete.late(1_000 + 1_000 * hour).is_none());
        assert!(Reached::default().late(1_000_000_000).is_none());
    }
}
