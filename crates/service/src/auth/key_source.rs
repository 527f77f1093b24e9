//! Where key sets are read.

use std::path::PathBuf;

use futures::StreamExt as _;
use reqwest::{Certificate, Client, redirect::Policy};

use super::key_set::{KeySet, KeySetError};
use crate::config::{KeySource, KeysConfig};

/// A key set is a few kilobytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Why no key set was read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// JWT_JWKS_FILE.
    #[error("the file of token keys cannot be read")]
    File(#[source] std::io::Error),
    /// JWT_JWKS_CA_FILE, or the system's certificates.
    #[error("the client that fetches token keys cannot be made")]
    Client(#[source] reqwest::Error),
    /// No answer, or none that counts. The address is known to who configured it, and may carry credentials.
    #[error("the token keys cannot be fetched")]
    Fetch(#[source] reqwest::Error),
    /// No end of the answer within the time for it.
    #[error("the token keys were not fetched in time")]
    TimedOut,
    /// An answer that has no end.
    #[error("the document of token keys has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not one that can be used.
    #[error("the document of token keys cannot be used")]
    Document(#[from] KeySetError),
}

/// A file or a URL.
pub(super) enum Source {
    File(PathBuf),
    Url { url: String, http: Client },
}

impl Source {
    pub fn new(config: &KeysConfig) -> Result<Self, KeysError> {
        Ok(match &config.source {
            KeySource::File(path) => Self::File(path.clone()),
            KeySource::Url(url) => Self::Url {
                url: url.clone(),
                http: client(config)?,
            },
        })
    }

    /// The document as it is now.
    pub async fn read(&self) -> Result<Vec<u8>, KeysError> {
        match self {
            Self::File(path) => tokio::fs::read(path).await.map_err(KeysError::File),
            Self::Url { url, http } => fetch(http, url).await,
        }
    }
}

/// Follows no redirect: keys come from where the operator said.
fn client(config: &KeysConfig) -> Result<Client, KeysError> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .timeout(config.timeout)
        .connect_timeout(config.timeout)
        .https_only(config.https_only);
    if let Some(path) = &config.ca_file {
        let pem = std::fs::read(path).map_err(KeysError::File)?;
        let authorities = Certificate::from_pem_bundle(&pem).map_err(KeysError::Client)?;
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(KeysError::Client)
}

async fn fetch(http: &Client, url: &str) -> Result<Vec<u8>, KeysError> {
    let failed = |error: reqwest::Error| KeysError::Fetch(error.without_url());
    let request = http
        .get(url)
        .header("accept", "application/jwk-set+json, application/json");
    let answer = request
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(failed)?;
    let mut document = Vec::new();
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(failed)?;
        if document.len() + piece.len() > MAX_BYTES {
            return Err(KeysError::TooLarge);
        }
        document.extend_from_slice(&piece);
    }
    Ok(document)
}

/// Whether a document is a key set that can be used: for the check at start.
///
/// # Errors
/// [`KeySetError`].
pub fn check_key_set(document: &[u8]) -> Result<(), KeySetError> {
    KeySet::parse(document).map(drop)
}
