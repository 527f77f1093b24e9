//! Who may do what: the services' roles no more than each needs, and the operators' nothing but look.

use depot_migrate::ServiceRole;
use depot_service::startup::{self, NoAnswer};
use sqlx::PgConnection;

use super::{OperatorDatabase, unanswered};
use crate::doctor::{
    answer::Answer,
    finding::{Finding, Kind, listed},
};

pub(super) async fn look(conn: &mut PgConnection, database: &OperatorDatabase) -> Result<Answer, String> {
    let mut answer = of_operator(conn).await?;
    for (service, role) in &database.service_roles {
        answer.findings.extend(of_service(conn, *service, role).await?);
    }
    Ok(answer)
}

async fn of_service(
    conn: &mut PgConnection,
    service: ServiceRole,
    role: &str,
) -> Result<Vec<Finding>, String> {
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS "is_there!""#,
        role
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(|error| unanswered(&error))?;
    if !is_there {
        return Ok(vec![Finding::fault(
            Kind::RoleMissing,
            format!(
                "the database role {role}, by which {} names itself, is not there",
                service.url_variable()
            ),
            format!(
                "run `depot migrate` with {} set, which makes {} and sets its password",
                service.url_variable(),
                service.name()
            ),
        )]);
    }
    match startup::rights_of(conn, service, role).await {
        Ok(found) => Ok(found
            .into_iter()
            .map(|finding| Finding::of_startup(Kind::RoleTooPowerful, finding))
            .collect()),
        Err(NoAnswer(why)) => Err(format!("the rights of {role}: {why}")),
    }
}

async fn of_operator(conn: &mut PgConnection) -> Result<Answer, String> {
    let row = sqlx::query!(
        r#"SELECT current_user::text AS "name!", pg_has_role('pg_read_all_stats', 'USAGE') AS "sees_sessions!",
                  coalesce(array_agg(n.nspname || '.' || c.relname ORDER BY n.nspname, c.relname) FILTER (
                      WHERE NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))
                  ), '{}') AS "hidden!",
                  coalesce(array_agg(n.nspname || '.' || c.relname ORDER BY n.nspname, c.relname) FILTER (
                      WHERE has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                         OR has_any_column_privilege(c.oid, 'INSERT, UPDATE')
                  ), '{}') AS "writable!"
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname IN ('command', 'uploader', 'read') AND c.relkind IN ('r', 'p') AND NOT c.relispartition"#
    )
    .fetch_one(conn)
    .await
    .map_err(|error| unanswered(&error))?;
    let mut answer = Answer::default();
    let name = row.name;
    if !row.hidden.is_empty() {
        answer.warning(
            Kind::OperatorSeesLittle,
            format!("the role {name} may not read {}", listed(&row.hidden)),
            "run `depot migrate` of this version, and name depot_operator in OPERATOR_DATABASE_URL",
        );
    }
    if !row.sees_sessions {
        answer.warning(
            Kind::OperatorSeesLittle,
            format!("the role {name} does not see the sessions of others, nor since when their transactions are open"),
            format!("as a superuser: GRANT pg_read_all_stats TO {name}"),
        );
    }
    if !row.writable.is_empty() {
        answer.warning(
            Kind::OperatorMayWrite,
            format!(
                "the role {name}, by which this tool looks, may write {}",
                listed(&row.writable)
            ),
            "name depot_operator in OPERATOR_DATABASE_URL: `depot migrate` makes it, and it writes nothing",
        );
    }
    Ok(answer)
}
