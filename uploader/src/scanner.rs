use crate::clamd::{Clamd, ClamdError, ClamdSettings};

/// Who is asked about each file.
#[derive(Debug, Clone, Default)]
pub enum Scanner {
    /// Nobody.
    #[default]
    None,
    Clamd(ClamdScanner),
}

/// ClamAV's daemon.
#[derive(Debug, Clone)]
pub struct ClamdScanner(pub(crate) Clamd);

impl Scanner {
    /// clamd, where it is set up.
    pub fn new(clamd: Option<ClamdSettings>) -> Self {
        clamd.map_or(Self::None, |settings| {
            Self::Clamd(ClamdScanner(Clamd::new(settings)))
        })
    }

    /// Whether it takes work now.
    ///
    /// # Errors
    /// [`ClamdError`]: it does not, and files wait.
    pub async fn check(&self) -> Result<(), ClamdError> {
        match self {
            Self::None => Ok(()),
            Self::Clamd(ClamdScanner(clamd)) => clamd.ping().await,
        }
    }
}
