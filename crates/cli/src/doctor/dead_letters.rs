//! Messages that no handler could take, and that nobody has dealt with.

use super::{
    answer::Answer,
    finding::{Kind, counted},
    installation::Installation,
    operator_database::unanswered,
};

pub async fn look(installation: &Installation) -> Answer {
    let Some(database) = &installation.database else {
        return Answer::unseen("the settings of the database cannot be used");
    };
    let mut conn = match database.connect("command").await {
        Ok(conn) => conn,
        Err(error) => return Answer::unseen(error.to_string()),
    };
    let rows = sqlx::query!(
        r#"SELECT consumer_group AS "group!", topic AS "topic!", count(*) AS "count!",
                  extract(epoch FROM clock_timestamp() - min(failed_at))::float8 AS "seconds!",
                  (array_agg(DISTINCT reason))[1:3] AS "reasons!"
           FROM dead_letters WHERE state = 'open' GROUP BY 1, 2 ORDER BY 1, 2"#
    )
    .fetch_all(&mut conn)
    .await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return Answer::unseen(unanswered(&error)),
    };
    let mut answer = Answer::default();
    for row in rows {
        answer.warning(
            Kind::DeadLettersOpen,
            format!(
                "not handled by {}: {} of {} ({}), the first {:.0} s ago",
                row.group,
                counted(row.count, "message"),
                row.topic,
                row.reasons.join(", "),
                row.seconds
            ),
            format!(
                "`depot dlq list --group {group}` says why; mend the cause, then `depot dlq redrive --group \
                 {group}`, or give them up by `depot dlq discard`",
                group = row.group
            ),
        );
    }
    answer
}
