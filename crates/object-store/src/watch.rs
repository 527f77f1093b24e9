//! Whether the object store answers, asked once a second, whoever has work for it.

use std::time::Duration;

use metrics::{Unit, describe_gauge, gauge};
use reqwest::{Certificate, Client, redirect::Policy};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const UP: &str = "depot_object_store_up";
const ANSWER_SECONDS: &str = "depot_object_store_answer_seconds";
/// Between the end of a question and the next one.
const REST: Duration = Duration::from_millis(700);
/// An answer takes some milliseconds.
const PATIENCE: Duration = Duration::from_millis(800);

/// A client that asks without a signature: any answer, and a refusal above all, says that the store is there.
#[derive(Debug, Clone)]
pub struct StoreWatch {
    client: Client,
    endpoint: String,
}

/// There is no client that could ask.
#[derive(Debug, thiserror::Error)]
#[error("no client can be made that asks whether the object store answers: check MINIO_CA_FILE")]
pub struct StoreWatchError(#[from] reqwest::Error);

impl StoreWatch {
    /// Opens no connection yet. `authorities` (PEM) are trusted in the place of the system's.
    ///
    /// # Errors
    /// The authorities cannot be used.
    pub fn new(endpoint: &str, authorities: Option<&[u8]>) -> Result<Self, StoreWatchError> {
        describe_gauge!(
            UP,
            Unit::Count,
            "1 while the object store answers this process, asked once a second."
        );
        describe_gauge!(
            ANSWER_SECONDS,
            Unit::Seconds,
            "How long the object store took for its last answer to that question."
        );
        let mut client = Client::builder().timeout(PATIENCE).redirect(Policy::none());
        if let Some(authorities) = authorities {
            client = client.tls_certs_only(Certificate::from_pem_bundle(authorities)?);
        }
        Ok(Self {
            client: client.build()?,
            endpoint: endpoint.to_owned(),
        })
    }

    /// Asks until cancelled. While the store was never asked there is no gauge.
    pub async fn run(self, stop: CancellationToken) {
        let mut was_up = true;
        while let Some(answer) = stop.run_until_cancelled(self.ask()).await {
            match &answer {
                Ok(took) => {
                    gauge!(UP).set(1.0);
                    gauge!(ANSWER_SECONDS).set(took.as_secs_f64());
                }
                Err(cause) => {
                    gauge!(UP).set(0.0);
                    if was_up {
                        tracing::warn!(cause, "the object store does not answer");
                    }
                }
            }
            was_up = answer.is_ok();
            stop.run_until_cancelled(sleep(REST)).await;
        }
    }

    /// How long the answer took.
    ///
    /// # Errors
    /// Why there was none, in words.
    async fn ask(&self) -> Result<Duration, String> {
        let asked = Instant::now();
        match self.client.get(&self.endpoint).send().await {
            Ok(answer) if answer.status().is_server_error() => Err(format!("it answers {}", answer.status())),
            Ok(_) => Ok(asked.elapsed()),
            Err(error) if error.is_timeout() => Err(format!("no answer within {} ms", PATIENCE.as_millis())),
            Err(error) if error.is_connect() => Err("nothing listens there".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_that_is_away_is_told_within_a_second() {
        // Nothing listens on port 1.
        let watch = StoreWatch::new("http://127.0.0.1:1", None).unwrap();
        let asked = Instant::now();
        assert_eq!(watch.ask().await.unwrap_err(), "nothing listens there");
        assert!(asked.elapsed() < Duration::from_secs(1));
    }
}
