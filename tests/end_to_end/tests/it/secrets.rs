//! Secrets that are easy to find are put into every setting; the services work and fail with them, and none of them
//! may be found again: not in logs at debug level, not in answers, metrics or traces, not in the list of processes.

mod collector;
mod failing;
mod search;
mod services;
mod unusable;
mod working;

use std::time::Duration;

use depot_service::{
    auth::{Role, TokenMinter},
    config::JwtConfig,
};

/// In every planted secret.
const MARK: &str = "pLaNt7eD";
const JWT_SECRET: &str = "pLaNt7eD-jwt-secret-of-more-than-32-bytes";

fn mint(subject: &str, role: Role) -> String {
    TokenMinter::new(&JwtConfig::for_secret(JWT_SECRET))
        .mint(subject, &[role], Duration::from_secs(3_600))
        .unwrap()
}
