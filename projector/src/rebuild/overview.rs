//! What there is to tell of the versions of the views.

use depot_service::database::Pool;
use std::collections::BTreeMap;

use depot_schemas::{
    projections::{GivenUpEvent, ProjectionList, ProjectionPlace, ProjectionState, ProjectionStatus},
    topics::Topics,
};
use depot_topics::{LogEnd, LogEnds};

use super::ProjectionError;
use crate::projections::projected;

/// Events before which partitions stand that are told of each version.
const MOST_TOLD: i64 = 20;

/// Looks at the list, at the offsets, and at Kafka. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Overview {
    pool: Pool,
    topics: Topics,
    ends: LogEnds,
}

impl Overview {
    pub(crate) fn new(pool: Pool, topics: Topics, ends: LogEnds) -> Self {
        Self { pool, topics, ends }
    }

    /// All versions; with how many rows each view has, if that is wanted, which reads them all.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub(crate) async fn read(&self, with_rows: bool) -> Result<ProjectionList, ProjectionError> {
        let mut used = vec![self.topics.redriven("projector")];
        used.extend(projected().map(|entity| self.topics.events(entity)));
        // Before the offsets: none of them is past the end then but by what came meanwhile.
        let ends = self.ends.read(used).await?;
        let error = || ProjectionError::of("tell of the versions of the views");
        let (serving, mut projections) = self.list().await.map_err(error())?;
        let mut places = self.places(&ends).await.map_err(error())?;
        for status in &mut projections {
            status.places = places.remove(&status.projection).unwrap_or_default();
            self.add_given_up(status).await.map_err(error())?;
            if with_rows && status.state != ProjectionState::Dropped {
                status.rows = Some(self.rows(status.projection).await.map_err(error())?);
            }
        }
        Ok(ProjectionList { serving, projections })
    }

    async fn list(&self) -> Result<(i32, Vec<ProjectionStatus>), sqlx::Error> {
        let rows = sqlx::query!(
            r#"SELECT p.*, a.projection AS "active!"
               FROM read.projections p CROSS JOIN read.active_projection a
               ORDER BY p.projection"#
        )
        .fetch_all(&self.pool)
        .await?;
        let active = rows.first().map_or(0, |row| row.active);
        let projections = rows.into_iter().filter_map(|row| {
            Some(ProjectionStatus {
                projection: row.projection,
                // A constraint holds the names.
                state: ProjectionState::from_name(&row.state)?,
                shape: row.shape,
                skips_poison: row.skips_poison,
                created_at: row.created_at,
                served_from: row.served_from,
                served_to: row.served_to,
                compared_at: row.compared_at,
                differences: row.differences,
                places: Vec::new(),
                given_up: 0,
                stands_before: Vec::new(),
                rows: None,
            })
        });
        Ok((active, projections.collect()))
    }

    /// Of each version those partitions that it has begun.
    async fn places(&self, ends: &[LogEnd]) -> Result<BTreeMap<i32, Vec<ProjectionPlace>>, sqlx::Error> {
        let rows = sqlx::query!(
            r#"SELECT projection, topic, partition, next_offset - log_base AS "next_offset!" FROM read.offsets
               ORDER BY projection, topic, partition"#
        )
        .fetch_all(&self.pool)
        .await?;
        let mut places: BTreeMap<i32, Vec<ProjectionPlace>> = BTreeMap::new();
        for row in rows {
            let is_same = |end: &&LogEnd| (&end.topic, end.partition) == (&row.topic, row.partition);
            let end = ends.iter().find(is_same);
            let (first, next) = end.map_or((0, row.next_offset), |end| (end.first_offset, end.next_offset));
            places.entry(row.projection).or_default().push(ProjectionPlace {
                topic: row.topic,
                partition: row.partition,
                next_offset: row.next_offset,
                log_first_offset: first,
                log_next_offset: next.max(row.next_offset),
            });
        }
        Ok(places)
    }

    async fn add_given_up(&self, status: &mut ProjectionStatus) -> Result<(), sqlx::Error> {
        status.given_up = sqlx::query_scalar!(
            r#"SELECT count(*) AS "given_up!" FROM read.given_up WHERE projection = $1 AND passed"#,
            status.projection
        )
        .fetch_one(&self.pool)
        .await?;
        // One that was mended since is behind its partition's offset.
        status.stands_before = sqlx::query_as!(
            GivenUpEvent,
            r#"SELECT g.topic, g.partition, g."offset" - o.log_base AS "offset!", g.reason_class, g.message
               FROM read.given_up g JOIN read.offsets o USING (projection, topic, partition)
               WHERE g.projection = $1 AND NOT g.passed AND g."offset" >= o.next_offset
               ORDER BY g.topic, g.partition, g."offset"
               LIMIT $2"#,
            status.projection,
            MOST_TOLD
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(())
    }

    async fn rows(&self, projection: i32) -> Result<BTreeMap<String, i64>, sqlx::Error> {
        let counts = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM read.items WHERE projection = $1) AS "items!",
                      (SELECT count(*) FROM read.item_history WHERE projection = $1) AS "item_history!",
                      (SELECT count(*) FROM read.uploads WHERE projection = $1) AS "uploads!",
                      (SELECT count(*) FROM read.declared_aggregates WHERE projection = $1) AS "declared!",
                      (SELECT count(*) FROM read.tag_statistics WHERE projection = $1) AS "tags!",
                      (SELECT count(*) FROM read.owner_statistics WHERE projection = $1) AS "owners!""#,
            projection
        )
        .fetch_one(&self.pool)
        .await?;
        let counts = [
            ("items", counts.items),
            ("item_history", counts.item_history),
            ("uploads", counts.uploads),
            ("declared_aggregates", counts.declared),
            ("tag_statistics", counts.tags),
            ("owner_statistics", counts.owners),
        ];
        Ok(counts.map(|(view, rows)| (view.to_owned(), rows)).into())
    }
}
