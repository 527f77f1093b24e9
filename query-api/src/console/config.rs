//! The console's settings, and what the page is told of them.

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use depot_service::config::AppEnv;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::json;
use url::Url;

/// The console's settings.
#[derive(Debug, Clone)]
pub struct ConsoleConfig {
    pub enabled: bool,
    /// `development`, `test` or `production`.
    pub environment: AppEnv,
    /// Where command-api is for browsers.
    pub command_url: String,
    /// Where the sources are, for links to them.
    pub repository_url: Option<String>,
    /// Where people get their tokens.
    pub openid: Option<OpenIdConfig>,
    /// More origins that the page may talk with: an issuer's that are not at its own.
    pub connect_origins: Vec<String>,
}

/// An issuer of tokens, by OpenID Connect with PKCE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIdConfig {
    pub issuer: String,
    pub client_id: String,
    pub scope: String,
}

impl ConsoleConfig {
    /// The origins that the page talks with, besides its own.
    pub(super) fn origins(&self, object_store: Option<&str>) -> Vec<String> {
        let issuer = self.openid.as_ref().and_then(|openid| origin(&openid.issuer));
        let mut origins: Vec<String> = origin(&self.command_url)
            .into_iter()
            .chain(object_store.map(str::to_owned))
            .chain(issuer)
            .chain(self.connect_origins.iter().cloned())
            .collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    }

    /// What the page is told, as JSON.
    pub(super) fn told(&self, object_store: Option<&str>, gives_tokens: bool) -> String {
        let environment = match self.environment {
            AppEnv::Development => "development",
            AppEnv::Test => "test",
            AppEnv::Production => "production",
        };
        let openid = self.openid.as_ref().map(
            |openid| json!({"issuer": openid.issuer, "client_id": openid.client_id, "scope": openid.scope}),
        );
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "environment": environment,
            "command_api": self.command_url.trim_end_matches('/'),
            "object_store": object_store,
            "dev_token": gives_tokens,
            "repository": self.repository_url.as_deref().map(|url| url.trim_end_matches('/')),
            "openid": openid,
        })
        .to_string()
    }
}

/// The origin of a URL, as a browser writes it.
pub(crate) fn origin(url: &str) -> Option<String> {
    let origin = Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

/// The page asks for it each time that it is opened.
pub(super) fn answer(told: Bytes) -> Response {
    (
        [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")],
        told,
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_talks_with_what_is_configured_and_nobody_else() {
        let config = ConsoleConfig {
            enabled: true,
            environment: AppEnv::Production,
            command_url: "https://commands.example:8443/".to_owned(),
            repository_url: None,
            openid: Some(OpenIdConfig {
                issuer: "https://issuer.example/realms/depot".to_owned(),
                client_id: "console".to_owned(),
                scope: "openid".to_owned(),
            }),
            connect_origins: vec!["https://tokens.example".to_owned()],
        };
        assert_eq!(
            config.origins(Some("https://files.example")),
            [
                "https://commands.example:8443",
                "https://files.example",
                "https://issuer.example",
                "https://tokens.example",
            ]
        );
        let told: serde_json::Value = serde_json::from_str(&config.told(None, false)).unwrap();
        assert_eq!(told["command_api"], "https://commands.example:8443");
        assert_eq!(told["openid"]["client_id"], "console");
        assert_eq!(told["dev_token"], false);
        assert_eq!(told["environment"], "production");
    }
}
