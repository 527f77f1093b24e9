use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::{ExposeSecret, SecretString};

pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// Until the first byte of an answer; streams are watched piece by piece.
const FIRST_BYTE: Duration = Duration::from_secs(30);

/// Who calls, and where.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Where this process reaches the store.
    pub endpoint: String,
    /// Where clients reach it: presigned URLs name it.
    pub public_endpoint: String,
    pub region: String,
    pub access_key: String,
    pub secret_key: SecretString,
}

/// The object store under one identity. A clone is cheap and shares the connections.
#[derive(Debug, Clone)]
pub struct ObjectStore {
    pub(crate) client: Client,
    /// Signs for the public endpoint, and never calls it.
    pub(crate) signer: Client,
}

impl ObjectStore {
    /// Opens no connection: the store may come up later.
    pub fn new(identity: &Identity) -> Self {
        Self::with(identity, None)
    }

    /// As `new`, for a store whose certificate is signed by one of these authorities (PEM), or by one of the system's
    /// where there are none.
    ///
    /// # Errors
    /// [`InvalidAuthorities`].
    pub fn trusting(identity: &Identity, authorities: Option<&[u8]>) -> Result<Self, InvalidAuthorities> {
        let Some(pem) = authorities else {
            return Ok(Self::new(identity));
        };
        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        // The SDK would panic on what is no certificate, at its first call.
        if certificates.map_or(true, |found| found.is_empty()) {
            return Err(InvalidAuthorities);
        }
        let store = TrustStore::empty().with_pem_certificate(pem);
        let context = TlsContext::builder().with_trust_store(store).build();
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context.map_err(|_| InvalidAuthorities)?)
            .build_https();
        Ok(Self::with(identity, Some(&http)))
    }

    fn with(identity: &Identity, http: Option<&SharedHttpClient>) -> Self {
        Self {
            client: client(identity, &identity.endpoint, http),
            signer: client(identity, &identity.public_endpoint, http),
        }
    }
}

/// The authorities are no certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("MINIO_CA_FILE has no certificate that can be used")]
pub struct InvalidAuthorities;

fn client(identity: &Identity, endpoint: &str, http: Option<&SharedHttpClient>) -> Client {
    let secret = identity.secret_key.expose_secret();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(FIRST_BYTE)
        .build();
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(identity.region.clone()))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(
            &identity.access_key,
            secret,
            None,
            None,
            "depot",
        ))
        .force_path_style(true)
        // Checksums of the SDK's own choosing are not understood by every server.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    let config = match http {
        Some(http) => config.http_client(http.clone()),
        None => config,
    };
    Client::from_conf(config.build())
}

/// A server may answer with its first byte only when a long copy is done.
pub(crate) fn patient(deadline: Duration) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(deadline)
        .build();
    Builder::new().timeout_config(timeouts)
}

/// A copy inside the store takes its time; slower than 10 MiB/s is taken for stuck.
pub(crate) fn copy_deadline(size_bytes: i64) -> Duration {
    const CALL: Duration = Duration::from_secs(30);
    CALL + Duration::from_secs(u64::try_from(size_bytes / (10 * 1024 * 1024)).unwrap_or_default())
}
