use uuid::Uuid;

use super::{Row, Store, Tenure, timed};
use crate::error::RelayError;

impl Store {
    /// The parked aggregates of the shards, each with whether it is to be resumed.
    pub(crate) async fn parked(&mut self, shards: &[i16]) -> Result<Vec<(i16, Uuid, bool)>, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query!(
            "SELECT shard, aggregate_id, resume_requested FROM outbox_parked_aggregates WHERE shard = ANY ($1)",
            shards
        );
        let rows = timed(
            "list parked aggregates",
            self.limit,
            query.fetch_all(&mut connection),
        )
        .await?;
        self.keep(connection);
        Ok(rows
            .into_iter()
            .map(|row| (row.shard, row.aggregate_id, row.resume_requested))
            .collect())
    }

    /// Parks an aggregate. False if the shard is no longer this relay's.
    pub(crate) async fn park(
        &mut self,
        tenure: Tenure,
        aggregate_id: Uuid,
        reason: &str,
    ) -> Result<bool, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query!(
            "WITH held AS (SELECT shard FROM outbox_shards WHERE shard = $1 AND holder = $2 AND epoch = $3 FOR UPDATE)
             INSERT INTO outbox_parked_aggregates (aggregate_id, shard, reason)
             SELECT $4::uuid, shard, $5::text FROM held
             ON CONFLICT (aggregate_id) DO UPDATE SET reason = EXCLUDED.reason, resume_requested = false",
            tenure.shard,
            self.relay_id,
            tenure.epoch,
            aggregate_id,
            reason,
        );
        let done = timed("park an aggregate", self.limit, query.execute(&mut connection)).await?;
        self.keep(connection);
        Ok(done.rows_affected() == 1)
    }

    /// Copies rows of parked aggregates to where no partition's drop takes them; copying one again changes nothing.
    /// False if the shard is no longer this relay's.
    pub(crate) async fn park_rows(&mut self, tenure: Tenure, rows: &[Row]) -> Result<bool, RelayError> {
        let mut connection = self.connection().await?;
        let xids: Vec<i64> = rows.iter().map(|row| row.xid).collect();
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let query = sqlx::query_scalar!(
            r#"WITH held AS (SELECT shard FROM outbox_shards
                             WHERE shard = $1 AND holder = $2 AND epoch = $3 FOR UPDATE),
                    copied AS (INSERT INTO outbox_parked (id, occurred_at, aggregate_version, aggregate_id, event_id,
                                                          shard, topic, event_type, headers, payload)
                               SELECT o.id, o.occurred_at, o.aggregate_version, o.aggregate_id, o.event_id, o.shard,
                                      o.topic, o.event_type, o.headers, o.payload
                               FROM held
                               CROSS JOIN unnest($4::bigint[], $5::bigint[]) AS wanted(xid, id)
                               JOIN outbox o ON o.shard = $1 AND o.xid = wanted.xid AND o.id = wanted.id
                               ON CONFLICT DO NOTHING)
               SELECT EXISTS (SELECT FROM held) AS "held!""#,
            tenure.shard,
            self.relay_id,
            tenure.epoch,
            &xids,
            &ids,
        );
        let held = timed("park rows", self.limit, query.fetch_one(&mut connection)).await?;
        self.keep(connection);
        Ok(held)
    }

    /// A parked aggregate's first rows, in the order in which they are to be published.
    pub(crate) async fn parked_rows(
        &mut self,
        aggregate_id: Uuid,
        limit: i64,
    ) -> Result<Vec<Row>, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_as!(
            Row,
            r#"SELECT id, 0::bigint AS "xid!", aggregate_id, aggregate_version, event_id, event_type, topic,
                      occurred_at, headers, payload
               FROM outbox_parked WHERE aggregate_id = $1 ORDER BY aggregate_version, id LIMIT $2"#,
            aggregate_id,
            limit,
        );
        let rows = timed("read parked rows", self.limit, query.fetch_all(&mut connection)).await?;
        self.keep(connection);
        Ok(rows)
    }

    /// Lets go of published rows of a parked aggregate. False if the shard is no longer this relay's.
    pub(crate) async fn remove_parked_rows(
        &mut self,
        tenure: Tenure,
        aggregate_id: Uuid,
        ids: &[i64],
    ) -> Result<bool, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_scalar!(
            r#"WITH held AS (SELECT shard FROM outbox_shards
                             WHERE shard = $1 AND holder = $2 AND epoch = $3 FOR UPDATE),
                    removed AS (DELETE FROM outbox_parked p USING held
                                WHERE p.aggregate_id = $4 AND p.id = ANY ($5))
               SELECT EXISTS (SELECT FROM held) AS "held!""#,
            tenure.shard,
            self.relay_id,
            tenure.epoch,
            aggregate_id,
            ids,
        );
        let held = timed("remove parked rows", self.limit, query.fetch_one(&mut connection)).await?;
        self.keep(connection);
        Ok(held)
    }

    /// Ends the parking of an aggregate that has no parked rows left. False if it has, or if the shard is no longer
    /// this relay's.
    pub(crate) async fn unpark(&mut self, tenure: Tenure, aggregate_id: Uuid) -> Result<bool, RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query!(
            "WITH held AS (SELECT shard FROM outbox_shards WHERE shard = $1 AND holder = $2 AND epoch = $3 FOR UPDATE)
             DELETE FROM outbox_parked_aggregates a USING held
             WHERE a.aggregate_id = $4
               AND NOT EXISTS (SELECT FROM outbox_parked p WHERE p.aggregate_id = a.aggregate_id)",
            tenure.shard,
            self.relay_id,
            tenure.epoch,
            aggregate_id,
        );
        let done = timed("end a parking", self.limit, query.execute(&mut connection)).await?;
        self.keep(connection);
        Ok(done.rows_affected() == 1)
    }
}
