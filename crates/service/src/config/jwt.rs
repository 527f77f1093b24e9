//! `JWT_SECRET`, `JWT_JWKS_FILE`, `JWT_JWKS_URL`, `JWT_JWKS_CA_FILE`, `JWT_JWKS_REFRESH_SECONDS`,
//! `JWT_JWKS_MIN_REFRESH_SECONDS`, `JWT_JWKS_TIMEOUT_MS`, `JWT_ISSUER`, `JWT_AUDIENCE`, `JWT_LEEWAY_SECONDS`,
//! `SERVICE_TOKEN_SECRET`.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::{AppEnv, ConfigReader};
use crate::auth::check_key_set;
use crate::problem::chain;

/// The secret of `.env.example`: known to everybody, so refused in production.
pub const DEVELOPMENT_JWT_SECRET: &str = "dev-only-jwt-secret-of-more-than-32-bytes";

/// How bearer tokens are signed and checked.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The HS256 key, at least 32 bytes. None: tokens by HS256 are refused, and the issuer's keys are there.
    pub secret: Option<SecretString>,
    /// The HS256 key of what services sign for each other; `secret` where there is none.
    pub service_secret: Option<SecretString>,
    /// Public keys of the issuer.
    pub keys: Option<KeysConfig>,
    /// The `iss` that is written and required.
    pub issuer: String,
    /// The `aud` that is written and required.
    pub audience: String,
    /// How far clocks may differ when `exp` and `nbf` are checked.
    pub leeway: Duration,
}

/// Where an issuer's public keys are, and how often they are read.
#[derive(Debug, Clone)]
pub struct KeysConfig {
    /// A file or a URL.
    pub source: KeySource,
    /// A PEM file of authorities for the URL; the system's when unset.
    pub ca_file: Option<PathBuf>,
    /// Whether a URL without TLS is refused.
    pub https_only: bool,
    /// How often they are read.
    pub refresh: Duration,
    /// The least time between two reads, however many tokens name keys that are not known.
    pub min_refresh_gap: Duration,
    /// The longest time that a read takes.
    pub timeout: Duration,
}

/// Where a JSON Web Key Set is.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file, read again when it is refreshed.
    File(PathBuf),
    /// An `http(s)` URL.
    Url(String),
}

/// A URL may carry credentials: its host is enough to know it by.
impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Url(url) => {
                let host = url::Url::parse(url).ok();
                let host = host.as_ref().and_then(url::Url::host_str);
                f.debug_tuple("Url").field(&host).finish()
            }
        }
    }
}

impl JwtConfig {
    /// Reads the group.
    pub fn read(reader: &mut ConfigReader) -> Self {
        let secret = own_secret(reader, "JWT_SECRET");
        let keys = KeysConfig::read(reader);
        let is_known = ["JWT_SECRET", "JWT_JWKS_FILE", "JWT_JWKS_URL"].map(|name| reader.has_fault(name));
        if secret.is_none() && keys.is_none() && !is_known.contains(&true) {
            reader.fault(
                "JWT_SECRET",
                "is not set",
                "set a secret of at least 32 bytes, or JWT_JWKS_FILE or JWT_JWKS_URL",
            );
        }
        Self {
            secret,
            service_secret: own_secret(reader, "SERVICE_TOKEN_SECRET"),
            keys,
            issuer: reader.text("JWT_ISSUER", "depot"),
            audience: reader.text("JWT_AUDIENCE", "depot"),
            leeway: reader.seconds("JWT_LEEWAY_SECONDS", 30, 0..=300),
        }
    }

    /// Reads the group for a service that signs tokens for the others, or checks them.
    pub fn read_among_services(reader: &mut ConfigReader) -> Self {
        let config = Self::read(reader);
        if config.secret.is_none() && config.service_secret.is_none() && config.keys.is_some() {
            reader.fault(
                "SERVICE_TOKEN_SECRET",
                "is not set, and JWT_SECRET neither",
                "set a secret of at least 32 bytes, the same for command-api and the uploader",
            );
        }
        config
    }

    /// Issuer and audience `depot`, no leeway, no keys but the secret: for tests.
    #[must_use]
    pub fn for_secret(secret: &str) -> Self {
        Self {
            secret: Some(secret.into()),
            service_secret: None,
            keys: None,
            issuer: "depot".to_owned(),
            audience: "depot".to_owned(),
            leeway: Duration::ZERO,
        }
    }
}

/// A secret of at least 32 bytes that is not the published one, if it is set.
pub(super) fn own_secret(reader: &mut ConfigReader, name: &str) -> Option<SecretString> {
    let secret = reader.optional_secret(name, 32)?;
    if reader.app_env() == AppEnv::Production && secret.expose_secret() == DEVELOPMENT_JWT_SECRET {
        reader.fault(
            name,
            "is the published development secret",
            "set one of your own in production, for example from `openssl rand -base64 48`",
        );
    }
    Some(secret)
}

impl KeysConfig {
    fn read(reader: &mut ConfigReader) -> Option<Self> {
        let file = reader.optional_text("JWT_JWKS_FILE").map(PathBuf::from);
        let url = reader.optional_url("JWT_JWKS_URL");
        let ca_file = reader.optional_pem_file("JWT_JWKS_CA_FILE");
        let refresh = reader.seconds("JWT_JWKS_REFRESH_SECONDS", 300, 10..=86_400);
        let min_refresh_gap = reader.seconds("JWT_JWKS_MIN_REFRESH_SECONDS", 10, 1..=3_600);
        let timeout = reader.millis("JWT_JWKS_TIMEOUT_MS", 3_000, 100..=60_000);
        // On loopback there is nobody in between.
        let https_only = reader.app_env() == AppEnv::Production;
        let source = match (file, url) {
            (Some(_), Some(_)) => {
                reader.fault("JWT_JWKS_URL", "is set beside JWT_JWKS_FILE", "set one of them");
                return None;
            }
            (Some(path), None) => {
                check_file(reader, &path);
                KeySource::File(path)
            }
            (None, Some(url)) => {
                if https_only && !url.starts_with("https://") {
                    reader.fault("JWT_JWKS_URL", "is not https", "set an https URL in production");
                }
                KeySource::Url(url)
            }
            (None, None) => return None,
        };
        Some(Self {
            source,
            ca_file,
            https_only,
            refresh,
            min_refresh_gap,
            timeout,
        })
    }
}

fn check_file(reader: &mut ConfigReader, path: &std::path::Path) {
    let problem = match std::fs::read(path) {
        Ok(document) => check_key_set(&document).err().map(|error| chain(&error)),
        Err(error) => Some(error.to_string()),
    };
    if let Some(problem) = problem {
        reader.fault(
            "JWT_JWKS_FILE",
            format!("cannot be used: {problem}"),
            "set the path of a JSON Web Key Set with public keys for RS256, ES256 or EdDSA",
        );
    }
}
