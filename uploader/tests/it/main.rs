#![cfg(test)]
//! Storing and removing on a real database and a real S3 server. Events are called for by hand here; that they come
//! and go through Kafka is shown end to end.

mod scene;
mod shared_content;
mod storing;
mod sweeping;
