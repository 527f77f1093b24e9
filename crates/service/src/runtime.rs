//! The runtime of a process, and its end.

use std::{future::Future, process::ExitCode, time::Duration};

use crate::{config::ConfigErrors, shutdown::DrainError};

/// For threads that are still at something when all tasks have ended or were dropped.
const THREADS_END_WITHIN: Duration = Duration::from_secs(2);

/// The exit code of a process that does not start until somebody has changed its configuration or the installation that
/// it found: `EX_CONFIG` of `sysexits.h`.
pub const REFUSED: u8 = 78;

/// Runs a process on a runtime of its own, and says on stderr why it ended where it should not have. Its exit code is 0,
/// [`REFUSED`], or 1 for anything else.
pub fn run_to_the_end(main: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let outcome = block_on(main).map_err(anyhow::Error::from).flatten();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:?}");
            exit_code(&error).into()
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let is_refused = error.chain().any(|cause| {
        let drained = cause.downcast_ref::<DrainError>();
        cause.is::<ConfigErrors>() || drained.is_some_and(|drained| drained.refused.is_some())
    });
    if is_refused { REFUSED } else { 1 }
}

/// When `main` has ended, a thread that blocks keeps the process for two seconds and no longer: what was worth waiting for was
/// waited for before, with its own deadline.
fn block_on<T>(main: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(main);
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::startup::Refusal;

    /// Long enough for any machine: a process that is kept is kept for good.
    const IS_KEPT: Duration = Duration::from_secs(60);

    #[test]
    fn a_thread_that_blocks_for_good_keeps_nobody() {
        // Never sent to, and kept until the end.
        let (kept, never) = mpsc::channel::<()>();
        let (blocks, is_blocked) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let process = std::thread::spawn(move || {
            let outcome = block_on(async move {
                drop(tokio::task::spawn_blocking(move || {
                    blocks.send(()).unwrap();
                    never.recv()
                }));
                is_blocked.recv().unwrap();
                7
            });
            ends.send(outcome).unwrap();
        });
        assert_eq!(ended.recv_timeout(IS_KEPT).expect("it ends").unwrap(), 7);
        drop(kept);
        process.join().unwrap();
    }

    #[test]
    fn only_what_a_restart_does_not_mend_has_the_code_of_a_refusal() {
        let configuration = ConfigErrors { faults: Vec::new() };
        assert_eq!(exit_code(&anyhow::Error::new(configuration)), REFUSED);
        let mut drained = DrainError {
            refused: None,
            failed: Vec::new(),
            unfinished: vec!["relay".to_owned()],
        };
        assert_eq!(exit_code(&anyhow::Error::new(drained.clone())), 1);
        drained.refused = Some(Refusal {
            findings: Vec::new(),
            unanswered: Vec::new(),
            waited: None,
        });
        assert_eq!(exit_code(&anyhow::Error::new(drained).context("run")), REFUSED);
        assert_eq!(exit_code(&anyhow::anyhow!("the port is in use")), 1);
    }
}
