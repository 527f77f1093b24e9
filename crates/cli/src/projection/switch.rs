use std::time::{Duration, Instant};

use depot_schemas::projections::Switched;
use tokio::time::sleep;

use super::{Outcome, Projector, api::is_behind};
use crate::admin_client::AdminError;

const PAUSE: Duration = Duration::from_millis(500);

pub async fn run(
    projection: i32,
    accept_differences: bool,
    wait: u64,
) -> Result<Outcome<Switched>, AdminError> {
    let projector = Projector::from_settings()?;
    let switched = while_behind(wait, || projector.switch(projection, accept_differences)).await?;
    Ok(Outcome::complete(switched))
}

/// Tries for so many seconds, as long as what is switched to is behind; once at least.
pub async fn while_behind<F>(seconds: u64, switch: impl Fn() -> F) -> Result<Switched, AdminError>
where
    F: Future<Output = Result<Switched, AdminError>>,
{
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match switch().await {
            Err(error) if is_behind(&error) && Instant::now() < deadline => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

pub fn text(switched: &Switched) -> String {
    let Switched { from, to, held_ms } = switched;
    format!(
        "projection {to} serves; {from} stood still for {held_ms} ms, and stands by until `depot projection drop {from}`\n"
    )
}
