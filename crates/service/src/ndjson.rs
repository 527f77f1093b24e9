//! Answers that are a JSON value a line (`application/x-ndjson`), written while they are read.
//!
//! Who writes is no faster than who reads: a few lines wait between them. The end is not one of those: it has a place of its
//! own, so that it can be left for a reader that does not read. An answer whose writer was lost breaks off, and is not
//! ended as if it were whole.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;
use tokio::sync::mpsc;

/// The media type.
pub const MEDIA_TYPE: &str = "application/x-ndjson";
/// Lines that wait for the reader.
const WAITING: usize = 16;

/// What is left for the reader behind the lines that wait: the end, if it was not written.
type Left = Arc<OnceLock<Option<Bytes>>>;

/// The side that writes. An answer whose writer is dropped without an end breaks off.
#[derive(Debug)]
pub struct LineWriter {
    lines: mpsc::Sender<Bytes>,
    left: Left,
    patience: Duration,
}

/// The side that is answered.
#[derive(Debug)]
pub struct LineStream {
    lines: mpsc::Receiver<Bytes>,
    left: Left,
    is_over: bool,
}

/// A line was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untaken {
    /// Nobody reads any more.
    #[error("the reader is gone")]
    Gone,
    /// Nothing was read for as long as the writer waits.
    #[error("the reader reads nothing")]
    Slow,
}

/// The writer was lost before it had ended the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer breaks off")]
pub struct BreaksOff;

/// Both sides of an answer. A line waits for its reader for `patience` at most.
#[must_use]
pub fn lines(patience: Duration) -> (LineWriter, LineStream) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let left = Left::default();
    let writer = LineWriter {
        lines: sender,
        left: Arc::clone(&left),
        patience,
    };
    let stream = LineStream {
        lines: receiver,
        left,
        is_over: false,
    };
    (writer, stream)
}

impl LineWriter {
    /// Writes a line, when there is room for it. It is not written if this is dropped before.
    ///
    /// # Errors
    /// [`Untaken`].
    pub async fn write(&self, line: &impl Serialize) -> Result<(), Untaken> {
        let sent = tokio::time::timeout(self.patience, self.lines.send(text(line))).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Untaken::Gone),
            Err(_) => Err(Untaken::Slow),
        }
    }

    /// Ends the answer with these lines. Waits for nobody: they are read behind those that wait.
    pub fn end<L: Serialize>(self, last: &[L]) {
        let last: Vec<u8> = last.iter().flat_map(text).collect();
        self.leave(Some(last.into()));
    }

    /// Ends the answer with what was written.
    pub fn close(self) {
        self.leave(None);
    }

    fn leave(self, last: Option<Bytes>) {
        // Only here, and once: `self` is gone after it.
        self.left.get_or_init(|| last);
    }
}

/// A line with its end.
fn text(line: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_else(|error| {
        tracing::error!(%error, "a line has no form in JSON");
        b"null".to_vec()
    });
    text.push(b'\n');
    text.into()
}

impl Stream for LineStream {
    type Item = Result<Bytes, BreaksOff>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Some(line) = ready!(self.lines.poll_recv(context)) {
            return Poll::Ready(Some(Ok(line)));
        }
        self.is_over = true;
        Poll::Ready(match self.left.get() {
            Some(Some(last)) => Some(Ok(last.clone())),
            Some(None) => None,
            None => Some(Err(BreaksOff)),
        })
    }
}

/// An answer 200 that nobody keeps.
impl IntoResponse for LineStream {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from_stream(self));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(10);

    async fn read(stream: LineStream) -> Vec<Result<Bytes, BreaksOff>> {
        stream.collect().await
    }

    fn line(text: &'static str) -> Result<Bytes, BreaksOff> {
        Ok(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_then_the_last_line() {
        let (writer, stream) = lines(PATIENCE);
        writer.write(&1).await.unwrap();
        writer.write(&"two\nlines").await.unwrap();
        writer.end(&[true, false]);
        assert_eq!(
            read(stream).await,
            [line("1\n"), line("\"two\\nlines\"\n"), line("true\nfalse\n")]
        );
        let (writer, stream) = lines(PATIENCE);
        writer.write(&1).await.unwrap();
        writer.close();
        assert_eq!(read(stream).await, [line("1\n")]);
    }

    #[tokio::test]
    async fn who_writes_is_held_up_by_who_does_not_read_and_can_leave_a_last_line() {
        let (writer, stream) = lines(PATIENCE);
        for number in 0..WAITING {
            writer.write(&number).await.unwrap();
        }
        assert_eq!(writer.write(&"too many").await, Err(Untaken::Slow));
        writer.end(&["slow"]);
        let read = read(stream).await;
        assert_eq!(read.len(), WAITING + 1);
        assert_eq!(read.last(), Some(&line("\"slow\"\n")));
    }

    #[tokio::test]
    async fn an_answer_without_an_end_breaks_off_and_nothing_is_written_to_nobody() {
        let (writer, stream) = lines(PATIENCE);
        writer.write(&1).await.unwrap();
        drop(writer);
        assert_eq!(read(stream).await, [line("1\n"), Err(BreaksOff)]);
        let (writer, stream) = lines(PATIENCE);
        drop(stream);
        assert_eq!(writer.write(&1).await, Err(Untaken::Gone));
    }
}
