use std::process::ExitCode;

use serde_json::Value;

use super::{
    EXIT_CODES,
    asking::Asking,
    pages::{self, Extent, List},
    print::{ITEM_NAMES, item_row},
};
use crate::help;

/// Lists items by filters. A list follows the newest state that the views have.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot item list --tag blue --tag sold --status active --limit 10",
    "depot item list --query 'bicycle -tandem' --sort name",
    "depot item list --owner alice --all --json > items.ndjson",
]))]
pub struct Arguments {
    /// Items that have this tag; given several times, items that have all of them.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Items of this owner.
    #[arg(long)]
    owner: Option<String>,
    /// draft, active or archived.
    #[arg(long)]
    status: Option<String>,
    /// Created at this moment or later: RFC 3339, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    created_from: Option<String>,
    /// Created before this moment.
    #[arg(long, value_name = "TIME")]
    created_to: Option<String>,
    /// Full text in name and description: words, "phrases", -exclusions, or.
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// -created_at, created_at, -updated_at, updated_at, name or -name.
    #[arg(long, default_value = "-created_at", allow_hyphen_values = true)]
    sort: String,
    #[command(flatten)]
    extent: Extent,
    #[command(flatten)]
    asking: Asking,
    /// Print the API's document; with --all, a JSON object a line.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn query(&self) -> Vec<(&'static str, &str)> {
        let single = [
            ("owner", &self.owner),
            ("status", &self.status),
            ("created_from", &self.created_from),
            ("created_to", &self.created_to),
            ("q", &self.query),
        ];
        let tags = self.tags.iter().map(|tag| ("tag", tag.as_str()));
        let given = single
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        tags.chain(given).chain([("sort", self.sort.as_str())]).collect()
    }
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let list = List {
        asking: &arguments.asking,
        doing: "list items",
        segments: vec!["items"],
        member: "items",
        query: arguments.query(),
        prefer: None,
    };
    let rows = |items: &[Value], names| pages::table(ITEM_NAMES, items.iter().map(item_row), names);
    list.print(&arguments.extent, arguments.json, rows).await
}
