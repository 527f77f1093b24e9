//! The migrations of the service's schema, as they stand in the database, against those that this program knows.

use depot_migrate::{AppliedMigration, Difference, Schema, ServiceRole};
use sqlx::PgConnection;

use super::{Finding, NoAnswer};
use crate::problem::chain;

const MIGRATE: &str = "run `depot migrate` of this version";

pub(super) async fn look(conn: &mut PgConnection, role: ServiceRole) -> Result<Vec<Finding>, NoAnswer> {
    let name = role.schema();
    let applied = match applied(conn, name).await {
        Ok(applied) => applied,
        Err(error) => return not_there(name, &error).map(|finding| vec![finding]),
    };
    let differences = Schema::named(name).map(|schema| schema.differences(&applied));
    let differences = differences.unwrap_or_default();
    Ok(differences
        .into_iter()
        .map(|difference| finding(name, difference))
        .collect())
}

async fn applied(conn: &mut PgConnection, schema: &str) -> Result<Vec<AppliedMigration>, sqlx::Error> {
    match schema {
        "command" => sqlx::query_as!(
            AppliedMigration,
            "SELECT version, description, success, checksum FROM command._sqlx_migrations ORDER BY version"
        )
        .fetch_all(conn)
        .await,
        "uploader" => sqlx::query_as!(
            AppliedMigration,
            "SELECT version, description, success, checksum FROM uploader._sqlx_migrations ORDER BY version"
        )
        .fetch_all(conn)
        .await,
        _ => {
            sqlx::query_as!(
                AppliedMigration,
                "SELECT version, description, success, checksum FROM read._sqlx_migrations ORDER BY version"
            )
            .fetch_all(conn)
            .await
        }
    }
}

/// No list of migrations, or one that the role may not read: the schema is yet to be migrated, or was by a version that
/// granted nothing on it.
fn not_there(schema: &str, error: &sqlx::Error) -> Result<Finding, NoAnswer> {
    let code = error.as_database_error().and_then(|error| error.code());
    let problem = match code.as_deref() {
        Some("42P01" | "3F000") => "is not there".to_owned(),
        Some("42501") => "has a list of migrations that this role may not read".to_owned(),
        _ => return Err(NoAnswer(chain(error))),
    };
    Ok(Finding::pending(format!("schema {schema}"), problem, MIGRATE))
}

fn finding(schema: &str, difference: Difference) -> Finding {
    let subject = format!("schema {schema}");
    match difference {
        Difference::Behind { versions } => {
            let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
            let problem = format!(
                "lacks the migrations {}, which this program needs",
                versions.join(", ")
            );
            Finding::pending(subject, problem, MIGRATE)
        }
        Difference::Unfinished { version } => Finding::pending(
            subject,
            format!("has migration {version} begun and not ended"),
            "let the one that runs end; if none does, see migrations/README.md on one that failed halfway",
        ),
        Difference::Changed { version } => Finding::wrong(
            subject,
            format!("was migrated by another text of migration {version} than this program has"),
            "start the version that migrated it, or give this one a database of its own",
        ),
        Difference::Contracted {
            version,
            description,
            oldest,
            known,
        } => Finding::wrong(
            subject,
            format!(
                "was contracted by migration {version} ({description}) for programs that know migration {oldest}, and this \
                 one knows none after {known}"
            ),
            "start a newer version",
        ),
    }
}
