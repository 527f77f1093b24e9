use depot_domain::VersionToken;
use depot_sabotage::Break;

use super::Refusal;

/// What a client says about the version that it means to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// Any version, as long as the thing is there.
    Exists,
    /// One of those that these opaque tags name.
    OneOf(Vec<String>),
}

impl Precondition {
    /// # Errors
    /// `Stale` with the current version where it is not one of those named.
    pub fn check(&self, current: VersionToken) -> Result<(), Refusal> {
        match self {
            Self::None | Self::Exists => Ok(()),
            Self::OneOf(tags) if tags.iter().any(|tag| current.is_named_by(tag)) => Ok(()),
            Self::OneOf(_) if depot_sabotage::has(Break::UnheededVersion) => Ok(()),
            Self::OneOf(_) => Err(Refusal::Stale { current }),
        }
    }
}
