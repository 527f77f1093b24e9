use std::time::Duration;

use reqwest::Method;

use super::error::ItemError;
use crate::rest::{Answer, Patience, Rest, Server};

/// How what does not answer is asked again.
#[derive(Debug, clap::Args)]
pub struct Asking {
    /// How long something that does not answer, or is busy, is asked again.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=3_600))]
    patience: u64,
}

impl Asking {
    pub fn patience(&self) -> Patience {
        Patience::lasting(Duration::from_secs(self.patience))
    }

    /// Asks query-api until it has an answer that counts.
    pub async fn ask(
        &self,
        rest: &Rest,
        doing: &'static str,
        path: &str,
        prefer: Option<&str>,
    ) -> Result<Answer, ItemError> {
        let once = || {
            let mut request = rest.request(Server::QueryApi, Method::GET, path);
            if let Some(prefer) = prefer {
                request = request.header("Prefer", prefer);
            }
            rest.send(doing, Server::QueryApi, request)
        };
        Ok(self.patience().repeat(once).await?)
    }
}
