use anyhow::{Context as _, Result, ensure};
use depot_end_to_end::Service;
use depot_service::auth::Role;
use depot_test_stack::ServiceRole;
use uuid::Uuid;

use super::{Row, commands::CLIENTS, items::fill_view};
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::{Installation, backing_services},
    tools::{Pgbench, wrk},
};

const NAME: &str = "list-of-50";
const LIMIT_FIRST: &str = "limit-first";
const LIMIT_DEEP: &str = "limit-deep";
const FIRST: &str = "ours-first";
const DEEP: &str = "ours-deep";
const CONNECTIONS: [usize; 4] = [4, 8, 16, 32];
const PAGE: usize = 50;

pub const ROW: Row = Row {
    name: NAME,
    about: "Lists of 50 items of one status among 1,000,000 items, the first page and page 10,000, by wrk. Limit: the bare \
            SQL of the same page by pgbench. The deep page is held against the first one as well.",
    measures: &[LIMIT_FIRST, FIRST, LIMIT_DEEP, DEEP],
    peers: &[],
    goals: &[
        goal(FIRST, LIMIT_FIRST, 0.7),
        goal(DEEP, LIMIT_DEEP, 0.7),
        goal(DEEP, FIRST, 0.95),
    ],
    run: |bench| Box::pin(run(bench)),
};

const fn goal(ours: &'static str, against: &'static str, bound: f64) -> Goal {
    Goal {
        ours: (ours, "per_second"),
        against: (against, "per_second"),
        bound: Bound::AtLeast(bound),
    }
}

async fn run(bench: &Bench) -> Result<()> {
    let installation = Installation::start(&[]).await?;
    let others = [Service::CommandApi, Service::Projector, Service::Uploader];
    let installation = installation.without(&others).await?;
    // In half of the statuses each, so that page 10,000 is the last one.
    let items = bench.sized(100_000, 1_000_000);
    fill_view(&installation, items as i64).await?;
    let pages = items / 2 / PAGE;
    let (cursor, time, id) = walk(&installation, pages - 1).await?;

    let first_url = format!(
        "{}/api/v1/items?status=active&limit={PAGE}",
        installation.depot.query_url()
    );
    let deep_url = format!("{first_url}&cursor={cursor}");
    let url = installation.depot.backing.database.url(ServiceRole::Query);
    let variables = [("after_time", time), ("after_id", id.to_string())];
    let limit_first = Pgbench::new(&url, "list_first.sql", &[]);
    let limit_deep = Pgbench::new(&url, "list_deep.sql", &variables);
    let token = &installation.token;

    let attempt = |clients| limit_first.saturate(clients, bench.trial());
    let clients = bench.best_clients(NAME, LIMIT_FIRST, &CLIENTS, attempt).await?;
    let attempt = |connections| wrk(&first_url, token, connections, bench.trial());
    let connections = bench.best_clients(NAME, FIRST, &CONNECTIONS, attempt).await?;
    for round in bench.rounds() {
        let place = |what| Place {
            row: NAME,
            round,
            what,
        };
        for (limit, limit_name, url, ours_name) in [
            (&limit_first, LIMIT_FIRST, &first_url, FIRST),
            (&limit_deep, LIMIT_DEEP, &deep_url, DEEP),
        ] {
            let limit = limit.saturate(clients, bench.steady());
            bench
                .measure(place(limit_name), backing_services(), limit)
                .await?;
            let ours = wrk(url, token, connections, bench.steady());
            bench
                .measure(place(ours_name), installation.watched(), ours)
                .await?;
        }
    }
    Ok(())
}

/// Goes so many pages on, as a client does; the next page's cursor, and where it begins.
async fn walk(installation: &Installation, pages: usize) -> Result<(String, String, Uuid)> {
    let client = installation.depot.client("bench", Role::Writer);
    let (mut cursor, mut last) = (String::new(), serde_json::Value::Null);
    for _ in 0..pages {
        let after = if cursor.is_empty() {
            String::new()
        } else {
            format!("&cursor={cursor}")
        };
        let path = format!("/api/v1/items?status=active&limit={PAGE}{after}");
        let page = client.send(client.query(&path)).await?;
        ensure!(page.status.is_success(), "{path}: {page:?}");
        let page = page.json();
        cursor = page["next_cursor"]
            .as_str()
            .context("the walk is at its end")?
            .to_owned();
        last = page["items"][PAGE - 1].clone();
    }
    let text = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
    Ok((cursor, text("created_at"), text("id").parse()?))
}
