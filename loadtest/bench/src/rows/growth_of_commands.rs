use anyhow::Result;
use sqlx::PgPool;

use super::{
    Row,
    commands::{Limit, saturate},
    growth,
};
use crate::{
    bench::{Bench, Place},
    installation::{Installation, backing_services},
};

const NAME: &str = "growth-of-commands";
/// Of both, so that sizes are compared and not numbers of clients.
const CLIENTS: usize = 16;

pub const ROW: Row = Row {
    name: NAME,
    about: "accepted-commands with 1,000, 100,000 and 1,000,000 items, answers and rows of views there already; the limit is \
            the best single statement on a database with as many.",
    measures: &[
        "limit-least",
        "ours-least",
        "limit-middle",
        "ours-middle",
        "limit-most",
        "ours-most",
        growth::GROWTH,
    ],
    peers: &[],
    goals: &[growth::GOAL],
    run: |bench| Box::pin(run(bench)),
};

async fn run(bench: &Bench) -> Result<()> {
    for (size, behind) in growth::sizes(bench) {
        let installation = Installation::start(&[]).await?;
        let limit = Limit::like(&installation).await?;
        fill(&installation.depot.database, behind).await?;
        fill(&limit.database.owner_pool().await, behind).await?;
        let (limit_name, ours) = (format!("limit-{size}"), format!("ours-{size}"));
        for round in bench.rounds() {
            let place = |what| Place {
                row: NAME,
                round,
                what,
            };
            let bare = limit.best.saturate(CLIENTS, bench.steady());
            bench
                .measure(place(&limit_name), backing_services(), bare)
                .await?;
            let accepted = saturate(&installation, CLIENTS, bench.steady());
            bench
                .measure(place(&ours), installation.watched(), accepted)
                .await?;
            installation.settle().await?;
        }
    }
    growth::compare(bench, NAME).await
}

/// So many items that were created by commands which all got an answer.
async fn fill(pool: &PgPool, items: i64) -> Result<()> {
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
