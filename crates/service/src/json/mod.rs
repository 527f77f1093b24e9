//! Strict JSON bodies: the right media type, valid UTF-8, valid JSON, every wrong field named.
//!
//! Unknown fields are refused by the types themselves (`#[serde(deny_unknown_fields)]`).

mod extract;
mod faults;
mod media_type;

pub use extract::{JsonWithBytes, StrictJson, parse, parse_by};
pub use faults::ShapeFault;
pub use media_type::{ApplicationJson, MediaType, MergePatchJson, NdJson, check as check_media_type};
