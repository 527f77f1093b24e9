//! What a process spends its time on, told by itself: `GET /debug/pprof/profile` and `/debug/pprof/flamegraph` sample its
//! stacks, `GET /debug/pprof/heap` tells who holds its memory, `GET /debug/tasks` lists its tasks.
//!
//! On the admin port, where `PROFILING` is on. A profile shows functions and lines, never data.

mod cpu;
mod heap;
mod routes;
mod tasks;

pub use cpu::{CpuProfile, ProfileError};
pub use heap::{HeapProfileError, SAMPLING, heap_profile};
pub use routes::routes;
pub use tasks::{TaskAge, TaskList};
