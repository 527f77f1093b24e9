//! What a service needs to be asked over gRPC, on a port of its own: axum's listener has no settings for HTTP/2.
//!
//! [`serve`] puts the service behind limits, measures and spans, beside `grpc.health.v1` and reflection. A method begins with
//! [`Call::of`], which lets the caller in by the door that REST has too; reads its message by [`Fields`], which name all that
//! are wrong at once; and answers errors with the details of [`status`].

mod call;
mod fields;
mod measure;
mod server;
mod shed;
pub mod status;
pub mod values;

pub use call::Call;
pub use fields::Fields;
pub use server::{GrpcError, Limits, Offered, serve};
