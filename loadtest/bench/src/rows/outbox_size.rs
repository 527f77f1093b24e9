use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use depot_end_to_end::Service;
use depot_outbox::NewEvent;
use sqlx::PgPool;

use super::Row;
use crate::{
    bench::{Bench, Place},
    events::item_created,
    goal::{Bound, Goal},
    installation::Installation,
    measurement::Found,
};

const NAME: &str = "outbox-size";
const FREE: &str = "ours";
const HELD: &str = "ours-snapshot-held";
const EVENTS: u64 = 5_000_000;
/// Events of one transaction.
const BATCH: u64 = 500;
/// Rows that may wait for the relay: what is measured is what is kept, not a backlog.
const UNPUBLISHED: i64 = 100_000;
const HELD_FOR: Duration = Duration::from_secs(600);
const LOOK_EVERY: u64 = 50_000;
const MIB: f64 = 1024.0 * 1024.0;

pub const ROW: Row = Row {
    name: NAME,
    about: "The size of the outbox on disk while 5,000,000 events pass through it, and while a snapshot is held open for ten \
            minutes meanwhile: what it has at most in the second half, against what it had at most in the first.",
    measures: &[FREE, HELD],
    peers: &[],
    goals: &[goal(FREE), goal(HELD)],
    run: |bench| Box::pin(run(bench)),
};

const fn goal(what: &'static str) -> Goal {
    Goal {
        ours: (what, "second_half_mib"),
        against: (what, "first_half_mib"),
        bound: Bound::AtMost(1.2),
    }
}

/// Once, whatever the number of rounds: it takes twenty minutes.
async fn run(bench: &Bench) -> Result<()> {
    for (what, held_for) in [(FREE, Duration::ZERO), (HELD, HELD_FOR)] {
        let installation = Installation::start(&[("SAGA_ENABLED", "false")]).await?;
        let others = [Service::Projector, Service::Uploader, Service::QueryApi];
        let installation = installation.without(&others).await?;
        let place = Place {
            row: NAME,
            round: 1,
            what,
        };
        let passed = pass(bench, &installation, held_for);
        bench.measure(place, installation.watched(), passed).await?;
    }
    Ok(())
}

async fn pass(bench: &Bench, installation: &Installation, held_for: Duration) -> Result<Found> {
    let events = if bench.quick { EVENTS / 20 } else { EVENTS };
    let held_for = if bench.quick { held_for / 20 } else { held_for };
    let pool = &installation.depot.database;
    let mut held = pool.begin().await?;
    if !held_for.is_zero() {
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .execute(&mut *held)
            .await?;
        // The snapshot is taken by the first statement.
        sqlx::query("SELECT txid_current_snapshot()")
            .execute(&mut *held)
            .await?;
    }
    let began = Instant::now();
    let (mut halves, mut curve) = ([0.0_f64; 2], Vec::new());
    let topics = installation.depot.topics();
    for first in (0..events).step_by(BATCH as usize) {
        let batch: Vec<NewEvent> = (first..events.min(first + BATCH))
            .map(|number| NewEvent::from_event(&topics, &item_created(number)))
            .collect::<Result<_, _>>()?;
        let mut transaction = pool.begin().await?;
        depot_outbox::append(&mut transaction, batch).await?;
        transaction.commit().await?;
        // As fast as it goes, and no faster than lets the snapshot see all of it.
        let due = began + held_for.mul_f64(first as f64 / events as f64);
        tokio::time::sleep_until(due.into()).await;
        if first % LOOK_EVERY == 0 {
            installation.wait_for_relay(UNPUBLISHED).await?;
            let size = size_mib(pool).await?;
            let half = &mut halves[usize::from(first >= events / 2)];
            *half = half.max(size);
            curve.push((began.elapsed().as_secs_f64(), size));
        }
    }
    installation.wait_for_relay(0).await?;
    held.rollback().await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(
        began.elapsed() >= held_for,
        "the snapshot was not held for as long as it should be"
    );
    Ok(Found::values([
        ("events", events as f64),
        ("first_half_mib", halves[0]),
        ("second_half_mib", halves[1]),
        ("seconds", seconds),
    ])
    .with_curve("outbox_mib_over_time", curve))
}

/// All partitions with their indexes.
async fn size_mib(pool: &PgPool) -> Result<f64> {
    let bytes: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint FROM pg_partition_tree('command.outbox')",
    )
    .fetch_one(pool)
    .await?;
    Ok(bytes as f64 / MIB)
}
