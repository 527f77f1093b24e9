//! One stream after the other, each behind the last token that was received.

use std::time::Duration;

use depot_proto::v1::WatchItemsResponse;
use depot_retry::Delays;
use tokio::time::sleep;
use tonic::{Status, Streaming};
use tonic_types::StatusExt as _;

use super::{
    Arguments, change,
    error::{WatchError, may_pass, said},
    stream::Source,
};
use crate::output;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);

/// How far it is. Kept apart from the work, which may be dropped at any await.
#[derive(Debug)]
pub struct Watching {
    /// Behind the last change that was printed, or that there was no need to print.
    pub token: Option<String>,
    /// Changes that are still to be printed; none: without end.
    left: Option<u64>,
}

impl From<&Arguments> for Watching {
    fn from(arguments: &Arguments) -> Self {
        Self {
            token: arguments.from.clone(),
            left: arguments.count,
        }
    }
}

/// Why it ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All changes that were asked for are printed.
    Counted,
    /// Nobody reads the output any more.
    Unread,
}

/// Prints changes until there are as many as were asked for.
///
/// # Errors
/// A refusal, or a server that is away for longer than the patience.
pub async fn follow(arguments: &Arguments, watching: &mut Watching) -> Result<Ended, WatchError> {
    let mut source = Source::from_settings(arguments)?;
    let mut outage = Outage::within(Duration::from_secs(arguments.patience));
    loop {
        let cut = match source.begin(watching.token.as_deref()).await {
            Ok(mut stream) => loop {
                match next(&mut stream).await {
                    Ok(message) => {
                        outage.is_over = true;
                        if let Some(ended) = print(arguments, watching, message)? {
                            return Ok(ended);
                        }
                    }
                    Err(status) => break status,
                }
            },
            Err(status) => status,
        };
        if !may_pass(&cut) {
            return Err(WatchError::Refused(cut));
        }
        if outage.begins() {
            eprintln!(
                "the stream is cut ({}): going on as soon as it can be",
                said(&cut)
            );
        }
        let Some(delay) = outage.delays.next_delay() else {
            return Err(WatchError::Away {
                url: source.url,
                status: cut,
            });
        };
        sleep(delay.max(wanted(&cut))).await;
    }
}

/// How long the server has been away. The time counts from the cut: a stream on which nothing had come for hours is no outage.
struct Outage {
    delays: Delays,
    /// Something has come since.
    is_over: bool,
}

impl Outage {
    fn within(patience: Duration) -> Self {
        Self {
            delays: Delays::lasting(FIRST, LONGEST, patience),
            is_over: true,
        }
    }

    /// The server is away; true if it was there right before.
    fn begins(&mut self) -> bool {
        let begins = std::mem::take(&mut self.is_over);
        if begins {
            self.delays.reset();
        }
        begins
    }
}

/// A stream that ends by itself is one that was cut.
async fn next(stream: &mut Streaming<WatchItemsResponse>) -> Result<WatchItemsResponse, Status> {
    let message = stream.message().await?;
    message.ok_or_else(|| Status::unavailable("the server has ended the stream"))
}

/// Prints what came, and then remembers that: nothing is waited for between the two.
fn print(
    arguments: &Arguments,
    watching: &mut Watching,
    message: WatchItemsResponse,
) -> Result<Option<Ended>, WatchError> {
    let is_first = watching.token.is_none();
    if let Some(change) = &message.change {
        let line = match arguments.json {
            true => change::json(change, &message.resume_token).to_string(),
            false => change::line(change),
        };
        if !output::write(&format!("{line}\n")).map_err(WatchError::Output)? {
            return Ok(Some(Ended::Unread));
        }
        watching.left = watching.left.map(|left| left.saturating_sub(1));
    }
    if is_first {
        eprintln!("watching from here: --from {}", message.resume_token);
    }
    watching.token = Some(message.resume_token);
    Ok((watching.left == Some(0)).then_some(Ended::Counted))
}

/// How long the server wants to be left alone; no longer than is believable.
fn wanted(status: &Status) -> Duration {
    let info = status.get_details_retry_info();
    let wanted = info.and_then(|info| info.retry_delay).unwrap_or_default();
    wanted.min(Duration::from_secs(300))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3_600);
    const MANY: usize = 50;

    /// The longest of many delays, each drawn from zero to twice its mean: a series that goes on is past its first mean.
    fn longest(outage: &mut Outage) -> Duration {
        let delays = (0..MANY).filter_map(|_| {
            assert!(!outage.begins(), "the same outage goes on");
            outage.delays.next_delay()
        });
        delays.max().unwrap()
    }

    /// The patience and the delays are one series, which starts over with both (`depot_retry::Delays::reset`).
    #[test]
    fn patience_counts_from_the_cut_and_not_from_the_last_change() {
        let mut outage = Outage::within(PATIENCE);
        // What an earlier outage has used up.
        while outage.delays.next_delay().is_some_and(|delay| delay <= 2 * FIRST) {}
        for _ in 0..3 {
            assert!(outage.begins());
            let first = outage.delays.next_delay().unwrap();
            assert!(first <= 2 * FIRST, "{first:?}");
            assert!(
                longest(&mut outage) > 2 * FIRST,
                "it goes on, and does not start over"
            );
            outage.is_over = true;
        }
    }
}
