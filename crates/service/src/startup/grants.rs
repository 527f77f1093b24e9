//! The rights of the service's role, which are to be no more than it needs: `migrations/roles.sql`, and what each migration
//! takes away from the default.

use depot_migrate::ServiceRole;
use sqlx::PgConnection;

use super::{Finding, NoAnswer};
use crate::problem::chain;

/// Rights that are named; of more it is said how many there are.
const NAMED: usize = 5;

/// A right that is too much.
struct Right {
    role: String,
    kind: String,
    what: String,
}

/// Of a role by its name, or of the one by which this connection has entered.
pub(super) async fn look(
    conn: &mut PgConnection,
    service: ServiceRole,
    role: Option<&str>,
) -> Result<Vec<Finding>, NoAnswer> {
    let forbidden: Vec<String> = forbidden(service).iter().map(|&right| right.to_owned()).collect();
    let rights = sqlx::query_file_as!(
        Right,
        "src/startup/grants.sql",
        service.schema(),
        &forbidden[..],
        role
    )
    .fetch_all(conn)
    .await
    .map_err(|error| NoAnswer(chain(&error)))?;
    Ok(findings(service, &rights))
}

/// What the service must not do to tables of its own schema.
fn forbidden(service: ServiceRole) -> &'static [&'static str] {
    match service {
        ServiceRole::Command => &[
            "TRUNCATE",
            "REFERENCES",
            "TRIGGER",
            "audit UPDATE",
            "audit DELETE",
            "outbox UPDATE",
            "outbox DELETE",
            "restore_epoch INSERT",
            "restore_epoch UPDATE",
            "restore_epoch DELETE",
            "lost_aggregates UPDATE",
            "lost_aggregates DELETE",
            "declared_aggregates DELETE",
            "_sqlx_migrations INSERT",
            "_sqlx_migrations UPDATE",
            "_sqlx_migrations DELETE",
        ],
        ServiceRole::Uploader => &[
            "TRUNCATE",
            "REFERENCES",
            "TRIGGER",
            "outbox UPDATE",
            "outbox DELETE",
            "restore_epoch INSERT",
            "restore_epoch UPDATE",
            "restore_epoch DELETE",
            "_sqlx_migrations INSERT",
            "_sqlx_migrations UPDATE",
            "_sqlx_migrations DELETE",
        ],
        ServiceRole::Projector => &[
            "TRUNCATE",
            "REFERENCES",
            "TRIGGER",
            "item_history_kept INSERT",
            "item_history_kept UPDATE",
            "item_history_kept DELETE",
            "projections DELETE",
            "projection_changes UPDATE",
            "projection_changes DELETE",
            "_sqlx_migrations INSERT",
            "_sqlx_migrations UPDATE",
            "_sqlx_migrations DELETE",
        ],
        ServiceRole::Query => &["INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"],
    }
}

/// One finding for each kind of right.
fn findings(service: ServiceRole, rights: &[Right]) -> Vec<Finding> {
    rights
        .chunk_by(|a, b| a.kind == b.kind)
        .filter_map(|of_kind| Some((of_kind.first()?, of_kind.len(), listed(of_kind))))
        .map(|(Right { role, kind, what: first }, count, what)| {
            let (problem, mend) = match kind.as_str() {
                "superuser" | "owner" => (
                    if kind == "owner" {
                        format!("owns {what}")
                    } else {
                        "is a superuser".to_owned()
                    },
                    format!(
                        "name {} in {}: `depot migrate` makes that role, which may do what this service needs and no more",
                        service.name(),
                        service.url_variable()
                    ),
                ),
                "attribute" => (
                    format!("has {what}"),
                    "take it away by ALTER ROLE … NO…, or the membership by REVOKE".to_owned(),
                ),
                "member" => (
                    format!("is a member of {what}"),
                    format!("REVOKE {first} FROM {role}{}", and_others(count)),
                ),
                "create" => (
                    format!("has CREATE ON {what}"),
                    revoke(&format!("CREATE ON {first}"), role, count),
                ),
                _ => (format!("has {what}"), revoke(first, role, count)),
            };
            Finding::wrong(format!("database role {role}"), problem, mend)
        })
        .collect()
}

fn revoke(first: &str, role: &str, count: usize) -> String {
    let others = and_others(count);
    format!("REVOKE {first} FROM {role}, or from PUBLIC or the role that it has it of{others}")
}

fn and_others(count: usize) -> &'static str {
    if count == 1 {
        ""
    } else {
        ", and the others likewise"
    }
}

fn listed(rights: &[Right]) -> String {
    let named: Vec<&str> = rights
        .iter()
        .take(NAMED)
        .map(|right| right.what.as_str())
        .collect();
    let named = named.join("; ");
    match rights.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}
