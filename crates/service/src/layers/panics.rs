//! A panic of a handler is one failed request, not a cut connection.

use std::any::Any;

use axum::body::Body;
use axum::response::IntoResponse as _;
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::{Problem, types};

type Handler = fn(Box<dyn Any + Send + 'static>) -> http::Response<Body>;

pub(super) fn layer() -> CatchPanicLayer<Handler> {
    CatchPanicLayer::custom(answer as Handler)
}

fn answer(panic: Box<dyn Any + Send + 'static>) -> http::Response<Body> {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(panic.message = message, "a handler panicked");
    Problem::of(&types::INTERNAL).into_response()
}
