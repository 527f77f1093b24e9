//! The SQL of this service: one file a table, one function a statement.
//!
//! Locks are taken in one order everywhere: key, storage account, item, upload, saga.

pub mod accounts;
pub mod audit;
pub mod dead_letters;
pub mod declared;
mod error;
pub mod idempotency;
pub mod items;
pub mod republish;
pub mod sagas;
pub mod sweep;
pub mod trace;
pub mod transaction;
pub mod uploads;

pub use error::{Nature, StoreError, nature};

use serde::de::{DeserializeOwned, IntoDeserializer, value::Error};

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
