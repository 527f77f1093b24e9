use depot_schemas::projections::Switched;

use super::{Outcome, Projector, switch::while_behind};
use crate::admin_client::AdminError;

pub async fn run(wait: u64) -> Result<Outcome<Switched>, AdminError> {
    let projector = Projector::from_settings()?;
    let switched = while_behind(wait, || projector.roll_back()).await?;
    Ok(Outcome::complete(switched))
}
