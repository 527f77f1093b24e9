//! Transactions that are open for long. None of ours is: each keeps what is dead in every table, partitions of the outbox and
//! of the history that are to be dropped, and whoever waits for what it has locked.

use std::time::Duration;

use sqlx::PgConnection;

use super::unanswered;
use crate::doctor::{answer::Answer, finding::Kind};

pub(super) async fn look(conn: &mut PgConnection, patience: Duration) -> Result<Answer, String> {
    let rows = sqlx::query!(
        r#"SELECT pid AS "pid!", coalesce(usename::text, '') AS "role!", coalesce(application_name, '') AS "program!",
                  coalesce(state, '') AS "state!",
                  extract(epoch FROM clock_timestamp() - xact_start)::float8 AS "seconds!"
           FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
             AND xact_start < clock_timestamp() - make_interval(secs => $1)
           ORDER BY xact_start"#,
        patience.as_secs_f64()
    )
    .fetch_all(conn)
    .await
    .map_err(|error| unanswered(&error))?;
    let mut answer = Answer::default();
    for row in rows {
        let program = if row.program.is_empty() {
            "a program without a name"
        } else {
            &row.program
        };
        answer.warning(
            Kind::TransactionOld,
            format!(
                "a transaction of {program} as {} is open for {:.0} s ({}, pid {}): what is dead is kept, and old partitions are",
                row.role, row.seconds, row.state, row.pid
            ),
            format!("end what has it open, or as its role or a superuser: SELECT pg_terminate_backend({})", row.pid),
        );
    }
    Ok(answer)
}
