//! Sagas that do not go on by themselves.

use sqlx::PgConnection;

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
    let patience = installation.rules.patience.as_secs_f64();
    let mut answer = Answer::default();
    for found in [stuck(&mut conn).await, missed(&mut conn, patience).await] {
        match found {
            Ok(found) => answer.add(found),
            Err(error) => answer.unseen.push(unanswered(&error)),
        }
    }
    answer
}

async fn stuck(conn: &mut PgConnection) -> Result<Answer, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT saga, count(*) AS "count!", min(saga_id::text) AS "first!",
                  extract(epoch FROM clock_timestamp() - min(updated_at))::float8 AS "seconds!"
           FROM sagas WHERE state = 'stuck' GROUP BY saga ORDER BY saga"#
    )
    .fetch_all(conn)
    .await?;
    let mut answer = Answer::default();
    for row in rows {
        answer.fault(
            Kind::SagaStuck,
            format!(
                "stuck for {:.0} s: {} of `{}`, asked as often as is declared, and nobody answered",
                row.seconds,
                counted(row.count, "saga"),
                row.saga
            ),
            format!(
                "see what became of the question (`depot dlq list`), then `depot saga resume {} {}`; all are told \
                 by `depot saga list --state stuck`",
                row.saga, row.first
            ),
        );
    }
    Ok(answer)
}

async fn missed(conn: &mut PgConnection, patience: f64) -> Result<Answer, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT saga, count(*) AS "count!", extract(epoch FROM clock_timestamp() - min(deadline))::float8 AS "seconds!"
           FROM sagas WHERE deadline < clock_timestamp() - make_interval(secs => $1) GROUP BY saga ORDER BY saga"#,
        patience
    )
    .fetch_all(conn)
    .await?;
    let mut answer = Answer::default();
    for row in rows {
        answer.fault(
            Kind::DeadlineMissed,
            format!(
                "passed and not taken: {} of sagas `{}`, the first {:.0} s ago",
                counted(row.count, "deadline"),
                row.saga,
                row.seconds
            ),
            "start a command-api with SAGA_ENABLED; if one runs, its log says why it handles none",
        );
    }
    Ok(answer)
}
