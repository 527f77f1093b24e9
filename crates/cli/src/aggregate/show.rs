use std::process::ExitCode;

use serde_json::Value;
use uuid::Uuid;

use super::{EXIT_CODES, print};
use crate::{
    help,
    item::{asking::Asking, error::ItemError, get::AtLeast, print::with_version},
    rest::{Rest, path},
};

/// Shows one, as the views have it.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot aggregate show orders 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f --min-version 2 --wait 10",
]))]
pub struct Arguments {
    /// What it is, in the plural, as the path has it.
    kind: String,
    /// Its id.
    id: Uuid,
    #[command(flatten)]
    at_least: AtLeast,
    #[command(flatten)]
    asking: Asking,
    /// Print it as one JSON object.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    print::finish_reading(arguments.json, show(arguments).await)
}

async fn show(arguments: &Arguments) -> Result<Value, ItemError> {
    let rest = Rest::from_settings()?;
    let version = arguments.at_least.version();
    let query: Vec<_> = version
        .iter()
        .map(|version| ("min_version", version.as_str()))
        .collect();
    let path = path(&[&arguments.kind, &arguments.id.to_string()], &query);
    let prefer = arguments.at_least.preference();
    let answer = arguments
        .asking
        .ask(&rest, "show one", &path, Some(&prefer))
        .await?;
    Ok(with_version(answer.json()?, answer.version))
}
