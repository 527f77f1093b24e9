//! A profile of the heap, as the allocator has sampled it.

use std::sync::Arc;

use jemalloc_pprof::{JemallocProfCtl, PROF_CTL};
use tokio::sync::Mutex;

/// What a process has to be started with, so that its allocator samples.
pub const SAMPLING: &str = "_RJEM_MALLOC_CONF=prof:true";

/// Why there is no profile of the heap.
#[derive(Debug, thiserror::Error)]
pub enum HeapProfileError {
    /// The allocator was not asked to sample when the process started, and cannot be asked later.
    #[error("what this process allocates is not sampled; start it with {SAMPLING} in its environment")]
    NotSampled,
    /// The allocator writes it to a file of the folder for temporary ones first.
    #[error("the allocator's profile cannot be written to {} and read from there", folder.display())]
    Dump {
        /// Where it was to be written.
        folder: std::path::PathBuf,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The thread that names the functions ended early.
    #[error("the functions of the profile could not be named")]
    Naming(#[source] tokio::task::JoinError),
}

/// The library's reason, as an error.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub struct Cause(anyhow::Error);

/// What is allocated at this moment by stack, in bytes: a gzipped `perftools.profiles.Profile`. Of 512 KiB that are allocated
/// one allocation is looked at, by chance, and stands for all of them.
///
/// # Errors
/// [`HeapProfileError`].
pub async fn heap_profile() -> Result<Vec<u8>, HeapProfileError> {
    let control = sampler().ok_or(HeapProfileError::NotSampled)?;
    let mut control = control.lock_owned().await;
    // Reads the program's debugging information, which takes a second or more.
    let naming = tokio::task::spawn_blocking(move || control.dump_pprof());
    let dumped = naming.await.map_err(HeapProfileError::Naming)?;
    dumped.map_err(|error| HeapProfileError::Dump {
        folder: std::env::temp_dir(),
        source: Cause(error),
    })
}

fn sampler() -> Option<Arc<Mutex<JemallocProfCtl>>> {
    PROF_CTL.as_ref().map(Arc::clone)
}
