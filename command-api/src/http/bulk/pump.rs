//! From lines to outcomes, in order: reads no faster than outcomes are taken.

use std::{future::Future, time::Duration};

use axum::body::Bytes;
use depot_service::ndjson::{LineWriter, Untaken};
use futures::{Stream, StreamExt as _, stream::FuturesOrdered};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    import::ImportLineBody,
    lines::{Lines, NoLine},
    outcome::OutcomeBody,
};

/// Within what a pump works.
#[derive(Debug, Clone)]
pub struct PumpLimits {
    /// Lines that are under way at once.
    pub at_once: usize,
    /// How long a line may take to arrive, while nobody is waited for but the client.
    pub idle: Duration,
    /// Ends the reading; what is under way is brought to its end.
    pub stop: CancellationToken,
}

/// What was done until a pump ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Lines whose outcome was written.
    pub lines: u64,
    /// Those of them that were answered 2xx.
    pub created: u64,
}

/// Why a pump ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The body was read to its end.
    Whole,
    /// A line is longer than may be: its number.
    TooLong(u64),
    /// The body broke off.
    Broken,
    /// The client sent no whole line in time.
    Silent,
    Stopping,
    Reader(Untaken),
}

/// Has `work` bring each line that is not blank to its outcome, and writes the outcomes in the order of the lines, which are
/// numbered from 1. What is under way when the reading ends is brought to its end, and written.
pub async fn pump<S, E, F>(
    lines: &mut Lines<S>,
    out: &LineWriter,
    limits: &PumpLimits,
    mut work: impl FnMut(u64, Vec<u8>) -> F,
) -> (Done, Ended)
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    F: Future<Output = OutcomeBody>,
{
    let (mut done, mut number) = (Done::default(), 0);
    let mut under_way = FuturesOrdered::new();
    let mut heard = Instant::now();
    let ended = loop {
        tokio::select! {
            biased;
            () = limits.stop.cancelled() => break Ended::Stopping,
            // First what is under way: it begins when it is looked at.
            Some(outcome) = under_way.next() => {
                if let Err(untaken) = write(out, outcome, &mut done).await {
                    return (done, Ended::Reader(untaken));
                }
                heard = Instant::now();
            }
            line = lines.next(), if under_way.len() < limits.at_once => match line {
                Ok(Some(line)) => {
                    heard = Instant::now();
                    number += 1;
                    if !line.trim_ascii().is_empty() {
                        under_way.push_back(work(number, line));
                    }
                }
                Ok(None) => break Ended::Whole,
                Err(NoLine::TooLong) => break Ended::TooLong(number + 1),
                Err(NoLine::Broken(_)) => break Ended::Broken,
            },
            // A client that waits for an outcome before it sends more is not silent.
            () = sleep_until(heard + limits.idle), if under_way.is_empty() => break Ended::Silent,
        }
    };
    while let Some(outcome) = under_way.next().await {
        if let Err(untaken) = write(out, outcome, &mut done).await {
            return (done, Ended::Reader(untaken));
        }
    }
    (done, ended)
}

