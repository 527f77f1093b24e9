//! From a file to items, begun or gone on with.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::{StreamExt as _, stream};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::{
    Format,
    error::LoadError,
    failed::FailedRows,
    journal::{About, Journal, Reached},
    key::LoadId,
    progress::Progress,
    rows::{self, ReadFault},
    send::{Outcome, Sending, Settled},
};
use crate::{
    interrupt::Interrupt,
    rest::{Patience, Rest, Server},
};

/// To read so much takes a second or more.
const TOLD_BYTES: u64 = 256 * 1024 * 1024;

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    /// None: standard input.
    pub file: Option<PathBuf>,
    pub format: Format,
    pub at_once: u16,
    /// None: that of the content.
    pub load_id: Option<LoadId>,
    /// None: nothing is kept.
    pub journal: Option<PathBuf>,
    pub failed: PathBuf,
    pub patience: Duration,
    pub is_late_allowed: bool,
    pub is_shown: bool,
}

/// What came of it so far.
#[derive(Debug, Default, Serialize)]
pub struct Loaded {
    pub load_id: String,
    /// Items that the rows are by now, those of earlier runs included.
    pub created: u64,
    /// Rows that were not accepted, those of earlier runs included.
    pub failed: u64,
    /// Rows that this run has settled.
    pub rows: u64,
    /// Of those, items that an earlier attempt had made: the same key has found them.
    pub found: u64,
    /// How often this run sent something again.
    pub repeats: u64,
    pub seconds: f64,
}

/// Takes the whole way; `loaded` is how far it came, whatever ends it.
pub async fn travel(plan: &Plan, loaded: &mut Loaded) -> Result<(), LoadError> {
    let interrupt = Interrupt::watch();
    let rest = Rest::from_settings()?;
    let known = known(plan, interrupt.token()).await?;
    let load_id = &known.load_id;
    loaded.load_id = load_id.to_string();
    let (mut kept, reached) = Kept::open(plan, &rest, load_id).await?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    if let Some(late) = reached.late(now).filter(|_| !plan.is_late_allowed) {
        return Err(late);
    }
    (loaded.created, loaded.failed) = (reached.created, reached.failed);
    let mut progress = Progress::new(plan.is_shown, known.total_bytes, reached);
    if plan.file.is_none() && plan.load_id.is_none() {
        progress.say(&format!("load id: {load_id}"));
    }
    if reached.row > 0 {
        progress.say(&format!("going on behind row {}", reached.row));
    }
    let patience = Patience::lasting(plan.patience);
    let sending = Sending {
        rest: &rest,
        patience: &patience,
        load_id,
    };
    let mut run = Run {
        reached,
        under_way_until: reached.under_way_until(),
        at_once: plan.at_once,
        loaded,
        kept: &mut kept,
        progress: &mut progress,
        patience: &patience,
    };
    let mut ended = run.settle_all(plan, sending, interrupt.token()).await;
    if ended.is_ok() {
        ended = require_unchanged(plan, &known).await;
    }
    let is_complete = ended.is_ok();
    let kept_to_the_end = run.end(is_complete);
    progress.clear();
    ended.and(kept_to_the_end)
}

/// The input as it is before it is read.
struct Known {
    load_id: LoadId,
    /// None where the end is not known.
    total_bytes: Option<u64>,
    /// Of a file whose content is what the load is known by.
    changed_at: Option<SystemTime>,
}

/// Reads the whole file, where its content is what the load is known by.
async fn known(plan: &Plan, interrupted: &CancellationToken) -> Result<Known, LoadError> {
    let Some(path) = plan.file.clone() else {
        return Ok(Known {
            load_id: plan.load_id.clone().unwrap_or_else(LoadId::unique),
            total_bytes: None,
            changed_at: None,
        });
    };
    let (given, interrupted, is_told) = (plan.load_id.clone(), interrupted.clone(), plan.is_shown);
    let read = tokio::task::spawn_blocking(move || {
        let failed = |source| LoadError::Input {
            path: path.clone(),
            source,
        };
        let about = std::fs::metadata(&path).map_err(failed)?;
        if !about.is_file() {
            return Err(LoadError::NoFile(path));
        }
        let total_bytes = Some(about.len());
        if is_told && given.is_none() && about.len() >= TOLD_BYTES {
            eprintln!("reading {} once, to know it again", path.display());
        }
        Ok(match given {
            Some(load_id) => Known {
                load_id,
                total_bytes,
                changed_at: None,
            },
            None => Known {
                load_id: LoadId::of_content(&path, &interrupted)
                    .map_err(failed)?
                    .ok_or(LoadError::Interrupted)?,
                total_bytes,
                changed_at: about.modified().ok(),
            },
        })
    });
    read.await.map_err(|_| LoadError::ReaderEnded)?
}

/// # Errors
/// The file is not the one whose content the load is known by any more.
async fn require_unchanged(plan: &Plan, known: &Known) -> Result<(), LoadError> {
    let (Some(path), Some(changed_at)) = (&plan.file, known.changed_at) else {
        return Ok(());
    };
    let about = tokio::fs::metadata(path).await;
    let about = about.map_err(|source| LoadError::Input {
        path: path.clone(),
        source,
    })?;
    match (Some(about.len()), about.modified().ok()) == (known.total_bytes, Some(changed_at)) {
        true => Ok(()),
        false => Err(LoadError::Changed(path.clone())),
    }
}

