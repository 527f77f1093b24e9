//! What the rows about growth have in common: the same measure at several sizes, and how much dearer the largest is.

use anyhow::{Context as _, Result, ensure};
use sqlx::PgPool;

use super::Row;
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::backing_services,
    measurement::Found,
    processes::Watched,
};

/// The measure that says how many times dearer the largest size is than the smallest.
const GROWTH: &str = "growth";

const MEASURES: &[&str] = &[
    "limit-least",
    "ours-least",
    "limit-middle",
    "ours-middle",
    "limit-most",
    "ours-most",
    GROWTH,
];

/// Ours may grow dearer by 1.2 times as much as the bare measure does.
const GOALS: &[Goal] = &[Goal {
    ours: (GROWTH, "ours"),
    against: (GROWTH, "limit"),
    bound: Bound::AtMost(1.2),
}];

/// What both measures of a row tell, and which of two is the dearer one.
#[derive(Debug, Clone, Copy)]
pub enum Figure {
    PerSecond,
    P50,
}

/// Something that is measured with rows behind it.
pub trait Grows: Sized + 'static {
    const NAME: &'static str;
    const FIGURE: Figure = Figure::PerSecond;

    /// With so many rows behind what is measured.
    async fn with(bench: &Bench, behind: i64) -> Result<Self>;

    /// The bare measure.
    async fn limit(&mut self, bench: &Bench) -> Result<Found>;

    /// Ours.
    async fn ours(&mut self, bench: &Bench) -> Result<Found>;

    /// The processes that ours uses.
    fn watched(&self) -> Vec<Watched> {
        backing_services()
    }

    /// After a round, until the next may begin.
    async fn settle(&self) -> Result<()> {
        Ok(())
    }
}

/// The row of what grows.
pub const fn row<G: Grows>(about: &'static str) -> Row {
    Row {
        name: G::NAME,
        about,
        measures: MEASURES,
        peers: &[],
        goals: GOALS,
        run: |bench| Box::pin(run::<G>(bench)),
    }
}

/// Measures all sizes, and compares the largest with the smallest.
async fn run<G: Grows>(bench: &Bench) -> Result<()> {
    for (size, behind) in sizes(bench) {
        let (limit, ours) = (format!("limit-{size}"), format!("ours-{size}"));
        let is_known = |what: &str, round| anyhow::Ok(bench.results.read(G::NAME, round, what)?.is_some());
        let mut missing = false;
        for round in bench.rounds() {
            missing |= !is_known(&limit, round)? || !is_known(&ours, round)?;
        }
        // Filling takes longer than measuring.
        if !missing {
            continue;
        }
        let mut grown = G::with(bench, behind).await?;
        for round in bench.rounds() {
            let place = |what| Place {
                row: G::NAME,
                round,
                what,
            };
            let bare = grown.limit(bench);
            bench.measure(place(&limit), backing_services(), bare).await?;
            let watched = grown.watched();
            bench.measure(place(&ours), watched, grown.ours(bench)).await?;
            grown.settle().await?;
        }
    }
    compare::<G>(bench).await
}

/// Rows behind what is measured, and how that is called in the names of measures.
fn sizes(bench: &Bench) -> [(&'static str, i64); 3] {
    match bench.quick {
        true => [("least", 1_000), ("middle", 10_000), ("most", 100_000)],
        false => [("least", 1_000), ("middle", 100_000), ("most", 1_000_000)],
    }
}

async fn compare<G: Grows>(bench: &Bench) -> Result<()> {
    for round in bench.rounds() {
        let dearer = |who: &str| {
            let (least, most) = (format!("{who}-least"), format!("{who}-most"));
            let (least, most) = (cost::<G>(bench, round, &least)?, cost::<G>(bench, round, &most)?);
            anyhow::Ok(most / least)
        };
        let growth = Found::values([("limit", dearer("limit")?), ("ours", dearer("ours")?)]);
        let place = Place {
            row: G::NAME,
            round,
            what: GROWTH,
        };
        bench.measure(place, Vec::new(), async { Ok(growth) }).await?;
    }
    Ok(())
}

/// Time for one: the more, the dearer.
fn cost<G: Grows>(bench: &Bench, round: u32, what: &str) -> Result<f64> {
    let found = bench.results.read(G::NAME, round, what)?;
    let found = found.with_context(|| format!("{what} of round {round} is missing"))?;
    let value = |figure: &str| {
        found
            .values
            .get(figure)
            .copied()
            .with_context(|| format!("no {figure}"))
    };
    let cost = match G::FIGURE {
        Figure::PerSecond => 1.0 / value("per_second")?,
        Figure::P50 => value("p50_ms")?,
    };
    ensure!(
        cost.is_finite() && cost > 0.0,
        "{what} of round {round} measured nothing"
    );
    Ok(cost)
}

/// So many items that were created by commands which all got an answer, in state and views.
pub async fn fill(pool: &PgPool, items: i64) -> Result<()> {
    let statements = [
        "INSERT INTO command.items (id, owner, name, description, tags, attributes, status, version, created_at, updated_at)
         SELECT lpad(to_hex(n), 32, '0')::uuid, 'owner-' || n % 100, 'Bench item ' || n,
                'Made under load, to be found by its words.', '{bench}', jsonb_build_object('n', n), 'draft', 1, now(), now()
         FROM generate_series($1::bigint, $2::bigint) n",
        "INSERT INTO command.idempotency_keys (principal, route, key, fingerprint, status, headers, body, expires_at)
         SELECT 'owner-' || n % 100, 'POST /api/v1/items', lpad(to_hex(n), 36, '0'), decode(lpad(to_hex(n), 64, '0'), 'hex'), 201,
                '[]', repeat('b', 400)::bytea, now() + interval '24 hours'
         FROM generate_series($1::bigint, $2::bigint) n",
        "INSERT INTO read.items (projection, id, owner, name, description, tags, attributes, status, files, epoch, version,
                                 created_at, updated_at, deleted)
         SELECT 1, lpad(to_hex(n), 32, '0')::uuid, 'owner-' || n % 100, 'Bench item ' || n,
                'Made under load, to be found by its words.', '{bench}', jsonb_build_object('n', n), 'draft', '[]', 0, 1,
                now(), now(), false
         FROM generate_series($1::bigint, $2::bigint) n",
    ];
    for statement in statements {
        for first in (1..=items).step_by(50_000) {
            let last = (first + 49_999).min(items);
            sqlx::query(statement)
                .bind(first)
                .bind(last)
                .execute(pool)
                .await?;
        }
    }
    sqlx::query("VACUUM ANALYZE command.items, command.idempotency_keys, read.items")
        .execute(pool)
        .await?;
    Ok(())
}
