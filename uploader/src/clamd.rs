//! clamd's protocol over TCP: `INSTREAM` and `PING`, after clamd(8), "COMMANDS".
//!
//! A stream is sent as it comes, in chunks of at most 64 KiB, each after its length in four bytes, big-endian; a
//! length of zero ends it, and then comes one line that ends with a NUL. clamd answers early only to refuse.

use std::{io, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

/// A piece from the store may be larger.
const CHUNK_BYTES: usize = 64 * 1024;
/// Longer than any line of clamd's; more is none of its answers.
const ANSWER_BYTES: usize = 4 * 1024;
/// A daemon that is up answers a ping at once.
const PING: Duration = Duration::from_secs(2);

/// How clamd is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClamdSettings {
    /// `host:port`.
    pub address: String,
    pub connect_timeout: Duration,
    /// For each chunk to be taken, and for the verdict when all of them are: longer than clamd's own `MaxScanTime`.
    pub timeout: Duration,
}

/// What clamd says of a stream that it had whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Clean,
    Found { name: String },
}

/// Why there is no verdict. None of it says that the file is clean.
#[derive(Debug, thiserror::Error)]
pub enum ClamdError {
    #[error("clamd at {address} cannot be reached")]
    Away {
        address: String,
        #[source]
        source: io::Error,
    },
    #[error("clamd at {address} did not {what} within {limit:?}")]
    Silent {
        address: String,
        what: &'static str,
        limit: Duration,
    },
    /// The file is more than clamd is set up to scan: others are not.
    #[error(
        "clamd at {address} does not scan so much (`{answer}`): raise StreamMaxLength, MaxFileSize, MaxScanSize \
         and MaxScanTime in clamd.conf"
    )]
    OverLimit { address: String, answer: String },
    #[error("clamd at {address} gives no verdict: it answers `{answer}`")]
    NoVerdict { address: String, answer: String },
}

/// A daemon, and how long it is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Clamd {
    settings: ClamdSettings,
}

/// A stream that is being sent.
#[derive(Debug)]
pub(crate) struct Session {
    settings: ClamdSettings,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    answer: BytesMut,
}

impl Clamd {
    pub(crate) fn new(settings: ClamdSettings) -> Self {
        Self { settings }
    }

    /// Asks whether it takes work.
    ///
    /// # Errors
    /// [`ClamdError`]: it does not.
    pub(crate) async fn ping(&self) -> Result<(), ClamdError> {
        let mut session = Session::open(&self.settings).await?;
        session.settings.timeout = PING;
        session.write(b"zPING\0").await?;
        match session.line("answer a ping").await?.as_str() {
            "PONG" => Ok(()),
            other => Err(no_verdict(&self.settings, other)),
        }
    }

    /// Begins a stream.
    ///
    /// # Errors
    /// [`ClamdError::Away`], [`ClamdError::Silent`].
    pub(crate) async fn begin(&self) -> Result<Session, ClamdError> {
        let mut session = Session::open(&self.settings).await?;
        session.write(b"zINSTREAM\0").await?;
        Ok(session)
    }
}

impl Session {
    async fn open(settings: &ClamdSettings) -> Result<Self, ClamdError> {
        let connecting = TcpStream::connect(&settings.address);
        let connected = timeout(settings.connect_timeout, connecting).await;
        let stream =
            connected.map_err(|_| silent(settings, "take a connection", settings.connect_timeout))?;
        let (reader, writer) = stream.map_err(|error| away(settings, error))?.into_split();
        Ok(Self {
            settings: settings.clone(),
            reader,
            writer,
            answer: BytesMut::new(),
        })
    }

    /// Sends a piece of the stream.
    ///
    /// # Errors
    /// [`ClamdError`]; the stream is to be begun anew.
    pub(crate) async fn send(&mut self, piece: &[u8]) -> Result<(), ClamdError> {
        for chunk in piece.chunks(CHUNK_BYTES) {
            // At most CHUNK_BYTES.
            self.write(&(chunk.len() as u32).to_be_bytes()).await?;
            self.write(chunk).await?;
        }
        Ok(())
    }

    /// Ends the stream, and waits for what is said of it.
    ///
    /// # Errors
    /// [`ClamdError`]: there is no verdict.
    pub(crate) async fn verdict(mut self) -> Result<Verdict, ClamdError> {
        self.write(&0_u32.to_be_bytes()).await?;
        let line = self.line("give a verdict").await?;
        read_verdict(&self.settings, &line)
    }