/// What outlives the process.
struct Kept {
    journal: Option<Journal>,
    failed: FailedRows,
}

impl Kept {
    async fn open(plan: &Plan, rest: &Rest, load_id: &LoadId) -> Result<(Self, Reached), LoadError> {
        let server = rest.url(Server::CommandApi).to_owned();
        let subject = subject(rest.token().expose_secret());
        let about = About::new(load_id.to_string(), plan.format, server, subject);
        let (journal, failed) = (plan.journal.clone(), plan.failed.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let (journal, reached) = match journal {
                Some(path) => {
                    let (journal, reached) = Journal::open(&path, &about)?;
                    (Some(journal), reached)
                }
                None => (None, Reached::default()),
            };
            let failed = FailedRows::open(&failed, reached.failed_bytes)?;
            Ok((Self { journal, failed }, reached))
        });
        opened.await.map_err(|_| LoadError::ReaderEnded)?
    }
}

struct Run<'a> {
    reached: Reached,
    /// When so many rows are settled, nothing is left of what was under way at `reached.at`.
    under_way_until: u64,
    at_once: u16,
    loaded: &'a mut Loaded,
    kept: &'a mut Kept,
    progress: &'a mut Progress,
    patience: &'a Patience,
}

impl Run<'_> {
    /// Settles rows in their order, `at_once` of them under way. So everything up to the last that is settled is, and no more than
    /// that is sent again after a kill.
    async fn settle_all(
        &mut self,
        plan: &Plan,
        sending: Sending<'_>,
        interrupted: &CancellationToken,
    ) -> Result<(), LoadError> {
        if self.reached.at == 0 {
            // Before anything is sent, so that it is known how old the oldest key may be.
            self.write()?;
        }
        let rows = rows::start(plan.file.clone(), plan.format, self.reached.row)?;
        let rows = stream::unfold(Some(rows), |rows| async {
            let mut rows = rows?;
            match rows.recv().await {
                Some(Ok(Some(row))) => Some((Ok(row), Some(rows))),
                Some(Ok(None)) => None,
                Some(Err(fault)) => Some((Err(unreadable(plan, fault)), None)),
                None => Some((Err(LoadError::ReaderEnded), None)),
            }
        });
        let settle = |row: Result<rows::Row, LoadError>| async move { sending.settle(row?).await };
        let mut settled = Box::pin(rows.map(settle).buffered(usize::from(plan.at_once)));
        loop {
            match interrupted.run_until_cancelled(settled.next()).await {
                Some(Some(row)) => self.note(row?)?,
                Some(None) => return Ok(()),
                None => return Err(LoadError::Interrupted),
            }
        }
    }

    fn note(&mut self, settled: Settled) -> Result<(), LoadError> {
        match &settled.outcome {
            Outcome::Item { was_there } => {
                self.reached.created += 1;
                self.loaded.found += u64::from(*was_there);
            }
            Outcome::Failed(failure) => {
                self.kept.failed.add(failure)?;
                self.reached.failed += 1;
            }
        }
        (self.reached.row, self.reached.offset) = (settled.row, settled.end);
        self.loaded.rows += 1;
        self.tell();
        self.progress.show(&self.reached, self.loaded.repeats);
        match &self.kept.journal {
            Some(journal) if journal.is_due() => self.write(),
            _ => Ok(()),
        }
    }

    /// Where it has come to is kept whatever has ended it.
    fn end(&mut self, is_complete: bool) -> Result<(), LoadError> {
        self.reached.is_complete = is_complete;
        self.tell();
        self.write()
    }

    fn tell(&mut self) {
        (self.loaded.created, self.loaded.failed) = (self.reached.created, self.reached.failed);
        self.loaded.repeats = self.patience.repeats();
        self.loaded.seconds = self.progress.elapsed().as_secs_f64();
    }

    fn write(&mut self) -> Result<(), LoadError> {
        self.reached.failed_bytes = self.kept.failed.length();
        let now = OffsetDateTime::now_utc().unix_timestamp();
        self.reached.pass(&mut self.under_way_until, self.at_once, now);
        match &mut self.kept.journal {
            Some(journal) => journal.write(&self.reached),
            None => Ok(()),
        }
    }
}

fn unreadable(plan: &Plan, fault: ReadFault) -> LoadError {
    match fault {
        ReadFault::Header(what) => LoadError::Header(what),
        ReadFault::Input(source) => LoadError::Input {
            path: plan.file.clone().unwrap_or_else(|| PathBuf::from("-")),
            source,
        },
    }
}

/// Whom a token names; none for one that does not tell without being asked for. Whether it is true is the server's to check.
fn subject(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    claims["sub"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whom_it_names() {
        let claims = URL_SAFE_NO_PAD.encode(br#"{"sub": "alice"}"#);
        assert_eq!(subject(&format!("e30.{claims}.x")).as_deref(), Some("alice"));
        assert_eq!(subject("opaque"), None);
        assert_eq!(subject("a.b.c"), None);
    }
}
