//! `depot sweep`: has the services compare what they have, and prints what does not add up.

use std::{process::ExitCode, time::Duration};

use depot_schemas::sweep::{MAX_LISTED, SweepReport};
use reqwest::Method;

use crate::{
    admin_client::{AdminClient, AdminError},
    help, output,
};

/// A little longer than command-api takes for it.
const DEADLINE: Duration = Duration::from_secs(660);
const NOTHING_LEFT: u8 = 0;
const SOMETHING_LEFT: u8 = 1;
const NO_ANSWER: u8 = 3;

const AFTER_HELP: &str = "\
Exit codes:
  0  nothing was found, or all of it was mended
  1  something is left; with --dry-run: something was found
  2  wrong usage
  3  no answer: not reachable, refused, or another sweep is under way

The token comes from DEPOT_TOKEN and needs the role admin, the address from COMMAND_PUBLIC_URL. Each kind of finding,
and what mends it, is in docs/operations.md.";

/// Finds what does not add up between object store, receipts, sagas and accounts, and mends it.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(AFTER_HELP, &["depot sweep --dry-run", "depot sweep --grace 86400 --json"]))]
pub struct Arguments {
    /// Only look: change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Leave alone what is younger, instead of what the services are set to.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=604_800))]
    grace: Option<u64>,
    /// Delete what is kept for uploads that command-api does not know. Not before you know why: after its database was
    /// set back, that may be all that is left of them.
    #[arg(long)]
    forget_unknown: bool,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    match ask(arguments).await {
        Ok(report) => {
            let is_clean = report.left == 0;
            let exit_code = if is_clean { NOTHING_LEFT } else { SOMETHING_LEFT };
            match arguments.json {
                true => output::end_json(&report, exit_code),
                false => output::end(&table(&report), exit_code),
            }
        }
        Err(error) => output::fail(arguments.json, &depot_service::problem::chain(&error), NO_ANSWER),
    }
}

async fn ask(arguments: &Arguments) -> Result<SweepReport, AdminError> {
    let client = AdminClient::from_settings()?;
    let grace = arguments
        .grace
        .map_or_else(String::new, |seconds| format!("&grace_seconds={seconds}"));
    let path = format!(
        "/api/v1/admin/sweep?dry_run={}&forget_unknown={}{grace}",
        arguments.dry_run, arguments.forget_unknown
    );
    let request = client.request(Method::POST, &path).timeout(DEADLINE);
    client.ask("sweep", request).await
}

/// A line a finding, and a last one with the figures.
fn table(report: &SweepReport) -> String {
    let mended = |is_mended: bool| match (is_mended, report.dry_run) {
        (true, _) => "mended",
        (false, true) => "found",
        (false, false) => "left",
    };
    let width = |column: fn(&depot_schemas::sweep::Finding) -> usize| {
        report.findings.iter().map(column).max().unwrap_or_default()
    };
    let (kinds, subjects) = (
        width(|finding| finding.kind.as_str().len()),
        width(|finding| finding.subject.len()),
    );
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&format!(
            "{:6}  {:kinds$}  {:subjects$}  {}\n",
            mended(finding.mended),
            finding.kind.as_str(),
            finding.subject,
            finding.detail
        ));
    }
    if report.found as usize > report.findings.len() {
        text.push_str(&format!("only the first {MAX_LISTED} are listed\n"));
    }
    let (found, mended, left) = (report.found, report.mended, report.left);
    text.push_str(&match report.dry_run {
        true => format!("{found} found, nothing changed\n"),
        false => format!("{found} found, {mended} mended, {left} left\n"),
    });
    text
}

#[cfg(test)]
mod tests {
    use depot_schemas::sweep::{Finding, FindingKind};

    use super::*;

    #[test]
    fn the_table_has_a_line_a_finding_and_the_figures() {
        let mut report = SweepReport::new(false);
        assert_eq!(table(&report), "0 found, 0 mended, 0 left\n");
        for (kind, subject, mended) in [
            (FindingKind::StrayObject, "files/a/b", true),
            (FindingKind::FileLost, "c", false),
        ] {
            report.add(Finding {
                kind,
                subject: subject.to_owned(),
                detail: "because".to_owned(),
                mended,
            });
        }
        let expected = "mended  stray_object  files/a/b  because\n\
                        left    file_lost     c          because\n\
                        2 found, 1 mended, 1 left\n";
        assert_eq!(table(&report), expected);
    }
}
