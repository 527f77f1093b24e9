//! The query side of Depot: answers questions from the views over REST and gRPC.
//!
//! Read in order: [`application`] wires everything; `rest` and `grpc` translate; `queries` has one file a question;
//! `read` has the layers that answers come from; `visibility` waits for a version that a request names. `console` serves the page
//! that shows the whole, and `pipeline` knows how that is.

pub mod application;
pub mod change_feed;
mod config;
pub mod console;
pub mod cursor;
mod download_urls;
pub mod grpc;
pub mod pipeline;
pub mod queries;
pub mod read;
pub mod rest;
pub mod visibility;
mod vitals;

pub use application::Application;
pub use config::Config;
