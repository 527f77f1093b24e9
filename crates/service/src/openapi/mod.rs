//! The OpenAPI document of an API: what its handlers say of themselves, and what is said besides.
//!
//! The handlers' attributes give paths, parameters, bodies and schemas. A chapter for each resource (`chapter.rs`) adds names,
//! examples, headers of answers and types of problems; `rules.rs` adds what follows from an operation's shape, such as 401 where a
//! token is needed. The whole is committed under `schemas/openapi`, held to the code by a test, and served as committed.

mod chapter;
mod completion;
mod headers;
mod page;
mod rules;

pub use completion::{DocumentError, Parts, complete};
pub use page::routes;
