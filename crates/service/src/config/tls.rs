//! How the other end of a connection is known, and how this process is known to it.

use std::path::PathBuf;

use super::ConfigReader;

/// A certificate chain and its key.
pub type PemIdentity = (Vec<u8>, Vec<u8>);

/// PEM files for TLS. They can be read and have PEM in them; what is in them is found out when they are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities that are trusted, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificate chain and the key by which this process names itself.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    pub(super) fn new(
        reader: &mut ConfigReader,
        ca_file: Option<PathBuf>,
        certificate: (&str, Option<PathBuf>),
        key: (&str, Option<PathBuf>),
    ) -> Self {
        let identity = match (certificate.1, key.1) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                reader.fault(
                    key.0,
                    format!("is not set, and {} is", certificate.0),
                    "set both or none",
                );
                None
            }
            (None, Some(_)) => {
                reader.fault(
                    certificate.0,
                    format!("is not set, and {} is", key.0),
                    "set both or none",
                );
                None
            }
        };
        Self { ca_file, identity }
    }

    /// What is in the files: the authorities, and the certificate chain with its key.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read_pem(&self) -> std::io::Result<(Option<Vec<u8>>, Option<PemIdentity>)> {
        let authorities = self.ca_file.as_ref().map(std::fs::read).transpose()?;
        let identity = match &self.identity {
            Some((certificate, key)) => Some((std::fs::read(certificate)?, std::fs::read(key)?)),
            None => None,
        };
        Ok((authorities, identity))
    }

    /// Whether anything is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
