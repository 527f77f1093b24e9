//! The runtime of a process, and its end.

use std::{future::Future, time::Duration};

/// For threads that are still at something when all tasks have ended or were dropped.
const THREADS_END_WITHIN: Duration = Duration::from_secs(2);

/// Runs a process on a runtime of its own. When `main` has ended, a thread that blocks keeps the process for two seconds and
/// no longer: what was worth waiting for was waited for before, with its own deadline.
///
/// # Errors
/// The runtime cannot be made, or `main`'s own.
pub fn run_to_the_end<T, E: From<std::io::Error>>(main: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(main);
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Long enough for any machine: a process that is kept is kept for good.
    const IS_KEPT: Duration = Duration::from_secs(60);

    #[test]
    fn a_thread_that_blocks_for_good_keeps_nobody() {
        // Never sent to, and kept until the end.
        let (kept, never) = mpsc::channel::<()>();
        let (blocks, is_blocked) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let process = std::thread::spawn(move || {
            let outcome: std::io::Result<u8> = run_to_the_end(async move {
                drop(tokio::task::spawn_blocking(move || {
                    blocks.send(()).unwrap();
                    never.recv()
                }));
                is_blocked.recv().unwrap();
                Ok(7)
            });
            ends.send(outcome).unwrap();
        });
        assert_eq!(ended.recv_timeout(IS_KEPT).expect("it ends").unwrap(), 7);
        drop(kept);
        process.join().unwrap();
    }
}
