use std::process::ExitCode;

use depot_domain::VersionToken;
use serde_json::Value;
use uuid::Uuid;

use super::{
    EXIT_CODES,
    asking::Asking,
    error::{ItemError, fail},
    print,
};
use crate::{
    help, output,
    rest::{Rest, path},
};

/// The version that a read must have, and how long it is waited for.
#[derive(Debug, clap::Args)]
pub struct AtLeast {
    /// Never show an older version than this one, as a command printed it.
    #[arg(long, value_name = "VERSION")]
    min_version: Option<VersionToken>,
    /// How long to wait until the views have that version.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=30))]
    wait: u8,
}

impl AtLeast {
    /// As the query has it.
    pub fn version(&self) -> Option<String> {
        self.min_version.map(|version| version.to_string())
    }

    /// As `Prefer` has it.
    pub fn preference(&self) -> String {
        format!("wait={}", self.wait)
    }
}

/// Shows an item, as the views have it.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot item get 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f --min-version 2 --wait 10",
]))]
pub struct Arguments {
    /// The item's id.
    id: Uuid,
    #[command(flatten)]
    at_least: AtLeast,
    #[command(flatten)]
    asking: Asking,
    /// Print the item as one JSON object.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match get(arguments).await {
        Ok(item) if arguments.json => output::end_json(&item, 0),
        Ok(item) => output::end(&print::item(&item), 0),
        Err(error) => fail(arguments.json, &error),
    }
}

async fn get(arguments: &Arguments) -> Result<Value, ItemError> {
    let rest = Rest::from_settings()?;
    let version = arguments.at_least.version();
    let query: Vec<_> = version
        .iter()
        .map(|version| ("min_version", version.as_str()))
        .collect();
    let path = path(&["items", &arguments.id.to_string()], &query);
    let prefer = arguments.at_least.preference();
    let answer = arguments
        .asking
        .ask(&rest, "show an item", &path, Some(&prefer))
        .await?;
    Ok(print::with_version(answer.json()?, answer.version))
}
