//! Both APIs against their own OpenAPI documents, by schemathesis: no 5xx, and no answer that is not documented.

use std::{io::Write as _, process::Output};

use depot_end_to_end::Depot;
use depot_service::auth::Role;
use tokio::process::Command;

/// Cases of an operation in each phase.
const EXAMPLES: &str = "60";
/// `unsupported_method` is left out: command-api sends reads on to query-api.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,ignored_auth";

/// Takes minutes, so it is for `make test-all`, which installs schemathesis.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_documented_and_no_5xx() {
    if crate::long::is_left_out("schemathesis") {
        return;
    }
    let settings = [
        ("RATE_LIMIT_PER_SECOND", "100000"),
        ("RATE_LIMIT_BURST", "100000"),
    ];
    let depot = Depot::start_with(&settings).await.unwrap();
    let token = depot.token("root", Role::Admin);
    let mut failed = Vec::new();
    for (name, url) in [
        ("command-api", depot.command_url()),
        ("query-api", depot.query_url()),
    ] {
        let output = run(&url, &token).await;
        let out = String::from_utf8_lossy(&output.stdout);
        let summary = &out[out.find("SUMMARY").unwrap_or(0)..];
        let tested = Tested::of(summary);
        // A run that has found nothing to ask ends well too.
        if output.status.success() && tested.is_all() {
            // Past what captures the test's output.
            writeln!(std::io::stderr(), "{name}: {summary}").unwrap();
        } else {
            println!("{name}: {out}{}", String::from_utf8_lossy(&output.stderr));
            failed.push((name, tested));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

async fn run(url: &str, token: &str) -> Output {
    Command::new("schemathesis")
        .args([
            "--config-file",
            concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis.toml"),
        ])
        .args(["run", &format!("{url}/api/v1/openapi.json"), "--url", url])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args([
            "--checks",
            CHECKS,
            "--max-examples",
            EXAMPLES,
            "--seed",
            "20261128",
        ])
        // Reads an answer to its end, which this one does not have: query-api/tests/it/stream.rs holds it to its document.
        .args(["--exclude-path", "/api/v1/stream"])
        .args(["--suppress-health-check", "all", "--continue-on-failure"])
        .args(["--generation-database", "none"])
        .output()
        .await
        .expect("schemathesis is installed by `deploy/native/install.sh schemathesis`")
}

/// What a summary says was done; 0 of what it does not say.
#[derive(Debug, PartialEq, Eq)]
struct Tested {
    /// Operations of the document but those that `schemathesis.toml` leaves out.
    selected: u64,
    tested: u64,
    cases: u64,
}

impl Tested {
    fn of(summary: &str) -> Self {
        let number = |begins: &str, ends: &str| {
            let lines = summary.lines().map(str::trim);
            let mut found = lines.filter_map(|line| {
                let rest = line.strip_prefix(begins)?.trim_start();
                let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let (number, rest) = rest.split_at(digits);
                rest.starts_with(ends).then(|| number.parse().ok())?
            });
            found.next().unwrap_or(0)
        };
        Self {
            selected: number("Selected:", "/"),
            tested: number("Tested:", ""),
            cases: number("", " generated"),
        }
    }

    fn is_all(&self) -> bool {
        self.tested > 0 && self.tested == self.selected && self.cases >= self.tested
    }
}

#[test]
fn a_summary_of_nothing_is_told_from_one_of_something() {
    let something = "SUMMARY\n\nAPI Operations:\n  Selected: 21/21\n  Tested: 21\n\n\
                     Test cases:\n  4310 generated, 4310 passed, 12 skipped\n";
    let tested = Tested::of(something);
    let (selected, cases) = (21, 4310);
    assert_eq!(
        tested,
        Tested {
            selected,
            tested: 21,
            cases
        }
    );
    assert!(tested.is_all());
    let nothing = "SUMMARY\n\nAPI Operations:\n  Selected: 0/21\n  Tested: 0\n\n\
                   Test cases:\n  No test cases were generated\n";
    let left_out = "Selected: 21/21\nTested: 20\n4310 generated\n";
    for summary in [nothing, left_out, ""] {
        assert!(!Tested::of(summary).is_all(), "{summary}");
    }
}
