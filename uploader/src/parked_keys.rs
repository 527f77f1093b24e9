//! Which messages wait in the retry topics, in `uploader.parked_keys`.

use depot_consumer::{Origin, ParkedKeys, ParkedUnavailable, Place, Slot, Tenure, TenureLost};
use depot_service::database::Pool;
use time::OffsetDateTime;

/// The store of parked keys. Each call is one statement, committed when it returns.
#[derive(Debug, Clone)]
pub struct ParkedUploads(pub Pool);

type Answer<T> = Result<T, ParkedUnavailable>;

fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> ParkedUnavailable {
    move |source| ParkedUnavailable::new(format!("the database did not {doing}"), source)
}

fn slot(tier: i16, not_before: OffsetDateTime) -> Slot {
    Slot {
        // Not negative, by the column's check.
        tier: usize::try_from(tier).unwrap_or_default(),
        not_before,
    }
}

fn held(is_held: bool) -> Result<(), TenureLost> {
    if is_held { Ok(()) } else { Err(TenureLost) }
}

impl ParkedKeys for ParkedUploads {
    async fn begin(&self, tenure: &Tenure) -> Answer<()> {
        sqlx::query!(
            "INSERT INTO uploader.retry_tenures (consumer_group, topic, partition, tenure) VALUES ($1, $2, $3, $4)
             ON CONFLICT (consumer_group, topic, partition) DO UPDATE SET tenure = EXCLUDED.tenure",
            &*tenure.group,
            &*tenure.topic,
            tenure.partition,
            tenure.id,
        )
        .execute(&self.0)
        .await
        .map(drop)
        .map_err(failed("begin a tenure of a partition"))
    }

    async fn follow(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
    ) -> Answer<Result<Option<Slot>, TenureLost>> {
        // The tenure's row is locked only where something is parked: of most messages nothing is.
        let found = sqlx::query!(
            r#"WITH oldest AS (SELECT tier, not_before FROM uploader.parked_keys
                               WHERE consumer_group = $1 AND key = $5
                               ORDER BY topic, partition, "offset" LIMIT 1),
                    held AS (SELECT FROM uploader.retry_tenures
                             WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND tenure = $4
                               AND EXISTS (SELECT FROM oldest)
                             FOR SHARE),
                    joined AS (INSERT INTO uploader.parked_keys
                                   (consumer_group, key, topic, partition, "offset", tier, not_before)
                               SELECT $1, $5, $6, $7, $8, oldest.tier, oldest.not_before FROM held, oldest
                               ON CONFLICT DO NOTHING)
               SELECT tier, not_before, EXISTS (SELECT FROM held) AS "held!" FROM oldest"#,
            &*tenure.group,
            &*tenure.topic,
            tenure.partition,
            tenure.id,
            key,
            origin.topic,
            origin.partition,
            origin.offset,
        )
        .fetch_optional(&self.0)
        .await
        .map_err(failed("look for a parked key"))?;
        Ok(match found {
            None => Ok(None),
            Some(row) => held(row.held).map(|()| Some(slot(row.tier, row.not_before))),
        })
    }

    async fn park(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
        slot: Slot,
    ) -> Answer<Result<(), TenureLost>> {
        let tier = i16::try_from(slot.tier).unwrap_or(i16::MAX);
        let parked = sqlx::query!(
            r#"WITH held AS (SELECT FROM uploader.retry_tenures
                             WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND tenure = $4
                             FOR SHARE)
               INSERT INTO uploader.parked_keys (consumer_group, key, topic, partition, "offset", tier, not_before)
               SELECT $1, $5, $6, $7, $8, $9, $10 FROM held
               ON CONFLICT (consumer_group, key, topic, partition, "offset")
               DO UPDATE SET tier = EXCLUDED.tier, not_before = EXCLUDED.not_before"#,
            &*tenure.group,
            &*tenure.topic,
            tenure.partition,
            tenure.id,
            key,
            origin.topic,
            origin.partition,
            origin.offset,
            tier,
            slot.not_before,
        )
        .execute(&self.0)
        .await
        .map_err(failed("park a key"))?;
        Ok(held(parked.rows_affected() == 1))
    }

    async fn place(&self, group: &str, key: &[u8], origin: &Origin) -> Answer<Place> {
        let found = sqlx::query!(
            r#"SELECT oldest.tier, oldest.not_before,
                      (oldest.topic, oldest.partition, oldest."offset") = ($3, $4, $5) AS "is_oldest!"
               FROM uploader.parked_keys own
               CROSS JOIN LATERAL (SELECT * FROM uploader.parked_keys
                                   WHERE consumer_group = $1 AND key = $2
                                   ORDER BY topic, partition, "offset" LIMIT 1) AS oldest
               WHERE own.consumer_group = $1 AND own.key = $2 AND own.topic = $3 AND own.partition = $4
                 AND own."offset" = $5"#,
            group,
            key,
            origin.topic,
            origin.partition,
            origin.offset,
        )
        .fetch_optional(&self.0)
        .await
        .map_err(failed("look for a message among those that wait"))?;
        Ok(match found {
            None => Place::NotParked,
            Some(row) if row.is_oldest => Place::Oldest(slot(row.tier, row.not_before)),
            Some(row) => Place::Behind(slot(row.tier, row.not_before)),
        })
    }

    async fn release(&self, tenure: &Tenure, key: &[u8], origin: &Origin) -> Answer<Result<(), TenureLost>> {
        let is_held = sqlx::query_scalar!(
            r#"WITH held AS (SELECT FROM uploader.retry_tenures
                             WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND tenure = $4
                             FOR SHARE),
                    released AS (DELETE FROM uploader.parked_keys parked USING held
                                 WHERE parked.consumer_group = $1 AND parked.key = $5 AND parked.topic = $6
                                   AND parked.partition = $7 AND parked."offset" = $8)
               SELECT EXISTS (SELECT FROM held) AS "held!""#,
            &*tenure.group,
            &*tenure.topic,
            tenure.partition,
            tenure.id,
            key,
            origin.topic,
            origin.partition,
            origin.offset,
        )
        .fetch_one(&self.0)
        .await
        .map_err(failed("release a message that waited"))?;
        Ok(held(is_held))
    }
}