    /// Writes all of it, unless an answer comes first: whatever that is, clamd takes nothing more.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), ClamdError> {
        let limit = self.settings.timeout;
        let writing = timeout(limit, self.writer.write_all(bytes));
        tokio::select! {
            biased;
            line = read_line(&mut self.reader, &mut self.answer) => {
                let line = line.map_err(|error| away(&self.settings, error))?;
                Err(early(&self.settings, &line))
            }
            written = writing => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(self.refused(error).await),
                Err(_) => Err(silent(&self.settings, "take the next chunk", limit)),
            },
        }
    }

    /// The connection broke while something was written: clamd may have said why.
    async fn refused(&mut self, error: io::Error) -> ClamdError {
        match timeout(PING, read_line(&mut self.reader, &mut self.answer)).await {
            Ok(Ok(line)) => early(&self.settings, &line),
            _ => away(&self.settings, error),
        }
    }

    async fn line(&mut self, what: &'static str) -> Result<String, ClamdError> {
        let limit = self.settings.timeout;
        let read = timeout(limit, read_line(&mut self.reader, &mut self.answer)).await;
        let line = read.map_err(|_| silent(&self.settings, what, limit))?;
        line.map_err(|error| away(&self.settings, error))
    }
}

/// Up to the NUL. What was read is kept in `buffer`, so that it may be dropped and called again.
async fn read_line(reader: &mut OwnedReadHalf, buffer: &mut BytesMut) -> io::Result<String> {
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == 0) {
            return Ok(String::from_utf8_lossy(&buffer[..end]).trim().to_owned());
        }
        if buffer.len() >= ANSWER_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an answer without an end",
            ));
        }
        if reader.read_buf(buffer).await? == 0 {
            let ended = "the connection ended before an answer did";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, ended));
        }
    }
}

fn read_verdict(settings: &ClamdSettings, line: &str) -> Result<Verdict, ClamdError> {
    if is_over_limit(line) {
        return Err(over_limit(settings, line));
    }
    let verdict = line.strip_prefix("stream: ");
    match verdict {
        Some("OK") => Ok(Verdict::Clean),
        Some(found) => match found.strip_suffix(" FOUND") {
            Some(name) => Ok(Verdict::Found {
                name: name.to_owned(),
            }),
            None => Err(no_verdict(settings, line)),
        },
        None => Err(no_verdict(settings, line)),
    }
}

/// An answer to a stream that has not ended is no verdict, whatever it says.
fn early(settings: &ClamdSettings, line: &str) -> ClamdError {
    match is_over_limit(line) {
        true => over_limit(settings, line),
        false => no_verdict(settings, line),
    }
}

/// Both say the same: not all of the file was looked at. The second is a `FOUND`, where clamd is told to say so
/// (`AlertExceedsMax`).
fn is_over_limit(line: &str) -> bool {
    line.contains("size limit exceeded") || line.contains("Heuristics.Limits.Exceeded")
}

fn over_limit(settings: &ClamdSettings, answer: &str) -> ClamdError {
    ClamdError::OverLimit {
        address: settings.address.clone(),
        answer: answer.to_owned(),
    }
}

fn no_verdict(settings: &ClamdSettings, answer: &str) -> ClamdError {
    ClamdError::NoVerdict {
        address: settings.address.clone(),
        answer: answer.to_owned(),
    }
}

fn away(settings: &ClamdSettings, source: io::Error) -> ClamdError {
    ClamdError::Away {
        address: settings.address.clone(),
        source,
    }
}

fn silent(settings: &ClamdSettings, what: &'static str, limit: Duration) -> ClamdError {
    ClamdError::Silent {
        address: settings.address.clone(),
        what,
        limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Verdict, ClamdError> {
        let settings = ClamdSettings {
            address: "127.0.0.1:3310".to_owned(),
            connect_timeout: PING,
            timeout: PING,
        };
        read_verdict(&settings, line)
    }

    #[test]
    fn nothing_but_ok_is_clean() {
        assert_eq!(read("stream: OK").unwrap(), Verdict::Clean);
        let name = "Win.Test.EICAR_HDB-1".to_owned();
        assert_eq!(
            read("stream: Win.Test.EICAR_HDB-1 FOUND").unwrap(),
            Verdict::Found { name }
        );
        for line in [
            "",
            "OK",
            "stream: ",
            "stream: ok",
            "stream: OK ERROR",
            "stream: Can't allocate memory ERROR",
        ] {
            assert!(matches!(read(line), Err(ClamdError::NoVerdict { .. })), "{line}");
        }
    }

    #[test]
    fn what_was_not_looked_at_whole_is_neither_clean_nor_found() {
        for line in [
            "INSTREAM size limit exceeded. ERROR",
            "stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND",
        ] {
            assert!(matches!(read(line), Err(ClamdError::OverLimit { .. })), "{line}");
        }
    }
}
