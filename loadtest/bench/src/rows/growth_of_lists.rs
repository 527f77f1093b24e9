use anyhow::Result;
use depot_end_to_end::Service;
use depot_test_stack::ServiceRole;

use super::{
    Row,
    growth::{self, Grows},
    items::fill_view,
};
use crate::{
    bench::Bench,
    installation::Installation,
    measurement::Found,
    processes::Watched,
    tools::{Pgbench, wrk},
};

/// Of both, so that sizes are compared and not numbers of clients.
const CLIENTS: usize = 8;

pub const ROW: Row =
    growth::row::<Lists>("The first page of list-of-50 among 1,000, 100,000 and 1,000,000 items.");

struct Lists {
    installation: Installation,
    bare: Pgbench,
}

impl Grows for Lists {
    const NAME: &'static str = "growth-of-lists";

    async fn with(_bench: &Bench, behind: i64) -> Result<Self> {
        let installation = Installation::start(&[]).await?;
        let others = [Service::CommandApi, Service::Projector, Service::Uploader];
        let installation = installation.without(&others).await?;
        fill_view(&installation, behind).await?;
        let url = installation.depot.backing.database.url(ServiceRole::Query);
        let bare = Pgbench::new(&url, "list_first.sql", &[]);
        Ok(Self { installation, bare })
    }

    async fn limit(&mut self, bench: &Bench) -> Result<Found> {
        self.bare.saturate(CLIENTS, bench.steady()).await
    }

    async fn ours(&mut self, bench: &Bench) -> Result<Found> {
        let query = self.installation.depot.query_url();
        let url = format!("{query}/api/v1/items?status=active&limit=50");
        wrk(&url, &self.installation.token, CLIENTS, bench.steady()).await
    }

    fn watched(&self) -> Vec<Watched> {
        self.installation.watched()
    }
}
