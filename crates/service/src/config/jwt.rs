//! `JWT_SECRET`, `JWT_ISSUER`, `JWT_AUDIENCE`, `JWT_LEEWAY_SECONDS`.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::{AppEnv, ConfigReader};

/// The secret of `.env.example`: known to everybody, so refused in production.
pub const DEVELOPMENT_JWT_SECRET: &str = "dev-only-jwt-secret-of-more-than-32-bytes";

/// How bearer tokens are signed and checked.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The HS256 key, at least 32 bytes.
    pub secret: SecretString,
    /// The `iss` that is written and required.
    pub issuer: String,
    /// The `aud` that is written and required.
    pub audience: String,
    /// How far clocks may differ when `exp` and `nbf` are checked.
    pub leeway: Duration,
}

impl JwtConfig {
    /// Reads the group.
    pub fn read(reader: &mut ConfigReader) -> Self {
        let secret = reader.secret("JWT_SECRET", 32);
        if reader.app_env() == AppEnv::Production && secret.expose_secret() == DEVELOPMENT_JWT_SECRET {
            reader.fault(
                "JWT_SECRET",
                "is the published development secret",
                "set one of your own in production, for example from `openssl rand -base64 48`",
            );
        }
        Self {
            secret,
            issuer: reader.text("JWT_ISSUER", "depot"),
            audience: reader.text("JWT_AUDIENCE", "depot"),
            leeway: reader.seconds("JWT_LEEWAY_SECONDS", 30, 0..=300),
        }
    }

    /// Issuer and audience `depot`, no leeway: for tests.
    #[must_use]
    pub fn for_secret(secret: &str) -> Self {
        Self {
            secret: secret.into(),
            issuer: "depot".to_owned(),
            audience: "depot".to_owned(),
            leeway: Duration::ZERO,
        }
    }
}
