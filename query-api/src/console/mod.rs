//! The console: a page that shows the system at work, and works with it over the public APIs alone.
//!
//! Its files lie in `console/` beside this crate's sources, and in the program (`build.rs`). They need no token: they are the
//! same for everybody, and who opens them has none yet.

mod assets;
mod config;
mod dev_token;
mod headers;

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};
use depot_service::{auth::TokenMinter, json::StrictJson, problem::Problem};
use http::HeaderMap;
use std::sync::Arc;

pub(crate) use config::origin;
pub use config::{ConsoleConfig, OpenIdConfig};

use assets::Assets;
use dev_token::Wanted;
use headers::PageHeaders;

/// The page, and in development a way to a token.
#[derive(Debug, Clone)]
pub struct Console {
    assets: Arc<Assets>,
    headers: PageHeaders,
    config: bytes::Bytes,
    minter: Option<Arc<TokenMinter>>,
    is_on: bool,
}

impl Console {
    /// `object_store` is what URLs of files are signed for; `minter` makes the tokens that anybody may ask for.
    #[must_use]
    pub fn new(settings: &ConsoleConfig, object_store: &str, minter: Option<TokenMinter>) -> Self {
        let object_store = config::origin(object_store);
        Self {
            assets: Arc::new(Assets::load()),
            headers: PageHeaders::new(
                &settings.origins(object_store.as_deref()),
                object_store.as_deref(),
            ),
            config: settings.told(object_store.as_deref(), minter.is_some()).into(),
            minter: minter.map(Arc::new),
            is_on: settings.enabled,
        }
    }

    /// The routes that are switched on.
    pub fn routes<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let mut router = Router::new();
        if let Some(minter) = &self.minter {
            let minter = Arc::clone(minter);
            let make = move |body: StrictJson<Wanted>| std::future::ready(dev_token::make(&minter, body));
            router = router.route("/dev/token", post(make));
        }
        if !self.is_on {
            return router;
        }
        let (page, files, config) = (self.clone(), self.clone(), self);
        let page = move |headers: HeaderMap| std::future::ready(page.file("index.html", &headers));
        let file = move |Path(path): Path<String>, headers: HeaderMap| {
            std::future::ready(files.file(&path, &headers))
        };
        let config = move || std::future::ready(config.headers.on(config::answer(config.config.clone())));
        router
            .route("/", get(page))
            .route("/console/config.json", get(config))
            .route("/console/{*rest}", get(file))
    }

    fn file(&self, path: &str, headers: &HeaderMap) -> Result<axum::response::Response, Problem> {
        let file = self.assets.find(path);
        let file = file.ok_or_else(|| Problem::not_found("The console has no such file."))?;
        Ok(self.headers.on(file.answer(headers)))
    }
}
