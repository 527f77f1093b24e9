//! What the clients asked for, and what they were told: the only thing that the checker believes.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result};
use serde::Serialize;
use uuid::Uuid;

use crate::client::Answer;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Create,
    Update,
    Delete,
    Announce,
    /// The bytes, straight into the object store.
    Send,
    SendParts,
    Complete,
    /// The bytes through the API, which completes the upload too.
    SendThrough,
    Abort,
    /// Of a version of an item, or of an upload.
    Read,
    ReadByGrpc,
    /// Of what the token does not allow.
    ForbiddenRead,
    Canary,
}

/// What the client knows at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    /// Refused for good: it has had no effect, and never will.
    Failed {
        status: u16,
        problem: String,
    },
    /// It may have happened once, or not at all.
    Unknown,
}

/// What a client wanted, and what it knows of it in the end.
#[derive(Debug, Clone, Serialize)]
pub struct Operation {
    /// Its number, which its attempts have too.
    pub request: u64,
    pub kind: Kind,
    pub began_ms: u64,
    pub ended_ms: u64,
    pub actor: String,
    pub item: Option<Uuid>,
    pub upload: Option<Uuid>,
    /// The version that `If-Match` named; none where the command was to change whatever there is.
    pub known: Option<i64>,
    /// The aggregate's version that was answered; of a read, the one that was asked for at least.
    pub version: Option<i64>,
    /// Of a read, the version that came.
    pub seen: Option<i64>,
    /// What only this command writes: the description of the item, or the name of the file.
    pub marker: Option<String>,
    /// None for a command without one, which is sent once.
    pub key: Option<String>,
    pub attempts: u32,
    pub outcome: Outcome,
}

impl Operation {
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }

    /// Whether it may have had an effect.
    pub fn may_have_happened(&self) -> bool {
        !matches!(self.outcome, Outcome::Failed { .. })
    }

    pub fn is_command(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Read | Kind::ReadByGrpc | Kind::ForbiddenRead | Kind::Send | Kind::SendParts
        )
    }
}

/// One request, and what came back.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    pub request: u64,
    pub kind: Kind,
    pub key: Option<String>,
    /// From 1 on; those after an answer ask once more for the same.
    pub attempt: u32,
    pub began_ms: u64,
    pub ended_ms: u64,
    /// None if no answer came.
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The type of the problem that was answered.
    pub problem: Option<String>,
    /// The client takes it for the answer.
    pub is_final: bool,
    pub id: Option<String>,
    pub version: Option<i64>,
}

impl Attempt {
    /// One that an operation begins now.
    pub fn of(operation: &Operation, began_ms: u64) -> Self {
        Self {
            request: operation.request,
            kind: operation.kind,
            key: operation.key.clone(),
            attempt: operation.attempts,
            began_ms,
            ended_ms: 0,
            status: None,
            error: None,
            problem: None,
            is_final: false,
            id: None,
            version: None,
        }
    }

    /// What came of it.
    pub fn answered(&mut self, answer: &anyhow::Result<Answer>) {
        match answer {
            Ok(answer) => {
                let text = |field| Some(answer.text(field)).filter(|text| !text.is_empty());
                self.status = Some(answer.status.as_u16());
                self.is_final = answer.is_final();
                self.id = text("id");
                self.version = answer.version();
                self.problem = text("type").filter(|_| !answer.status.is_success());
            }
            Err(error) => self.error = Some(format!("{error:#}")),
        }
    }
}

/// A line of what is kept.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "record", rename_all = "snake_case")]
enum Line {
    Attempt(Attempt),
    Operation(Operation),
}

/// All that clients were told.
#[derive(Debug, Default)]
pub struct Told {
    /// In the order in which they ended.
    pub operations: Vec<Operation>,
    pub attempts: Vec<Attempt>,
}

pub struct History {
    began: Instant,
    lines: Mutex<Vec<Line>>,
    requests: AtomicU64,
    acknowledged: AtomicU64,
    last_acknowledged_ms: AtomicU64,
}

impl Default for History {
    /// Its time begins now.
    fn default() -> Self {
        Self {
            began: Instant::now(),
            lines: Mutex::default(),
            requests: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            last_acknowledged_ms: AtomicU64::new(0),
        }
    }
}

impl History {
    /// Milliseconds since the campaign's load began.
    pub fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Something that a client is about to ask for.
    pub fn begin(&self, kind: Kind, actor: &str) -> Operation {
        Operation {
            request: self.requests.fetch_add(1, Ordering::Relaxed) + 1,
            kind,
            began_ms: self.now_ms(),
            ended_ms: 0,
            actor: actor.to_owned(),
            item: None,
            upload: None,
            known: None,
            version: None,
            seen: None,
            marker: None,
            key: None,
            attempts: 0,
            outcome: Outcome::Unknown,
        }
    }

    pub fn record(&self, mut operation: Operation) {
        operation.ended_ms = self.now_ms();
        if operation.is_ok() && operation.is_command() {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            self.last_acknowledged_ms
                .store(operation.ended_ms, Ordering::Relaxed);
        }
        self.lock().push(Line::Operation(operation));
    }

    pub fn record_attempt(&self, mut attempt: Attempt) {
        attempt.ended_ms = self.now_ms();
        self.lock().push(Line::Attempt(attempt));
    }

    /// Commands that were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    pub fn since_last_acknowledged_ms(&self) -> u64 {
        self.now_ms()
            .saturating_sub(self.last_acknowledged_ms.load(Ordering::Relaxed))
    }

    pub fn told(&self) -> Told {
        let mut told = Told::default();
        for line in self.lock().iter() {
            match line {
                Line::Attempt(attempt) => told.attempts.push(attempt.clone()),
                Line::Operation(operation) => told.operations.push(operation.clone()),
            }
        }
        told
    }

    /// One JSON object a line, each attempt and each operation, in the order in which they ended.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut file = BufWriter::new(File::create(path).with_context(|| path.display().to_string())?);
        for line in self.lock().iter() {
            serde_json::to_writer(&mut file, line)?;
            file.write_all(b"\n")?;
        }
        Ok(file.flush()?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        // A list of whole lines is whole, whoever panicked.
        self.lines
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
