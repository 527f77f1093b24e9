//! The runtime of a process, and its end.

use std::{future::Future, process::ExitCode, time::Duration};

use crate::{config::ConfigErrors, shutdown::DrainError};

/// For threads that are still at something when all tasks have ended or were dropped.
const THREADS_END_WITHIN: Duration = Duration::from_secs(2);

/// The exit code of a process that does not start until somebody has changed its configuration or the installation that
/// it found: `EX_CONFIG` of `sysexits.h`.
pub const REFUSED: u8 = 78;

/// Polls of tasks by one thread before it looks whether sockets are ready, where tasks always are. Tokio's own number is 61: in a
/// process that gets little of its processors each of them takes milliseconds, and an answer of Postgres lay in its socket for
/// most of a second. A connection takes six such steps to be opened, so that reads waited for one until their time was up. A
/// look costs about a microsecond.
const POLLS_BETWEEN_LOOKS: u32 = 8;

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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(POLLS_BETWEEN_LOOKS)
        .build()?;
    let outcome = runtime.block_on(main);
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        io::Write as _,
        os::unix::net::UnixStream,
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        task::Poll,
        thread,
    };

    use tokio::io::AsyncReadExt as _;

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

    /// To the end of the queue of what is ready. Tokio's own `yield_now` would have the sockets looked at first, each time.
    fn again() -> impl Future<Output = ()> {
        let mut was_polled = false;
        poll_fn(move |context| {
            if std::mem::replace(&mut was_polled, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "it is to keep the threads of the runtime at work"
    )]
    /// In polls, not in time: how long one takes is the machine's matter.
    #[test]
    fn what_a_socket_has_is_read_soon_though_tasks_are_always_ready() {
        const ROUNDS: usize = 31;
        let polls = block_on(async {
            let polls = Arc::new(AtomicUsize::new(0));
            let (mut far, near) = UnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            let mut near = tokio::net::UnixStream::from_std(near).unwrap();
            // More than threads, so that each always has one that is ready.
            let workers = tokio::runtime::Handle::current().metrics().num_workers();
            let busy: Vec<_> = (0..workers * 4)
                .map(|_| {
                    let polls = Arc::clone(&polls);
                    tokio::spawn(async move {
                        loop {
                            // As long as a poll takes that does something.
                            thread::sleep(Duration::from_micros(300));
                            polls.fetch_add(1, Ordering::Relaxed);
                            again().await;
                        }
                    })
                })
                .collect();
            let counted = Arc::clone(&polls);
            let waits = tokio::spawn(async move {
                let mut needed = Vec::new();
                for _ in 0..ROUNDS {
                    // It waits before there is anything: what is there already is read without a look.
                    let mut read = pin!(near.read_u8());
                    assert!(poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_pending())).await);
                    let before = counted.load(Ordering::Relaxed);
                    far.write_all(&[1]).unwrap();
                    read.await.unwrap();
                    needed.push((counted.load(Ordering::Relaxed) - before) / workers);
                    // To another moment between two looks.
                    for _ in 0..needed.len() {
                        again().await;
                    }
                }
                needed.iter().sum::<usize>() / ROUNDS
            });
            let mean = waits.await.unwrap();
            busy.iter().for_each(tokio::task::JoinHandle::abort);
            mean
        });
        let (polls, between) = (polls.unwrap(), POLLS_BETWEEN_LOOKS as usize);
        assert!(
            polls <= between,
            "{polls} polls of each thread until a byte was read"
        );
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
