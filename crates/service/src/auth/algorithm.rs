//! The algorithms that tokens may be signed by.

use jsonwebtoken::{Algorithm, Validation};

use crate::config::JwtConfig;

/// One of the few that are accepted. Each key has one of them, and is never used with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signing {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

impl Signing {
    /// As a token's header has it; nothing for `none` and all that is not accepted.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "HS256" => Self::Hs256,
            "RS256" => Self::Rs256,
            "ES256" => Self::Es256,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    fn algorithm(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

/// What is checked of a token beside its time, for each algorithm.
pub(super) struct Validations([Validation; 4]);

impl Validations {
    pub fn new(config: &JwtConfig) -> Self {
        let for_one = |signing: Signing| {
            // One algorithm and no other: a token never chooses how it is checked.
            let mut validation = Validation::new(signing.algorithm());
            // By a clock of our own: see `Clock`.
            validation.validate_exp = false;
            validation.validate_nbf = false;
            validation.set_audience(&[&config.audience]);
            validation.set_issuer(&[&config.issuer]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation
        };
        Self([Signing::Hs256, Signing::Rs256, Signing::Es256, Signing::EdDsa].map(for_one))
    }

    pub fn of(&self, signing: Signing) -> &Validation {
        &self.0[signing as usize]
    }
}
