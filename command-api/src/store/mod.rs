//! The SQL of this service: one file a table, one function a statement.
//!
//! Locks are taken in one order everywhere: key, storage account, item, upload, saga.

pub mod accounts;
pub mod audit;
pub mod dead_letters;
mod error;
pub mod idempotency;
pub mod items;
pub mod sagas;
pub mod sweep;
pub mod transaction;
pub mod uploads;

pub use error::{Nature, StoreError, nature};

use serde::de::{DeserializeOwned, IntoDeserializer, value::Error};
use sqlx::PgConnection;

/// A value that was checked when it was written. It is not checked again: a limit that became narrower since must not
/// make a row unreadable.
fn stored<'a, T, V>(table: &'static str, id: impl ToString, value: V) -> Result<T, StoreError>
where
    T: DeserializeOwned,
    V: IntoDeserializer<'a, Error>,
{
    T::deserialize(value.into_deserializer()).map_err(|source| StoreError::Corrupt {
        table,
        id: id.to_string(),
        source: Box::new(source),
    })
}

/// Whether the migrations of this schema have been run.
pub async fn schema_is_there(conn: &mut PgConnection) -> Result<bool, StoreError> {
    sqlx::query_scalar!(
        r#"SELECT to_regclass('command.idempotency_keys') IS NOT NULL AND to_regclass('command.outbox') IS NOT NULL
                  AS "there!""#
    )
    .fetch_one(conn)
    .await
    .map_err(StoreError::doing("look for the schema's tables"))
}
