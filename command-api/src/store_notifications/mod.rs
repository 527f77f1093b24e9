//! The object store's own notifications, where it sends them to Kafka: an upload then completes by itself. Off unless
//! `STORE_NOTIFICATIONS_ENABLED` is set.

mod consumer;
mod record;

pub use consumer::{Completed, StoreNotifications, consumer_settings};
pub use record::arrived;
