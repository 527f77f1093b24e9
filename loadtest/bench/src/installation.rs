//! What is measured: the four services on a database and topics of their own, with everything that uses the processor.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use depot_end_to_end::{Backing, Depot, Service};
use depot_schemas::topics::PARTITIONS;
use depot_service::auth::Role;

use crate::processes::Watched;

/// As the product is delivered, but for the limit of requests of one principal: the load has one.
const SETTINGS: [(&str, &str); 2] = [("RATE_LIMIT_PER_SECOND", "0"), ("SAGA_SWEEP_ENABLED", "false")];

/// On any machine that is worth measuring on.
const SETTLES_WITHIN: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub struct Installation {
    pub depot: Depot,
    pub token: String,
}

impl Installation {
    /// All four services, ready.
    pub async fn start(overrides: &[(&str, &str)]) -> Result<Self> {
        Self::of_partitions(PARTITIONS, overrides).await
    }

    /// The same with so many partitions of each topic.
    pub async fn of_partitions(partitions: i32, overrides: &[(&str, &str)]) -> Result<Self> {
        let backing = Backing::create_of(partitions).await?;
        let depot = Depot::start_on(backing, &[&SETTINGS[..], overrides].concat()).await?;
        let token = depot.token("bench", Role::Writer);
        Ok(Self { depot, token })
    }

    /// Ends services that a measure does without.
    pub async fn without(mut self, services: &[Service]) -> Result<Self> {
        for service in services {
            let ended_well = self.depot.process(*service).terminate().await?;
            ensure!(ended_well, "{} did not end well", service.name());
        }
        Ok(self)
    }

    /// `host:port` of a URL of the services.
    pub fn address(url: &str) -> String {
        url.trim_start_matches("http://").to_owned()
    }

    /// The running services and what they stand on, for [`Watch`](crate::processes::Watch).
    pub fn watched(&self) -> Vec<Watched> {
        let services = self.depot.process_ids().into_iter().map(|(service, id)| Watched {
            name: service.name().to_owned(),
            id,
            with_children: false,
            admin: Some(self.depot.admin_url(service, "")),
        });
        services.chain(backing_services()).collect()
    }

    /// Waits until everything that was accepted is in the views.
    pub async fn settle(&self) -> Result<()> {
        let is_settled =
            async || anyhow::Ok(self.unpublished().await? == 0 && self.unprojected().await? == 0);
        wait_until("what was accepted is in the views", is_settled).await
    }

    /// Waits until no more than so many rows of the outbox wait for the relay.
    pub async fn wait_for_relay(&self, unpublished: i64) -> Result<()> {
        let is_published = async || anyhow::Ok(self.unpublished().await? <= unpublished);
        wait_until("what is in the outbox is published", is_published).await
    }

    /// Waits until so many instances of command-api have shards of the outbox.
    pub async fn settle_shards(&self, instances: usize) -> Result<()> {
        let is_shared = async || anyhow::Ok(self.owners_of_shards().await? == instances as i64);
        wait_until("each command-api has shards", is_shared).await
    }

    /// Rows of the outbox that no position of a shard sees.
    async fn unpublished(&self) -> Result<i64> {
        let count = sqlx::query_scalar(
            "SELECT count(*) FROM command.outbox o JOIN command.outbox_shards s USING (shard)
             WHERE o.xid >= pg_snapshot_xmax(s.position)::text::bigint",
        );
        Ok(count.fetch_one(&self.depot.database).await?)
    }

    async fn owners_of_shards(&self) -> Result<i64> {
        let count = sqlx::query_scalar(
            "SELECT count(DISTINCT holder) FROM command.outbox_shards WHERE expires_at > now()",
        );
        Ok(count.fetch_one(&self.depot.database).await?)
    }

    /// Items of which the view has no row.
    async fn unprojected(&self) -> Result<i64> {
        let difference = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM command.items) - (SELECT count(*) FROM read.items)",
        );
        Ok(difference.fetch_one(&self.depot.database).await?)
    }
}

async fn wait_until(what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let waiting = async {
        while !holds().await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        anyhow::Ok(())
    };
    let in_time = tokio::time::timeout(SETTLES_WITHIN, waiting).await;
    in_time.with_context(|| format!("waited for five minutes until {what}"))?
}

/// Who makes the load: this process with the tools that it ran to their end, and the servers of the stack.
pub fn backing_services() -> Vec<Watched> {
    let mut watched = vec![Watched {
        name: "generator".to_owned(),
        id: std::process::id(),
        with_children: false,
        admin: None,
    }];
    let Some(stack) = std::env::var_os("STACK_DIR") else {
        return watched;
    };
    let folder = PathBuf::from(stack).join("run");
    for name in ["postgres", "kafka", "redis", "object-store"] {
        let id = fs::read_to_string(folder.join(name).with_extension("pid"));
        // One that was given runs who knows where.
        if let Some(id) = id.ok().and_then(|id| id.trim().parse().ok()) {
            watched.push(Watched {
                name: name.to_owned(),
                id,
                with_children: true,
                admin: None,
            });
        }
    }
    watched
}
