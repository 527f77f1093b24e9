//! What the rows about commands have in common: the product's load, and the limit's script with the product's sizes.

use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use depot_test_stack::{ServiceRole, TestDatabase};

use crate::{
    bench::Bench,
    installation::Installation,
    load::{Connection, CreateItems, closed},
    measurement::Found,
    tools::{Pgbench, Target},
};

/// The issue's: each limit is the best of these.
pub const CLIENTS: [usize; 4] = [4, 8, 16, 32];

/// The bare database: migrated like the product's, and nobody else's.
pub struct Limit {
    pub plain: Pgbench,
    pub best: Pgbench,
    pub database: TestDatabase,
}

impl Limit {
    /// With rows as large as those that one command of this installation writes.
    pub async fn like(installation: &Installation) -> Result<Self> {
        let address = Installation::address(&installation.depot.command_url());
        let (items, mut request) = (CreateItems::new(&address, &installation.token), Vec::new());
        items.write(1_000_007, &mut request);
        let status = Connection::open(&address).await?.exchange(&request).await?;
        ensure!(status == 201, "a command is answered {status}");
        let sizes: (i32, i32, i32, String) = sqlx::query_as(
            "SELECT octet_length(o.payload), length(o.headers), octet_length(k.body), k.headers::text
             FROM command.outbox o, command.idempotency_keys k WHERE k.key = $1 LIMIT 1",
        )
        .bind(items.key(1_000_007).to_string())
        .fetch_one(&installation.depot.database)
        .await?;
        let variables = [
            ("payload", sizes.0.to_string()),
            ("headers", sizes.1.to_string()),
            ("body", sizes.2.to_string()),
            ("answer_headers", sizes.3),
        ];
        let database = TestDatabase::create().await?;
        let url = database.url(ServiceRole::Command);
        Ok(Self {
            plain: Pgbench::new(&url, "accepted_plain.sql", &variables),
            best: Pgbench::new(&url, "accepted_best.sql", &variables),
            database,
        })
    }
}

/// As many commands as so many connections bring through.
pub async fn saturate(
    installation: &Installation,
    connections: usize,
    lasting: std::time::Duration,
) -> Result<Found> {
    let address = Installation::address(&installation.depot.command_url());
    let items = CreateItems::new(&address, &installation.token);
    let load = closed(&address, connections, lasting, move |number, request| {
        items.write(number, request);
    });
    Ok(load.await?.found(connections))
}

/// The number of connections with the most commands accepted.
pub async fn best_connections(
    bench: &Bench,
    row: &str,
    what: &str,
    installation: &Installation,
) -> Result<usize> {
    let numbers = [16, 32, 64, 128, 256];
    let attempt = |connections| saturate(installation, connections, bench.trial());
    bench.best_clients(row, what, &numbers, attempt).await
}

/// The same commands for vegeta.
pub fn targets(installation: &Installation) -> impl Iterator<Item = Target> {
    let url = installation.depot.command_url();
    let items = CreateItems::new(&Installation::address(&url), &installation.token);
    let url = format!("{url}{}", CreateItems::PATH);
    let authorization = format!("Bearer {}", installation.token);
    (0..).map(move |number| Target {
        method: "POST",
        url: url.clone(),
        header: [
            ("authorization", authorization.clone()),
            ("content-type", "application/json".to_owned()),
            ("idempotency-key", items.key(number).to_string()),
        ]
        .map(|(name, value)| (name, vec![value]))
        .into(),
        body: Some(STANDARD.encode(CreateItems::body(number))),
    })
}
