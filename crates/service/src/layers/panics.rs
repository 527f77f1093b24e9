//! A panic of a handler is one failed request, not a cut connection.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;

use crate::problem::{Problem, types};
use crate::telemetry::request_span;

/// The answer of a handler, or the problem that it panicked. What it shares with others, it shares by locks that tell of a
/// panic, or by channels.
pub(super) async fn caught(answering: impl Future<Output = Response>) -> Response {
    match AssertUnwindSafe(answering).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => answer(&*panic),
    }
}

fn answer(panic: &(dyn Any + Send)) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    request_span().in_scope(|| tracing::error!(panic.message = message, "a handler panicked"));
    Problem::of(&types::INTERNAL).into_response()
}
