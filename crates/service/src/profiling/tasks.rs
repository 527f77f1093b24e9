//! The tasks of a process.

use serde::{Deserialize, Serialize};

/// The answer of `GET /debug/tasks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskList {
    /// Those that the process owns and joins at its end, the oldest first.
    pub tasks: Vec<TaskAge>,
    /// All that the runtime has not ended yet: these, and those that they have spawned.
    pub alive: usize,
    /// Those that wait for a thread of the runtime, of all.
    pub queued: usize,
    /// Threads of the runtime that run tasks.
    pub workers: usize,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskAge {
    /// Under which it was spawned, as in logs.
    pub name: String,
    /// `running`; `stopping` from when it was asked to end.
    pub state: String,
    /// Since it was spawned.
    pub age_seconds: f64,
}
