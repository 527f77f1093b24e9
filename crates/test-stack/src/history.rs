use sqlx::{AssertSqlSafe, PgPool};

/// As if `read.item_history` had been partitioned so many days ago, and nobody had made a partition since: the first one
/// ends then, at midnight, and is the only one but for the default.
///
/// `owner` is the database's owner, and the history is empty.
pub async fn backdate_history(owner: &PgPool, days: i32) {
    let statements = format!(
        "DO $$
         DECLARE
             bound timestamptz := (date_trunc('day', now() AT TIME ZONE 'UTC') - interval '{days} days')
                                  AT TIME ZONE 'UTC';
             part  text;
         BEGIN
             ALTER TABLE read.item_history DETACH PARTITION read.item_history_first;
             FOR part IN SELECT name FROM read.item_history_partitions WHERE name <> 'item_history_first' LOOP
                 EXECUTE format('DROP TABLE read.%I', part);
             END LOOP;
             DELETE FROM read.item_history_partitions WHERE name <> 'item_history_first';
             UPDATE read.item_history_partitions SET to_at = bound;
             EXECUTE format('ALTER TABLE read.item_history ATTACH PARTITION read.item_history_first
                             FOR VALUES FROM (MINVALUE) TO (%L)', bound);
         END $$"
    );
    sqlx::raw_sql(AssertSqlSafe(statements))
        .execute(owner)
        .await
        .expect("the history of a migrated database");
}
