use std::{io, path::PathBuf};

use uuid::Uuid;

/// Why a file is not stored.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("{}: cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}: {what}", path.display())]
    FileUnfit { path: PathBuf, what: String },
    #[error(transparent)]
    Settings(#[from] depot_service::config::ConfigErrors),
    /// The server says no, and would again.
    #[error("{doing}: {status} {detail}")]
    Refused {
        doing: &'static str,
        status: u16,
        /// The problem's type, such as `upload-ended`; empty for an answer of another server.
        problem: String,
        detail: String,
    },
    /// Nobody answers, or says to come again later.
    #[error("{doing}: no answer that counts")]
    Away {
        doing: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{doing}: an answer that cannot be understood")]
    Answer {
        doing: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("upload {id} ended as {status}{}", reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Ended {
        id: Uuid,
        status: String,
        reason: Option<String>,
    },
    #[error("what is remembered of the upload cannot be kept in {}", path.display())]
    State {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("interrupted")]
    Interrupted,
}

impl UploadError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Away { .. } | Self::Answer { .. } | Self::State { .. } => 1,
            Self::Ended { .. } => 3,
            Self::File { .. } | Self::FileUnfit { .. } | Self::Settings(_) | Self::Refused { .. } => 4,
            // As shells have it for what was ended by SIGINT.
            Self::Interrupted => 130,
        }
    }

    /// True where another attempt may succeed.
    pub fn may_go_on(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Answer { .. } | Self::Interrupted)
    }

    /// True for a refusal of that type.
    pub fn is_problem(&self, name: &str) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem == name)
    }
}
