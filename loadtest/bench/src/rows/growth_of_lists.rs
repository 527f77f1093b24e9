use anyhow::Result;
use depot_end_to_end::Service;
use depot_test_stack::ServiceRole;

use super::{Row, growth, items::fill_view};
use crate::{
    bench::{Bench, Place},
    installation::{Installation, backing_services},
    tools::{Pgbench, wrk},
};

const NAME: &str = "growth-of-lists";
/// Of both, so that sizes are compared and not numbers of clients.
const CLIENTS: usize = 8;

pub const ROW: Row = Row {
    name: NAME,
    about: "The first page of list-of-50 among 1,000, 100,000 and 1,000,000 items.",
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
    for (size, items) in growth::sizes(bench) {
        let installation = Installation::start(&[]).await?;
        let others = [Service::CommandApi, Service::Projector, Service::Uploader];
        let installation = installation.without(&others).await?;
        fill_view(&installation, items).await?;
        let url = format!(
            "{}/api/v1/items?status=active&limit=50",
            installation.depot.query_url()
        );
        let bare = Pgbench::new(
            &installation.depot.backing.database.url(ServiceRole::Query),
            "list_first.sql",
            &[],
        );
        let (limit, ours) = (format!("limit-{size}"), format!("ours-{size}"));
        for round in bench.rounds() {
            let place = |what| Place {
                row: NAME,
                round,
                what,
            };
            let bare = bare.saturate(CLIENTS, bench.steady());
            bench.measure(place(&limit), backing_services(), bare).await?;
            let list = wrk(&url, &installation.token, CLIENTS, bench.steady());
            bench.measure(place(&ours), installation.watched(), list).await?;
        }
    }
    growth::compare(bench, NAME).await
}
