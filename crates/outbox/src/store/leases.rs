use std::time::Duration;

use super::{Progress, Store, Tenure, timed};
use crate::{
    error::RelayError,
    relay::{Position, Unfinished},
    snapshot::Snapshot,
};

/// A shard that this relay has just been given.
pub(crate) struct Claimed {
    pub tenure: Tenure,
    pub position: Position,
}

impl Store {
    /// Says that this relay is running, and answers how many are, itself included.
    pub(crate) async fn announce(&mut self, instance: &str, lease: Duration) -> Result<i64, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_scalar!(
            r#"WITH announced AS (
                   INSERT INTO outbox_relays (id, instance, expires_at)
                   VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
                   ON CONFLICT (id) DO UPDATE SET expires_at = EXCLUDED.expires_at
               )
               SELECT count(*) + 1 AS "alive!" FROM outbox_relays WHERE id <> $1 AND expires_at > clock_timestamp()"#,
            self.relay_id,
            instance,
            lease.as_secs_f64(),
        );
        let alive = timed("announce the relay", self.limit, query.fetch_one(&mut connection)).await?;
        self.keep(connection);
        Ok(alive)
    }

    /// Prolongs the leases of this relay's shards and answers which it still holds. A lease that expired without
    /// anybody taking the shard goes on: the epoch is the same.
    pub(crate) async fn renew(&mut self, lease: Duration) -> Result<Vec<Tenure>, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_as!(
            Tenure,
            "UPDATE outbox_shards SET expires_at = clock_timestamp() + make_interval(secs => $2)
             WHERE holder = $1 RETURNING shard, epoch",
            self.relay_id,
            lease.as_secs_f64(),
        );
        let held = timed("renew the leases", self.limit, query.fetch_all(&mut connection)).await?;
        self.keep(connection);
        Ok(held)
    }

    /// Takes up to `limit` shards that nobody holds, or whose holder let the lease expire.
    pub(crate) async fn claim(&mut self, limit: i64, lease: Duration) -> Result<Vec<Claimed>, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query!(
            r#"UPDATE outbox_shards
               SET holder = $1, epoch = epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $3)
               WHERE shard IN (SELECT shard FROM outbox_shards
                               WHERE holder IS NULL OR expires_at < clock_timestamp()
                               ORDER BY shard LIMIT $2 FOR UPDATE SKIP LOCKED)
               RETURNING shard, epoch, position::text AS "position!", page_target::text, page_after_id"#,
            self.relay_id,
            limit,
            lease.as_secs_f64(),
        );
        let rows = timed("claim shards", self.limit, query.fetch_all(&mut connection)).await?;
        self.keep(connection);
        rows.into_iter()
            .map(|row| {
                let unfinished = match (row.page_target, row.page_after_id) {
                    (Some(target), Some(after_id)) => Some(Unfinished {
                        target: Snapshot::parse(target)?,
                        after_id,
                    }),
                    _ => None,
                };
                Ok(Claimed {
                    tenure: Tenure {
                        shard: row.shard,
                        epoch: row.epoch,
                    },
                    position: Position {
                        base: Snapshot::parse(row.position)?,
                        unfinished,
                    },
                })
            })
            .collect()
    }

    /// Writes how far shards have been acknowledged, and answers those that are still this relay's.
    pub(crate) async fn save(&mut self, progress: &[Progress]) -> Result<Vec<Tenure>, RelayError> {
        let mut connection = self.connection().await?;
        let unfinished = |progress: &Progress| progress.position.unfinished.clone();
        let shards: Vec<i16> = progress.iter().map(|p| p.tenure.shard).collect();
        let epochs: Vec<i64> = progress.iter().map(|p| p.tenure.epoch).collect();
        let positions: Vec<String> = progress
            .iter()
            .map(|p| p.position.base.text().to_owned())
            .collect();
        let targets: Vec<Option<String>> = progress
            .iter()
            .map(|p| unfinished(p).map(|u| u.target.text().to_owned()))
            .collect();
        let ids: Vec<Option<i64>> = progress
            .iter()
            .map(|p| unfinished(p).map(|u| u.after_id))
            .collect();
        let query = sqlx::query_as!(
            Tenure,
            "UPDATE outbox_shards s
             SET position = p.position::pg_snapshot, page_target = p.target::pg_snapshot,
                 page_after_id = p.after_id
             FROM unnest($2::smallint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[])
                  AS p(shard, epoch, position, target, after_id)
             WHERE s.shard = p.shard AND s.holder = $1 AND s.epoch = p.epoch
             RETURNING s.shard, s.epoch",
            self.relay_id,
            &shards,
            &epochs,
            &positions,
            &targets as &[Option<String>],
            &ids as &[Option<i64>],
        );
        let saved = timed("save the positions", self.limit, query.fetch_all(&mut connection)).await?;
        self.keep(connection);
        Ok(saved)
    }

    /// Gives shards back, so that another relay need not wait for their leases to expire.
    pub(crate) async fn release(&mut self, tenures: &[Tenure]) -> Result<(), RelayError> {
        let mut connection = self.connection().await?;
        let shards: Vec<i16> = tenures.iter().map(|tenure| tenure.shard).collect();
        let epochs: Vec<i64> = tenures.iter().map(|tenure| tenure.epoch).collect();
        let query = sqlx::query!(
            "UPDATE outbox_shards s SET holder = NULL, expires_at = NULL
             FROM unnest($2::smallint[], $3::bigint[]) AS r(shard, epoch)
             WHERE s.shard = r.shard AND s.holder = $1 AND s.epoch = r.epoch",
            self.relay_id,
            &shards,
            &epochs,
        );
        timed("release shards", self.limit, query.execute(&mut connection)).await?;
        self.keep(connection);
        Ok(())
    }

    /// Says that this relay is gone, so that the others share its shards at once.
    pub(crate) async fn leave(&mut self) -> Result<(), RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query!("DELETE FROM outbox_relays WHERE id = $1", self.relay_id);
        timed("take leave", self.limit, query.execute(&mut connection)).await?;
        self.keep(connection);
        Ok(())
    }
}
