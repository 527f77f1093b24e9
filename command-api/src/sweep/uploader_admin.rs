//! What this service asks of the uploader: which receipts it has, to sweep, and to forget what nobody knows.

use std::{sync::Arc, time::Duration};

use depot_schemas::sweep::{Forgotten, ReceiptPage, SweepReport};
use depot_service::auth::{MintError, Role, TokenMinter};
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

/// Whom the tokens name.
const SUBJECT: &str = "command-api";
/// A token is looked at when the call comes in.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(3);
const CALL: Duration = Duration::from_secs(30);
/// A sweep lists both buckets.
const SWEEP: Duration = Duration::from_secs(300);

/// Why the uploader gave no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum UploaderError {
    #[error("no token could be made for the uploader")]
    Token(#[from] MintError),
    #[error("the uploader does not answer at {url}: check UPLOADER_ADMIN_URL, and that it is running")]
    Away {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the uploader cannot do it now: {status} {detail}")]
    Unavailable { status: StatusCode, detail: String },
    #[error(
        "the uploader refuses: {status} {detail}; both services need the same JWT_SECRET, JWT_ISSUER and JWT_AUDIENCE"
    )]
    Refused { status: StatusCode, detail: String },
}

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: String,
}

/// The uploader's admin port.
#[derive(Clone)]
pub struct UploaderAdmin {
    http: Client,
    base: Arc<str>,
    tokens: Arc<TokenMinter>,
}

impl UploaderAdmin {
    /// Opens no connection.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn new(base: &str, tokens: TokenMinter) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .redirect(Policy::none())
            .build()?;
        Ok(Self {
            http,
            base: base.into(),
            tokens: Arc::new(tokens),
        })
    }

    /// Has the uploader sweep now.
    ///
    /// # Errors
    /// [`UploaderError`].
    pub async fn sweep(&self, dry_run: bool, grace: Option<Duration>) -> Result<SweepReport, UploaderError> {
        let grace = grace.map_or_else(String::new, |grace| format!("&grace_seconds={}", grace.as_secs()));
        let path = format!("/admin/sweep?dry_run={dry_run}{grace}");
        self.answer(self.request(Method::POST, &path)?.timeout(SWEEP))
            .await
    }

    /// Receipts of uploads after `after` and, if there is one, up to `until`.
    ///
    /// # Errors
    /// [`UploaderError`].
    pub async fn receipts(&self, after: Uuid, until: Option<Uuid>) -> Result<ReceiptPage, UploaderError> {
        let until = until.map_or_else(String::new, |until| format!("&until={until}"));
        let path = format!("/admin/receipts?after={after}{until}");
        self.answer(self.request(Method::GET, &path)?).await
    }

    /// Has it let go of all that it keeps for an upload that nobody knows, and tell nobody.
    ///
    /// # Errors
    /// [`UploaderError`].
    pub async fn forget(&self, upload: Uuid) -> Result<Forgotten, UploaderError> {
        let path = format!("/admin/uploads/{upload}/forget");
        self.answer(self.request(Method::POST, &path)?).await
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, UploaderError> {
        let token = self.tokens.mint(SUBJECT, &[Role::Admin], TOKEN_LIFETIME)?;
        Ok(self
            .http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(token))
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, UploaderError> {
        let away = |source: reqwest::Error| UploaderError::Away {
            url: self.base.to_string(),
            source: source.without_url(),
        };
        let response = request.send().await.map_err(away)?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(away);
        }
        let Problem { detail } = response.json().await.unwrap_or_default();
        if status.is_server_error() {
            return Err(UploaderError::Unavailable { status, detail });
        }
        Err(UploaderError::Refused { status, detail })
    }
}

/// Shows no key.
impl std::fmt::Debug for UploaderAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UploaderAdmin")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}
