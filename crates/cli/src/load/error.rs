use std::{io, path::PathBuf};

use crate::rest::RestError;

const TRY_AGAIN: u8 = 1;
const NOT_SO: u8 = 3;
const REFUSED: u8 = 4;
/// As shells have it for what was ended by SIGINT.
const INTERRUPTED: u8 = 130;

/// Why not all rows are settled.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Rest(#[from] RestError),
    #[error("row {number}")]
    Row {
        number: u64,
        #[source]
        source: RestError,
    },
    #[error("{}: cannot be read", path.display())]
    Input {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}: is no file; pipe it into `depot load -`", .0.display())]
    NoFile(PathBuf),
    #[error("{}: was changed while it was loaded: compare the items with it", .0.display())]
    Changed(PathBuf),
    #[error("the first row has no names that items have: {0}")]
    Header(String),
    #[error("{}: cannot be kept", path.display())]
    Keep {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}: another `depot load` is at it", .0.display())]
    Busy(PathBuf),
    #[error("{}: is no journal of a load, and is not overwritten", .0.display())]
    NoJournal(PathBuf),
    #[error("{}: is no list of rows that were not accepted, and is not overwritten", .0.display())]
    NoFailed(PathBuf),
    #[error(
        "{}: is the journal of another load: {what}. Give that, or another --journal for this one",
        path.display()
    )]
    OtherLoad { path: PathBuf, what: String },
    #[error(
        "the load was cut off {hours} hours ago, and command-api may have forgotten the keys of what was under way then, some of the \
         {at_once} rows behind row {row}: look for them (`depot item list`), and go on with --late"
    )]
    Late { hours: i64, row: u64, at_once: u16 },
    #[error("the reading of rows has ended without a result")]
    ReaderEnded,
    #[error("interrupted")]
    Interrupted,
}

impl LoadError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Rest(RestError::Settings(_) | RestError::Refused { .. })
            | Self::Row {
                source: RestError::Settings(_) | RestError::Refused { .. },
                ..
            } => REFUSED,
            Self::Rest(_) | Self::Row { .. } | Self::Keep { .. } | Self::ReaderEnded => TRY_AGAIN,
            Self::Busy(_) | Self::OtherLoad { .. } | Self::Late { .. } => NOT_SO,
            Self::Input { .. }
            | Self::NoFile(_)
            | Self::Changed(_)
            | Self::Header(_)
            | Self::NoJournal(_)
            | Self::NoFailed(_) => REFUSED,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// True where the same command may go on; of a refusal, with another token.
    pub fn may_go_on(&self) -> bool {
        matches!(
            self,
            Self::Row { .. } | Self::Keep { .. } | Self::ReaderEnded | Self::Interrupted
        )
    }
}
