//! Gauges that are read at the moment of a scrape.

use metrics::gauge;
use sqlx::PgPool;

use super::{DB_CONN_COUNT, TASKS_COUNT};

pub(super) fn sample_tasks() {
    let alive =
        tokio::runtime::Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks());
    gauge!(TASKS_COUNT).set(alive as f64);
}

pub(super) fn sample_pools(pools: &[PgPool]) {
    let open: usize = pools.iter().map(|pool| pool.size() as usize).sum();
    let idle: usize = pools.iter().map(PgPool::num_idle).sum();
    gauge!(DB_CONN_COUNT, "state" => "idle").set(idle as f64);
    // The two are read one after the other, so idle may be ahead for a moment.
    gauge!(DB_CONN_COUNT, "state" => "in_use").set(open.saturating_sub(idle) as f64);
}
