use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use super::{RecoveryFailure, ask_for_republish, connect, is_here, require_services_stopped, unpark_uploads};

/// A partition of a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    pub topic: String,
    pub partition: i32,
}

/// Where the views go on in a partition, as Kafka counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPlace {
    pub place: LogPlace,
    pub next_offset: i64,
}

/// A partition of a log that was made anew, and its first offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLog {
    pub place: LogPlace,
    pub first_offset: i64,
}

/// Where the views go on in each partition that they have read: of several versions of the views the one that is furthest. None
/// where they are in another database.
///
/// # Errors
/// [`RecoveryFailure`].
pub async fn stored_places(owner: &PgConnectOptions) -> Result<Vec<StoredPlace>, RecoveryFailure> {
    let mut connection = connect(owner).await?;
    if !is_here(&mut connection, "read.offsets").await? {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"SELECT topic, partition, max(next_offset - log_base) AS "next_offset!"
           FROM read.offsets GROUP BY topic, partition ORDER BY topic, partition"#
    )
    .fetch_all(&mut connection)
    .await
    .map_err(RecoveryFailure::doing("read where the views go on"))?;
    let places = rows.into_iter().map(|row| StoredPlace {
        place: LogPlace {
            topic: row.topic,
            partition: row.partition,
        },
        next_offset: row.next_offset,
    });
    Ok(places.collect())
}

/// Has everything go on at the beginning of a log that was made anew: the views in the partitions named, both outboxes with what
/// they still hold, as if nothing had been acknowledged; and asks for the state to be told once more. The views stay as they are. What
/// is in another database is left to a call for that one.
///
/// # Errors
/// [`RecoveryFailure`]; nothing was changed. `ServicesRun` unless `force` is given.
pub async fn begin_log_anew(
    owner: &PgConnectOptions,
    logs: &[NewLog],
    force: bool,
) -> Result<(), RecoveryFailure> {
    let mut connection = connect(owner).await?;
    if !force {
        require_services_stopped(&mut connection).await?;
    }
    let doing = RecoveryFailure::doing;
    let mut transaction = connection.begin().await.map_err(doing("begin a transaction"))?;
    if !logs.is_empty() {
        count_on(&mut transaction, logs).await?;
    }
    // What a log acknowledged that is no more is not published.
    if is_here(&mut transaction, "command.outbox").await? {
        sqlx::query!(r#"SELECT 1 AS "done!" FROM command.outbox_rebase()"#)
            .fetch_one(&mut *transaction)
            .await
            .map_err(doing("rewind the outbox of command-api"))?;
        let detail = format!("{} partitions", logs.len());
        ask_for_republish(&mut transaction, "log_lost", "log.restart", &detail).await?;
    }
    if is_here(&mut transaction, "uploader.outbox").await? {
        sqlx::query!(r#"SELECT 1 AS "done!" FROM uploader.outbox_rebase()"#)
            .fetch_one(&mut *transaction)
            .await
            .map_err(doing("rewind the outbox of the uploader"))?;
        unpark_uploads(&mut transaction).await?;
    }
    transaction.commit().await.map_err(doing("commit"))
}

/// The places that the views keep are counted on, so that none comes twice: the first of the new log is where the one that is
/// furthest of their versions stands. What another one had not read yet is in no log any more.
async fn count_on(transaction: &mut PgConnection, logs: &[NewLog]) -> Result<(), RecoveryFailure> {
    let topics: Vec<String> = logs.iter().map(|log| log.place.topic.clone()).collect();
    let partitions: Vec<i32> = logs.iter().map(|log| log.place.partition).collect();
    let first: Vec<i64> = logs.iter().map(|log| log.first_offset).collect();
    sqlx::query!(
        "UPDATE read.offsets o SET next_offset = furthest.next_offset, log_base = furthest.next_offset - log.first_offset
         FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS log (topic, partition, first_offset),
              (SELECT topic, partition, max(next_offset) AS next_offset FROM read.offsets GROUP BY topic, partition)
                  AS furthest
         WHERE o.topic = log.topic AND o.partition = log.partition
           AND furthest.topic = o.topic AND furthest.partition = o.partition",
        &topics,
        &partitions,
        &first
    )
    .execute(transaction)
    .await
    .map_err(RecoveryFailure::doing("have the views go on in the new log"))?;
    Ok(())
}
