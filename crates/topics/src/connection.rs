//! A connection to a broker, with TLS where the cluster's listeners have it.

use std::{io, sync::Arc};

use depot_service::config::KafkaConfig;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Why the files for TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the PEM file `{file}` cannot be used: {reason}")]
    File { file: String, reason: String },
    #[error("certificate and key do not fit: {0}")]
    Identity(#[source] rustls::Error),
}

/// How brokers are connected to.
#[derive(Clone)]
pub(crate) struct Connector(Option<TlsConnector>);

impl Connector {
    pub(crate) fn new(kafka: &KafkaConfig) -> Result<Self, TlsError> {
        if !kafka.security.protocol.ends_with("ssl") {
            return Ok(Self(None));
        }
        let files = &kafka.security.tls;
        let mut roots = RootCertStore::empty();
        match &files.ca_file {
            Some(file) => {
                roots.add_parsable_certificates(certificates(file)?);
            }
            None => {
                // What cannot be read of them is missing, and a broker that needs it is not trusted then.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match &files.identity {
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
                config
                    .with_client_auth_cert(certificates(chain)?, key)
                    .map_err(TlsError::Identity)?
            }
            None => config.with_no_client_auth(),
        };
        Ok(Self(Some(TlsConnector::from(Arc::new(config)))))
    }

    /// `broker` is `host:port`, as the configuration has checked.
    pub(crate) async fn connect(&self, broker: &str) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(broker).await?;
        let Some(tls) = &self.0 else {
            return Ok(Box::new(stream));
        };
        let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}

fn certificates(file: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| unusable(file, &error))?;
    read.collect::<Result<_, _>>()
        .map_err(|error| unusable(file, &error))
}

fn unusable(file: &std::path::Path, error: &rustls::pki_types::pem::Error) -> TlsError {
    TlsError::File {
        file: file.display().to_string(),
        reason: error.to_string(),
    }
}
