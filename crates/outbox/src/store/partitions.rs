use std::time::Duration;

use super::{ReadRequest, Store, timed};
use crate::{error::RelayError, shard::SHARDS};

/// What waits to be published in the shards asked for.
pub(crate) struct Backlog {
    /// Exact while each shard has no more than the limit asked for; beyond it, what the ids say.
    pub rows: i64,
    /// How long ago the oldest of them happened, about: of the oldest transaction that is waited for.
    pub oldest_age: Duration,
}

impl Store {
    /// Sees to it that `ahead` partitions of `range_size` ids lie ahead of the newest id; answers how many it added.
    pub(crate) async fn add_partitions(&mut self, range_size: i64, ahead: i32) -> Result<i32, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_scalar!(
            r#"SELECT outbox_add_partitions($1, $2) AS "added!""#,
            range_size,
            ahead
        );
        let added = timed("add partitions", self.limit, query.fetch_one(&mut connection)).await?;
        self.keep(connection);
        Ok(added)
    }

    /// The oldest partition.
    pub(crate) async fn oldest_partition(&mut self) -> Result<Option<String>, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_scalar!("SELECT name FROM outbox_partitions ORDER BY from_id LIMIT 1");
        let name = timed(
            "list partitions",
            self.limit,
            query.fetch_optional(&mut connection),
        )
        .await?;
        self.keep(connection);
        Ok(name)
    }

    /// Drops a partition if all of it has been published; answers what was done, see `outbox_drop_partition`.
    pub(crate) async fn drop_partition(&mut self, name: &str) -> Result<String, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_scalar!(r#"SELECT outbox_drop_partition($1) AS "outcome!""#, name);
        let outcome = timed("drop a partition", self.limit, query.fetch_one(&mut connection)).await?;
        self.keep(connection);
        Ok(outcome)
    }

    /// Forgets relays that have been gone for an hour.
    pub(crate) async fn forget_relays(&mut self) -> Result<(), RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query!(
            "DELETE FROM outbox_relays WHERE expires_at < clock_timestamp() - interval '1 hour'"
        );
        timed("forget relays", self.limit, query.execute(&mut connection)).await?;
        self.keep(connection);
        Ok(())
    }

    /// Counts what waits in the shards, up to `limit` rows each, and estimates the rest.
    pub(crate) async fn backlog(
        &mut self,
        shards: &[ReadRequest],
        limit: i64,
    ) -> Result<Backlog, RelayError> {
        let mut connection = self.connection().await?;
        let numbers: Vec<i16> = shards.iter().map(|s| s.shard).collect();
        let xmax: Vec<i64> = shards.iter().map(|s| s.from.base.xmax()).collect();
        let running: Vec<String> = shards.iter().map(|s| s.from.base.running().to_owned()).collect();
        let after = |s: &ReadRequest| s.from.unfinished.as_ref().map_or(0, |u| u.after_id);
        let after_id: Vec<i64> = shards.iter().map(after).collect();
        let query = sqlx::query_file!(
            "src/store/backlog.sql",
            &numbers,
            &xmax,
            &running,
            &after_id,
            limit
        );
        let row = timed(
            "measure the backlog",
            self.limit,
            query.fetch_one(&mut connection),
        )
        .await?;
        self.keep(connection);
        let share = shards.len() as i64;
        let rows = if row.most >= limit {
            // Ids are dealt evenly over all shards.
            row.rows
                .max((row.newest_id - row.oldest_id) * share / i64::from(SHARDS))
        } else {
            row.rows
        };
        Ok(Backlog {
            rows,
            oldest_age: Duration::try_from_secs_f64(row.age).unwrap_or_default(),
        })
    }
}
