use std::time::Duration;

use anyhow::Context;
use depot_service::{
    auth::{Role, TokenMinter},
    config::JwtConfig,
};

use crate::settings;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What the token allows: reader, writer or admin; each includes those before it.
    #[arg(long, default_value = "writer", value_parser = parse_role)]
    role: Role,
    /// Whom the token names; owns what is created with it.
    #[arg(long, default_value = "alice")]
    sub: String,
    /// How long it is good for.
    #[arg(long, default_value_t = 12, value_name = "HOURS")]
    hours: u64,
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| format!("`{text}` is none of reader, writer, admin"))
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    println!(
        "{}",
        mint(
            &arguments.sub,
            arguments.role,
            Duration::from_secs(3600 * arguments.hours)
        )?
    );
    Ok(())
}

/// A token signed by the installation's `JWT_SECRET`.
pub fn mint(subject: &str, role: Role, lifetime: Duration) -> anyhow::Result<String> {
    let jwt = settings::read(JwtConfig::read)?;
    TokenMinter::new(&jwt)
        .mint(subject, &[role], lifetime)
        .context("sign a token with JWT_SECRET")
}
