//! Who calls, and what they may do.

use std::fmt;
use std::sync::Arc;

use crate::problem::Problem;

/// What a token allows. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads items.
    Reader,
    /// Writes what it owns.
    Writer,
    /// Does everything, for everyone.
    Admin,
}

impl Role {
    /// `reader`, `writer` or `admin`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "reader" => Some(Self::Reader),
            "writer" => Some(Self::Writer),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    /// The word that stands in a token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of roles. Since each includes those before it, the highest says all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(Option<Role>);

impl Roles {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_none()
    }

    /// Whether one of them is `role` or includes it.
    #[must_use]
    pub fn include(self, role: Role) -> bool {
        self.0.is_some_and(|highest| highest >= role)
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<T: IntoIterator<Item = Role>>(roles: T) -> Self {
        Self(roles.into_iter().max())
    }
}

impl<const N: usize> From<[Role; N]> for Roles {
    fn from(roles: [Role; N]) -> Self {
        roles.into_iter().collect()
    }
}

/// The caller that a verified token stands for. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's `sub`: 1 to 200 characters without control characters.
    pub subject: Arc<str>,
    /// The roles that the token names.
    pub roles: Roles,
    /// The token's `exp`, in seconds since 1970. What outlives a request asks
    /// [`TokenVerifier::time_left`](super::TokenVerifier::time_left).
    pub expires: u64,
}

impl Principal {
    /// Whether a role of the caller is `role` or includes it.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.include(role)
    }

    /// Whether the caller owns what belongs to `owner`, or is an admin.
    #[must_use]
    pub fn may_act_for(&self, owner: &str) -> bool {
        *self.subject == *owner || self.has(Role::Admin)
    }

    /// Requires a role.
    ///
    /// # Errors
    /// The problem `forbidden`.
    pub fn require(&self, role: Role) -> Result<(), Problem> {
        if self.has(role) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("The role {role} is needed.")))
    }

    /// Requires that the caller owns what belongs to `owner`, or is an admin.
    ///
    /// # Errors
    /// The problem `forbidden`.
    pub fn require_owner(&self, owner: &str) -> Result<(), Problem> {
        if self.may_act_for(owner) {
            return Ok(());
        }
        Err(Problem::forbidden("Only the owner or an admin may do this."))
    }
}
