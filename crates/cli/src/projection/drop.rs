use depot_schemas::projections::{Dropped, ProjectionList};

use super::{Outcome, Projector, progress::Progress};
use crate::admin_client::AdminError;

/// Asks until nothing is left.
pub async fn run(projection: i32) -> Result<Outcome<Dropped>, AdminError> {
    let projector = Projector::from_settings()?;
    let total = rows_of(&projector.list(true).await?, projection);
    let mut progress = Progress::new(format!("dropping {projection}"), "rows");
    let mut rows = 0;
    loop {
        // It goes on growing until the first call.
        progress.show(rows, total.max(rows));
        let dropped = projector.remove(projection).await;
        if !matches!(&dropped, Ok(dropped) if !dropped.is_done) {
            progress.clear();
        }
        let dropped = dropped?;
        rows += dropped.rows;
        if dropped.is_done {
            let dropped = Dropped { rows, ..dropped };
            return Ok(Outcome::complete(dropped));
        }
    }
}

fn rows_of(list: &ProjectionList, projection: i32) -> u64 {
    let status = list
        .projections
        .iter()
        .find(|status| status.projection == projection);
    let rows = status.and_then(|status| status.rows.as_ref());
    let rows: i64 = rows.map_or(0, |rows| rows.values().sum());
    u64::try_from(rows).unwrap_or(0)
}

pub fn text(dropped: &Dropped) -> String {
    format!(
        "projection {}: {} rows removed, nothing is left\n",
        dropped.projection, dropped.rows
    )
}
