//! Whether what Postgres acknowledges is on disk: an acknowledged command is never lost by that alone.

use sqlx::PgConnection;

use super::{OperatorDatabase, unanswered};
use crate::doctor::{answer::Answer, finding::Kind};

pub(super) async fn look(conn: &mut PgConnection, database: &OperatorDatabase) -> Result<Answer, String> {
    let mut answer = Answer::default();
    let settings = sqlx::query!(
        r#"SELECT name AS "name!", source AS "source!", current_database()::text AS "database!"
           FROM pg_settings
           WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name"#
    )
    .fetch_all(&mut *conn)
    .await
    .map_err(|error| unanswered(&error))?;
    for setting in settings {
        let name = setting.name;
        let mend = match setting.source.as_str() {
            "database" => format!("as its owner: ALTER DATABASE {} RESET {name}", setting.database),
            _ => format!("set {name} = on in postgresql.conf, and restart Postgres"),
        };
        answer.fault(
            Kind::DurabilityOff,
            format!("{name} is off in Postgres: what it acknowledges is lost when its machine loses power"),
            mend,
        );
    }
    let roles: Vec<String> = database
        .service_roles
        .iter()
        .map(|(_, role)| role.clone())
        .collect();
    let of_roles = sqlx::query!(
        r#"SELECT r.rolname::text AS "role!",
                  CASE WHEN s.setdatabase = 0 THEN '' ELSE format(' IN DATABASE %I', current_database()) END AS "place!"
           FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
           WHERE r.rolname = ANY ($1::text[])
             AND EXISTS (SELECT FROM unnest(s.setconfig) entry WHERE entry ~ '^synchronous_commit=(off|false|no|0)$')
             AND (s.setdatabase = 0
                  OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
           ORDER BY 1"#,
        &roles
    )
    .fetch_all(conn)
    .await
    .map_err(|error| unanswered(&error))?;
    for setting in of_roles {
        let role = setting.role;
        answer.fault(
            Kind::DurabilityOff,
            format!(
                "synchronous_commit is off for the role {role}: what it has acknowledged is lost when the machine loses power"
            ),
            format!("as the owner: ALTER ROLE {role}{} RESET synchronous_commit", setting.place),
        );
    }
    Ok(answer)
}