async fn write(out: &LineWriter, outcome: OutcomeBody, done: &mut Done) -> Result<(), Untaken> {
    let is_done = outcome.is_done();
    out.write(&ImportLineBody::Outcome(outcome)).await?;
    done.lines += 1;
    done.created += u64::from(is_done);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use depot_service::{ndjson, problem::Problem};
    use futures::stream;
    use http::StatusCode;
    use serde_json::{Value, json};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::http::answer::Answer;

    const AT_ONCE: usize = 4;
    /// Longer than any of these tests takes.
    const LONG: Duration = Duration::from_secs(600);
    /// What is at hand is taken before any time has passed, so it may be as short as a clock can tell.
    const SILENCE: Duration = Duration::from_millis(1);

    fn limits(idle: Duration) -> PumpLimits {
        PumpLimits {
            at_once: AT_ONCE,
            idle,
            stop: CancellationToken::new(),
        }
    }

    async fn created(number: u64, _: Vec<u8>) -> OutcomeBody {
        OutcomeBody::new(number, &Answer::json(StatusCode::CREATED, &json!({"n": number})))
    }

    fn refused(number: u64) -> OutcomeBody {
        OutcomeBody::new(number, &Answer::problem(Problem::overloaded(), "/here"))
    }

    /// As a line that is under way while others are read.
    async fn created_later(number: u64, line: Vec<u8>) -> OutcomeBody {
        for _ in 0..AT_ONCE {
            tokio::task::yield_now().await;
        }
        created(number, line).await
    }

    /// Pieces of a line each, that are counted when they are read.
    fn counted(
        pieces: usize,
    ) -> (
        Arc<AtomicUsize>,
        impl Stream<Item = Result<Bytes, Infallible>> + Unpin,
    ) {
        let read = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&read);
        let pieces = stream::iter(0..pieces).map(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(Bytes::from_static(b"x\n"))
        });
        (read, pieces)
    }

    async fn numbers(stream: ndjson::LineStream) -> Vec<u64> {
        let lines: Vec<_> = stream.collect().await;
        let lines = lines.into_iter().map_while(Result::ok);
        let line = |line: Bytes| {
            serde_json::from_slice::<Value>(&line).unwrap()["line"]
                .as_u64()
                .unwrap()
        };
        lines.map(line).collect()
    }

    #[tokio::test]
    async fn outcomes_are_in_the_order_of_the_lines_however_long_each_takes() {
        let (_, pieces) = counted(40);
        let (out, stream) = ndjson::lines(LONG);
        let reading = tokio::spawn(numbers(stream));
        let work = |number: u64, line| async move {
            for _ in 0..number % 5 {
                tokio::task::yield_now().await;
            }
            match number % 4 {
                0 => refused(number),
                _ => created(number, line).await,
            }
        };
        let (done, ended) = pump(&mut Lines::new(pieces, 10), &out, &limits(LONG), work).await;
        assert_eq!(ended, Ended::Whole);
        assert_eq!((done.lines, done.created), (40, 30));
        drop(out);
        assert_eq!(reading.await.unwrap(), (1..=40).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_stops_the_reading_of_its_lines() {
        let (read, pieces) = counted(1_000_000);
        let (out, stream) = ndjson::lines(Duration::from_millis(200));
        let (done, ended) = pump(&mut Lines::new(pieces, 10), &out, &limits(LONG), created).await;
        assert_eq!(ended, Ended::Reader(Untaken::Slow));
        // Those that wait for the reader, the one that was to be written, those under way, and one piece.
        let most = done.lines as usize + 1 + AT_ONCE + 1;
        let read = read.load(Ordering::SeqCst);
        assert!(done.lines < 100 && read <= most, "{read} of {most} with {done:?}");
        drop(stream);
    }

    #[tokio::test]
    async fn no_more_lines_are_read_than_are_under_way() {
        let (read, pieces) = counted(1_000);
        let (out, stream) = ndjson::lines(LONG);
        let gate = Arc::new(Semaphore::new(0));
        let passes = Arc::clone(&gate);
        let pumped = tokio::spawn(async move {
            let work = move |number, line| {
                let passes = Arc::clone(&passes);
                async move {
                    passes.acquire().await.unwrap().forget();
                    created(number, line).await
                }
            };
            pump(&mut Lines::new(pieces, 10), &out, &limits(LONG), work).await
        });
        let reading = tokio::spawn(numbers(stream));
        // Each turn of the one thread lets the pump go as far as it can.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(read.load(Ordering::SeqCst), AT_ONCE);
        gate.add_permits(1_000);
        assert_eq!(pumped.await.unwrap().1, Ended::Whole);
        assert_eq!(reading.await.unwrap().len(), 1_000);
    }

    #[tokio::test]
    async fn each_end_is_told_apart_and_what_is_under_way_is_written_before_it() {
        let short = Duration::from_millis(10);
        let body = |text: &'static [u8]| stream::iter([Ok::<_, &str>(Bytes::from_static(text))]);
        for (text, expected, lines) in [
            (&b"a\n \r\n\nb"[..], Ended::Whole, &[1, 4][..]),
            (b"a\nlonger than ten\nb\n", Ended::TooLong(2), &[1]),
        ] {
            let (out, stream) = ndjson::lines(LONG);
            let (done, ended) = pump(
                &mut Lines::new(body(text), 10),
                &out,
                &limits(LONG),
                created_later,
            )
            .await;
            assert_eq!((done.lines, ended), (lines.len() as u64, expected));
            drop(out);
            assert_eq!(numbers(stream).await, lines);
        }
        let (out, _stream) = ndjson::lines(LONG);
        let broken = body(b"a\nb").chain(stream::iter([Err("gone")]));
        let (done, ended) = pump(&mut Lines::new(broken, 10), &out, &limits(LONG), created_later).await;
        assert_eq!((done.lines, ended), (1, Ended::Broken));
        let silent = body(b"a\nb").chain(stream::pending());
        let (done, ended) = pump(&mut Lines::new(silent, 10), &out, &limits(short), created_later).await;
        assert_eq!((done.lines, ended), (1, Ended::Silent));
        let stopped = limits(LONG);
        stopped.stop.cancel();
        let (done, ended) = pump(&mut Lines::new(body(b"a\n"), 10), &out, &stopped, created_later).await;
        assert_eq!((done.lines, ended), (0, Ended::Stopping));
    }

    #[tokio::test]
    async fn a_client_that_waits_for_an_outcome_is_not_silent() {
        let (out, stream) = ndjson::lines(LONG);
        let is_done = Arc::new(Semaphore::new(0));
        // The second line is sent when the first has its outcome, after what counts as silence.
        let waits = Arc::clone(&is_done);
        let second = stream::once(async move {
            waits.acquire().await.unwrap().forget();
            Ok(Bytes::from_static(b"b\n"))
        });
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"a\n"))]);
        let slow = |number, line| {
            let is_done = Arc::clone(&is_done);
            async move {
                // A clock of the same time that is set later, again and again: a pump that took this for silence has heard its
                // own ring before this one has rung for the third time.
                for _ in 0..3 {
                    tokio::time::sleep(SILENCE).await;
                }
                is_done.add_permits(1);
                created(number, line).await
            }
        };
        let mut lines = Lines::new(Box::pin(first.chain(second)), 10);
        let (done, ended) = pump(&mut lines, &out, &limits(SILENCE), slow).await;
        assert_eq!((done.lines, ended), (2, Ended::Whole));
        drop((out, stream));
    }
}
