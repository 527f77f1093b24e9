use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use depot_service::{
    auth::{Role, TokenMinter},
    config::JwtConfig,
};
use serde_json::json;

use crate::{
    help::{self, EXIT_CODES},
    output, settings,
};

/// Prints a bearer token, and nothing else. It is signed by JWT_SECRET, which is that of the installation.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot token --role admin --sub olivia --hours 1",
]))]
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
    /// Print one JSON object, of which the token is a member.
    #[arg(long)]
    json: bool,
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| format!("`{text}` is none of reader, writer, admin"))
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let lifetime = Duration::from_secs(arguments.hours.saturating_mul(3600));
    let token = mint(&arguments.sub, arguments.role, lifetime);
    let token = token.map(|token| json!({ "token": token, "sub": arguments.sub, "hours": arguments.hours }));
    output::finish(arguments.json, token, |answer| {
        let token = answer["token"].as_str().unwrap_or_default();
        format!("{token}\n")
    })
}

/// A token signed by the installation's `JWT_SECRET`.
pub fn mint(subject: &str, role: Role, lifetime: Duration) -> anyhow::Result<String> {
    let jwt = settings::read(JwtConfig::read)?;
    TokenMinter::new(&jwt)
        .mint(subject, &[role], lifetime)
        .context("sign a token with JWT_SECRET")
}
