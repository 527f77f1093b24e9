#![cfg(test)]
//! Storing and removing on a real database and a real S3 server. Most tests call for an event's work by
//! hand; `pipeline.rs` runs the whole process on Kafka.

mod admin_routes;
mod asked_again;
mod content_checks;
mod cut_off;
mod daemons;
mod full_store;
mod in_parts;
mod parking;
mod pictures;
mod pipeline;
mod scanning;
mod scene;
mod shared_content;
mod store_front;
mod storing;
mod sweeping;
mod thumbnails;
mod whole_process;
