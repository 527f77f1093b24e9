use anyhow::{Context, bail};
use depot_migrate::Passwords;
use depot_service::config::{AppEnv, DatabaseTls};
use secrecy::{ExposeSecret, SecretString};
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

pub async fn up() -> anyhow::Result<()> {
    let (owner, passwords, _) = read()?;
    let before = applied(&owner).await?;
    depot_migrate::migrate(&owner, &passwords).await?;
    println!(
        "{} migration(s) applied now, {} in all",
        applied(&owner).await? - before,
        depot_migrate::count()
    );
    Ok(())
}

pub async fn status() -> anyhow::Result<()> {
    let (owner, ..) = read()?;
    for state in depot_migrate::status(&owner).await? {
        let applied = if state.applied { "applied" } else { "pending" };
        println!(
            "{:<9} {:>4} {:<24} {applied}",
            state.schema, state.version, state.description
        );
    }
    Ok(())
}

pub async fn down() -> anyhow::Result<()> {
    let (owner, _, app_env) = read()?;
    if app_env == AppEnv::Production {
        bail!("refused in production, since data goes with the tables: write a migration that goes forward");
    }
    depot_migrate::migrate_down(&owner).await?;
    status().await
}

async fn applied(owner: &PgConnectOptions) -> anyhow::Result<usize> {
    Ok(depot_migrate::status(owner)
        .await?
        .iter()
        .filter(|state| state.applied)
        .count())
}
