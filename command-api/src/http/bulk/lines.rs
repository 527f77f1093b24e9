//! The lines of a body that arrives in pieces.

use std::mem;

use axum::body::Bytes;
use futures::{Stream, StreamExt as _};

/// Reads lines. Holds one of them at most, and the piece that arrived last.
#[derive(Debug)]
pub struct Lines<S: Stream> {
    body: S,
    /// The first piece, if it was waited for.
    first: Option<Option<S::Item>>,
    /// What arrived last and was not looked at yet.
    piece: Bytes,
    /// A line whose end has not arrived.
    begun: Vec<u8>,
    max_bytes: usize,
    is_over: bool,
}

/// There is no line, and there will be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoLine<E> {
    #[error("a line is longer than may be")]
    TooLong,
    #[error("the body broke off")]
    Broken(#[source] E),
}

impl<S, E> Lines<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// Of lines that have at most so many bytes.
    pub fn new(body: S, max_bytes: usize) -> Self {
        Self {
            body,
            first: None,
            piece: Bytes::new(),
            begun: Vec::new(),
            max_bytes,
            is_over: false,
        }
    }

    /// Waits until something of the body is there, or its end.
    pub async fn begin(&mut self) {
        if self.first.is_none() {
            self.first = Some(self.body.next().await);
        }
    }

    /// The next line without its end; none behind the last one, which may be without an end. Loses nothing if it is dropped.
    ///
    /// # Errors
    /// [`NoLine`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, NoLine<E>> {
        loop {
            if let Some(end) = self.piece.iter().position(|byte| *byte == b'\n') {
                let line = self.piece.split_to(end + 1);
                self.go_on(&line[..end])?;
                return Ok(Some(mem::take(&mut self.begun)));
            }
            let piece = mem::take(&mut self.piece);
            self.go_on(&piece)?;
            if self.is_over {
                return Ok((!self.begun.is_empty()).then(|| mem::take(&mut self.begun)));
            }
            let piece = match self.first.take() {
                Some(first) => first,
                None => self.body.next().await,
            };
            match piece {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => return Err(NoLine::Broken(error)),
                None => self.is_over = true,
            }
        }
    }

    /// Reads what is left, to its end, and keeps nothing of it.
    pub async fn pass_over(&mut self) {
        while let Some(Ok(_)) = self.body.next().await {}
    }

    fn go_on(&mut self, bytes: &[u8]) -> Result<(), NoLine<E>> {
        if self.begun.len() + bytes.len() > self.max_bytes {
            return Err(NoLine::TooLong);
        }
        self.begun.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;

    use super::*;

    /// What is read of a body that comes in pieces of that size.
    async fn read(body: &[u8], size: usize, max_bytes: usize) -> (Vec<Vec<u8>>, bool) {
        let pieces: Vec<Result<Bytes, Infallible>> = body
            .chunks(size)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let mut lines = Lines::new(stream::iter(pieces), max_bytes);
        let mut read = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(line)) => read.push(line),
                Ok(None) => return (read, true),
                Err(_) => return (read, false),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_the_same_however_they_are_cut() {
        for (body, lines) in [
            (&b""[..], &[][..]),
            (b"a", &["a"]),
            (b"a\n", &["a"]),
            (b"a\nbc\r\n\n\nd", &["a", "bc\r", "", "", "d"]),
            (b"\n", &[""]),
        ] {
            for size in 1..=body.len() + 1 {
                let expected: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
                assert_eq!(read(body, size, 3).await, (expected, true), "{body:?} by {size}");
            }
        }
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_ends_the_reading_wherever_it_is_cut() {
        for size in 1..12 {
            let (lines, is_whole) = read(b"ab\nabc\nab\n", size, 2).await;
            assert_eq!((lines, is_whole), (vec![b"ab".to_vec()], false), "by {size}");
            assert!(!read(b"abcdefgh", size, 7).await.1, "a last one, by {size}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_last_line() {
        let pieces = || stream::iter([Ok(Bytes::from_static(b"a\nb")), Err("gone")]);
        let mut lines = Lines::new(pieces(), 10);
        assert_eq!(lines.next().await, Ok(Some(b"a".to_vec())));
        assert_eq!(lines.next().await, Err(NoLine::Broken("gone")));
        let mut lines = Lines::new(pieces().skip(1), 10);
        lines.begin().await;
        assert_eq!(lines.next().await, Err(NoLine::Broken("gone")));
    }

    #[tokio::test]
    async fn what_was_waited_for_is_read_once() {
        let pieces = [Ok::<_, Infallible>(Bytes::from_static(b"a\nb"))];
        let mut lines = Lines::new(stream::iter(pieces), 10);
        lines.begin().await;
        lines.begin().await;
        for expected in [Some(b"a".to_vec()), Some(b"b".to_vec()), None] {
            assert_eq!(lines.next().await, Ok(expected));
        }
    }
}
