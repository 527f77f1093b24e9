use std::time::Duration;

use anyhow::{Context, Result, ensure};
use depot_test_stack::{SentEvent, SentEvents};
use reqwest::StatusCode;
use tokio::time::timeout;

/// Longer than between two heartbeats on any machine.
const SILENCE: Duration = Duration::from_secs(90);

/// A stream of `GET /api/v1/stream`, read block by block. It is cut when it is dropped.
pub struct EventStream {
    response: reqwest::Response,
    events: SentEvents,
}

impl EventStream {
    pub(crate) fn of(response: reqwest::Response) -> Result<Self> {
        ensure!(response.status() == StatusCode::OK, "{response:?}");
        let events = SentEvents::default();
        Ok(Self { response, events })
    }

    /// The next block; none at an orderly end of the answer.
    ///
    /// # Errors
    /// It was cut.
    pub async fn next(&mut self) -> Result<Option<SentEvent>> {
        loop {
            if let Some(event) = self.events.next() {
                return Ok(Some(event));
            }
            let piece = timeout(SILENCE, self.response.chunk()).await;
            match piece.context("nothing comes")?? {
                Some(piece) => self.events.push(&piece),
                None => {
                    ensure!(self.events.is_empty(), "it ended within a block");
                    return Ok(None);
                }
            }
        }
    }

    /// The next block that has data.
    ///
    /// # Errors
    /// The stream ended before.
    pub async fn event(&mut self) -> Result<SentEvent> {
        loop {
            let block = self.next().await?.context("the stream has ended")?;
            if block.data.is_some() {
                return Ok(block);
            }
        }
    }
}
