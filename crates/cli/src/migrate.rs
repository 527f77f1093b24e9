use anyhow::{Context, bail};
use depot_migrate::Passwords;
use depot_service::config::{AppEnv, DatabaseTls};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;

use crate::settings;

struct Settings {
    owner: SecretString,
    passwords: Passwords,
    app_env: AppEnv,
    tls: DatabaseTls,
}

fn read() -> anyhow::Result<(PgConnectOptions, Passwords, AppEnv)> {
    let Settings {
        owner,
        passwords,
        app_env,
        tls,
    } = settings::read(|reader| Settings {
        owner: reader.secret("MIGRATE_DATABASE_URL", 1),
        passwords: Passwords::from_urls(|name| reader.optional_text(name)),
        app_env: reader.app_env(),
        tls: DatabaseTls::read(reader),
    })?;
    let options: PgConnectOptions = owner
        .expose_secret()
        .parse()
        .context("MIGRATE_DATABASE_URL is no Postgres URL")?;
    Ok((tls.apply(options), passwords, app_env))
}

/// Applies what is pending.
pub async fn up() -> anyhow::Result<Value> {
    let (owner, passwords, _) = read()?;
    let before = applied(&owner).await?;
    depot_migrate::migrate(&owner, &passwords).await?;
    let applied = applied(&owner).await? - before;
    Ok(json!({ "applied_now": applied, "all": depot_migrate::count() }))
}

pub fn applied_text(done: &Value) -> String {
    let (now, all) = (&done["applied_now"], &done["all"]);
    format!("{now} migration(s) applied now, {all} in all\n")
}

pub async fn status() -> anyhow::Result<Value> {
    let (owner, ..) = read()?;
    listed(&owner).await
}

pub fn status_text(status: &Value) -> String {
    let line = |one: &Value| {
        let applied = if one["is_applied"] == true {
            "applied"
        } else {
            "pending"
        };
        let text = |member: &str| one[member].as_str().unwrap_or_default().to_owned();
        let (schema, description) = (text("schema"), text("description"));
        format!(
            "{schema:<9} {:>4} {description:<24} {applied}\n",
            one["version"].to_string()
        )
    };
    status["migrations"]
        .as_array()
        .into_iter()
        .flatten()
        .map(line)
        .collect()
}

/// Takes back the newest of each schema; answers what is left, as `status` does.
pub async fn down() -> anyhow::Result<Value> {
    let (owner, _, app_env) = read()?;
    if app_env == AppEnv::Production {
        bail!("refused in production, since data goes with the tables: write a migration that goes forward");
    }
    depot_migrate::migrate_down(&owner).await?;
    listed(&owner).await
}

async fn listed(owner: &PgConnectOptions) -> anyhow::Result<Value> {
    let states = depot_migrate::status(owner).await?;
    let migrations: Vec<Value> = states
        .iter()
        .map(|state| {
            json!({
                "schema": state.schema, "version": state.version, "description": state.description,
                "is_applied": state.applied,
            })
        })
        .collect();
    Ok(json!({ "migrations": migrations }))
}

async fn applied(owner: &PgConnectOptions) -> anyhow::Result<usize> {
    Ok(depot_migrate::status(owner)
        .await?
        .iter()
        .filter(|state| state.applied)
        .count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_is_told_apart_from_what_is_applied() {
        let one = |version, is_applied| json!({ "schema": "read", "version": version, "description": "x", "is_applied": is_applied });
        let text = status_text(&json!({ "migrations": [one(1, true), one(12, false)] }));
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines,
            [["read", "1", "x", "applied"], ["read", "12", "x", "pending"]]
        );
    }
}
