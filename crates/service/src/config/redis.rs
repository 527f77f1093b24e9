//! `REDIS_ADDR`, `REDIS_KEY_PREFIX`, `REDIS_CA_FILE`, `REDIS_CERT_FILE`, `REDIS_KEY_FILE`.

use secrecy::{ExposeSecret as _, SecretString};

use super::{ConfigReader, TlsFiles};

/// The cache and its notifications.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    url: SecretString,
    /// Put before every key and channel; empty by default.
    pub key_prefix: String,
    /// Whom to trust, and who this process is; with `rediss://` only.
    pub tls: TlsFiles,
}

impl RedisConfig {
    /// Reads the group. `REDIS_ADDR` is `host:port` or a `redis://` or `rediss://` URL.
    pub fn read(reader: &mut ConfigReader) -> Self {
        let addr = reader.required_text("REDIS_ADDR", "localhost:6379");
        let mut config = Self::new(&addr, &reader.text("REDIS_KEY_PREFIX", ""));
        let parsed = url::Url::parse(config.url());
        let usable = parsed.is_ok_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
        if !addr.is_empty() && !usable {
            reader.fault(
                "REDIS_ADDR",
                "is not an address",
                "set host:port or redis://user:password@host:port/0",
            );
        }
        let ca_file = reader.optional_pem_file("REDIS_CA_FILE");
        let certificate = reader.optional_pem_file("REDIS_CERT_FILE");
        let key = reader.optional_pem_file("REDIS_KEY_FILE");
        let names = ("REDIS_CERT_FILE", "REDIS_KEY_FILE");
        config.tls = TlsFiles::new(reader, ca_file, (names.0, certificate), (names.1, key));
        if !config.tls.is_empty() && usable && !config.url().starts_with("rediss://") {
            reader.fault(
                "REDIS_ADDR",
                "is without TLS, though REDIS_CA_FILE or REDIS_CERT_FILE is set",
                "set rediss://user:password@host:port/0",
            );
        }
        config
    }

    /// From an address and a key prefix.
    #[must_use]
    pub fn new(addr: &str, key_prefix: &str) -> Self {
        let url = if addr.contains("://") {
            addr.to_owned()
        } else {
            format!("redis://{addr}")
        };
        Self {
            url: url.into(),
            key_prefix: key_prefix.to_owned(),
            tls: TlsFiles::default(),
        }
    }

    /// The connection URL. May contain a password: don't print it.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.expose_secret()
    }
}
