//! Database connections, read at the moment of a scrape.

use metrics::gauge;

use crate::database::Pool;

use super::{DB_CONN_COUNT, DB_CONN_LIMIT};

pub(super) fn sample(pools: &[Pool]) {
    let open: usize = pools.iter().map(|pool| pool.size() as usize).sum();
    let idle: usize = pools.iter().map(|pool| pool.num_idle()).sum();
    let limit: u32 = pools
        .iter()
        .map(|pool| pool.options().get_max_connections())
        .sum();
    gauge!(DB_CONN_COUNT, "state" => "idle").set(idle as f64);
    // The two are read one after the other, so idle may be ahead for a moment.
    gauge!(DB_CONN_COUNT, "state" => "in_use").set(open.saturating_sub(idle) as f64);
    gauge!(DB_CONN_LIMIT).set(f64::from(limit));
}
