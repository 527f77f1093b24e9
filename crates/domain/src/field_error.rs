use std::fmt;

/// One field of an input that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the request body, for example `/tags/3`.
    pub pointer: String,
    /// What is wrong and what would be accepted, for the person who sent it.
    pub detail: String,
}

impl FieldError {
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

/// All fields of an input that cannot be accepted, so that a client mends them in one go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid(pub Vec<FieldError>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for error in &self.0 {
            write!(f, "{separator}{}: {}", error.pointer, error.detail)?;
            separator = "; ";
        }
        Ok(())
    }
}

/// Collects the outcome of several parses, keeping the values and all the errors.
#[derive(Debug, Default)]
pub(crate) struct Collector(Vec<FieldError>);

impl Collector {
    pub(crate) fn take<T>(&mut self, parsed: Result<T, FieldError>) -> Option<T> {
        parsed.map_err(|error| self.0.push(error)).ok()
    }

    pub(crate) fn into_invalid(self) -> Invalid {
        Invalid(self.0)
    }
}
