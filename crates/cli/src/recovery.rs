//! What the steps after a disaster have in common: the database's owner, and how they end.

use std::process::ExitCode;

use depot_migrate::recovery::RecoveryFailure;
use depot_service::config::{ConfigErrors, ConfigReader, DatabaseTls};
use rdkafka::error::KafkaError;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;

use crate::output;

/// The end of each step's help.
pub const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  the database or Kafka did not answer: nothing was changed, the same command may be given again
  2  wrong usage
  3  not as things are, which the message explains: nothing was changed
  4  a setting is missing or wrong

It works as the owner of the database (MIGRATE_DATABASE_URL), while command-api, projector and uploader are stopped, and is in the
audit. docs/backup.md has all steps in their order.";

const TRY_AGAIN: u8 = 1;
const NOT_SO: u8 = 3;
const REFUSED: u8 = 4;

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum StepFailure {
    #[error(transparent)]
    Settings(#[from] ConfigErrors),
    #[error("MIGRATE_DATABASE_URL is no Postgres URL")]
    Url(#[source] sqlx::Error),
    #[error(transparent)]
    Recovery(#[from] RecoveryFailure),
    #[error(
        "Kafka does not tell where {topic} [{partition}] begins and ends; `depot topics` makes topics that are missing"
    )]
    Kafka {
        topic: String,
        partition: i32,
        #[source]
        source: KafkaError,
    },
    #[error("Kafka could not be asked")]
    Client(#[source] KafkaError),
    #[error("the reading of Kafka ended without a result")]
    Ended,
    #[error(
        "every place where the views go on is inside its log, so no log was lost: nothing was changed. With --force all of them \
         are read again from their beginnings"
    )]
    NothingLost,
}

impl StepFailure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Url(_) => REFUSED,
            Self::NothingLost | Self::Recovery(RecoveryFailure::ServicesRun(_)) => NOT_SO,
            Self::Recovery(_) | Self::Kafka { .. } | Self::Client(_) | Self::Ended => TRY_AGAIN,
        }
    }
}

/// The owner of the database, as settings have it.
pub struct Owner {
    url: SecretString,
    tls: DatabaseTls,
}

impl Owner {
    pub fn read(reader: &mut ConfigReader) -> Self {
        Self {
            url: reader.secret("MIGRATE_DATABASE_URL", 1),
            tls: DatabaseTls::read(reader),
        }
    }

    pub fn options(&self) -> Result<PgConnectOptions, StepFailure> {
        let options = self.url.expose_secret().parse::<PgConnectOptions>();
        let options = options.map_err(StepFailure::Url)?;
        Ok(self.tls.apply(options))
    }
}

/// Prints what was done, as one line of JSON or by `text`, and ends.
pub fn finish(
    is_json: bool,
    done: Result<Value, StepFailure>,
    text: impl FnOnce(&Value) -> String,
) -> ExitCode {
    match done {
        Ok(done) if is_json => output::end_json(&done, 0),
        Ok(done) => output::end(&text(&done), 0),
        Err(failure) => {
            let error = depot_service::problem::chain(&failure);
            output::fail(is_json, &error, failure.exit_code())
        }
    }
}
