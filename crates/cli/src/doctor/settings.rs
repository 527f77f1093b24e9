//! The variables of this tool, and secrets that everybody can read.

use std::{ffi::OsString, time::Duration};

use depot_service::{
    auth::TokenMinter,
    config::{AppEnv, DEVELOPMENT_JWT_SECRET, JwtConfig},
};
use reqwest::{Client, StatusCode};

use super::{
    answer::Answer,
    finding::{Kind, listed},
    installation::{Installation, Services},
};

/// What every password, key and secret of `.env.example` begins with.
const PUBLISHED: &str = "dev-only-";
/// Of a token that is only there to be refused.
const LIFETIME: Duration = Duration::from_secs(60);

pub async fn look(installation: &Installation) -> Answer {
    let mut answer = Answer::default();
    for fault in &installation.faults {
        answer.fault(
            Kind::SettingRefused,
            format!("{}: {}", fault.variable, fault.problem),
            &fault.fix,
        );
    }
    let services = installation.services.as_ref();
    if let Some(services) = services.filter(|services| services.app_env == AppEnv::Production) {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let names = published(std::env::vars_os().filter_map(text));
        if !names.is_empty() {
            answer.fault(
                Kind::PublishedSecret,
                format!("{} have secrets of .env.example, in production", listed(&names)),
                "set secrets of your own, for example from `openssl rand -base64 48`, and run `depot migrate`, which gives \
                 the database's roles their passwords",
            );
        }
        match takes_published_tokens(&installation.http, services).await {
            Ok(true) => answer.fault(
                Kind::PublishedSecret,
                format!(
                    "command-api at {} takes tokens that are signed with the JWT_SECRET of .env.example, in production",
                    services.command_url
                ),
                "set JWT_SECRET to one of your own for all services, and APP_ENV=production, which refuses that one",
            ),
            Ok(false) => {}
            Err(why) => answer.unseen.push(why),
        }
    }
    answer
}

/// The variables that have a published secret in them.
fn published(variables: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut names: Vec<String> = variables
        .filter(|(_, value)| value.contains(PUBLISHED))
        .map(|(name, _)| name)
        .collect();
    names.sort();
    names
}

/// Whether a token counts that anybody could sign. It has no role: what it asks for is refused either way, as not allowed or
/// as not known.
async fn takes_published_tokens(http: &Client, services: &Services) -> Result<bool, String> {
    let no_answer = || {
        format!(
            "which tokens command-api takes: it does not answer at {}",
            services.command_url
        )
    };
    let config = JwtConfig {
        issuer: services.issuer.clone(),
        audience: services.audience.clone(),
        ..JwtConfig::for_secret(DEVELOPMENT_JWT_SECRET)
    };
    let token = TokenMinter::new(&config).mint("depot-doctor", &[], LIFETIME);
    let token = token.map_err(|error| error.to_string())?;
    let url = format!("{}/api/v1/admin/outbox", services.command_url);
    let answer = http.get(url).bearer_auth(token).send().await;
    match answer.map(|answer| answer.status()) {
        Ok(StatusCode::UNAUTHORIZED) => Ok(false),
        Ok(StatusCode::FORBIDDEN) => Ok(true),
        Ok(_) | Err(_) => Err(no_answer()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Otherwise a published secret would not be known as one.
    #[test]
    fn all_secrets_of_the_example_begin_as_published_ones() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.env.example");
        let text = fs::read_to_string(path).unwrap();
        let set = text.lines().filter_map(|line| line.split_once('='));
        let set = set.filter(|(name, value)| !name.starts_with('#') && !value.is_empty());
        let secrets: Vec<_> = set
            .filter(|(name, _)| {
                name.ends_with("SECRET") || name.ends_with("_KEY") || name.ends_with("DATABASE_URL")
            })
            // The name that goes with a key.
            .filter(|(name, _)| !name.ends_with("ACCESS_KEY"))
            .collect();
        assert!(secrets.len() > 10, "{secrets:?}");
        let as_variables = secrets
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        assert_eq!(published(as_variables).len(), secrets.len(), "{secrets:?}");
    }
}
