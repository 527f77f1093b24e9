//! `depot sweep` as it is run.

use depot_end_to_end::Depot;
use depot_schemas::sweep::{FindingKind, SweepReport};
use depot_service::auth::Role;

/// Runs the tool with a token of that role; answers its exit code and what it printed.
pub async fn run(depot: &Depot, role: Role, arguments: &[&str]) -> (i32, String, String) {
    let token = depot.token("root", role);
    let child = depot.start_tool(&[&["sweep"], arguments].concat(), &[("DEPOT_TOKEN", &token)]);
    let output = child.unwrap().wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// What `depot sweep --json` reports, which must have an answer.
pub async fn sweep(depot: &Depot, arguments: &[&str]) -> SweepReport {
    let (code, out, error) = run(depot, Role::Admin, &[&["--json"], arguments].concat()).await;
    let report: SweepReport =
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("exit code {code}: {out} {error}"));
    assert_eq!(code, i32::from(report.left > 0), "{report:?}");
    report
}

/// Whatever its age, and without changing it.
pub async fn dry(depot: &Depot) -> SweepReport {
    sweep(depot, &["--dry-run", "--grace", "0"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn its_exit_codes_and_what_it_prints_are_as_documented() {
    let mut depot = Depot::start_with(&[("SAGA_SWEEP_ENABLED", "false")])
        .await
        .unwrap();
    let (code, out, error) = run(&depot, Role::Admin, &[]).await;
    assert_eq!(
        (code, out.as_str()),
        (0, "0 found, 0 mended, 0 left\n"),
        "{error}"
    );
    let stray = depot
        .backing
        .store
        .put(&depot.backing.files, "aa/stray", b"x".to_vec());
    stray.await.unwrap();
    let (code, out, _) = run(&depot, Role::Admin, &["--dry-run", "--grace", "0"]).await;
    assert_eq!(code, 1, "{out}");
    assert!(out.starts_with("found   stray_object"), "{out}");
    assert!(out.ends_with("1 found, nothing changed\n"), "{out}");
    let report = sweep(&depot, &["--grace", "0"]).await;
    assert_eq!((report.found, report.mended, report.left), (1, 1, 0));
    assert_eq!(report.findings[0].kind, FindingKind::StrayObject);

    assert_eq!(run(&depot, Role::Admin, &["--grace", "-1"]).await.0, 2);
    let (code, out, error) = run(&depot, Role::Writer, &[]).await;
    assert_eq!((code, out.as_str()), (3, ""), "{error}");
    assert!(error.contains("403") && error.contains("admin"), "{error}");
    depot
        .process(depot_end_to_end::Service::Uploader)
        .kill()
        .await
        .unwrap();
    let (code, out, _) = run(&depot, Role::Admin, &["--json"]).await;
    assert_eq!(code, 3);
    assert!(
        out.contains(r#""exit_code":3"#) && out.contains("The uploader does not answer"),
        "{out}"
    );
    depot
        .process(depot_end_to_end::Service::CommandApi)
        .kill()
        .await
        .unwrap();
    let (code, _, error) = run(&depot, Role::Admin, &[]).await;
    assert_eq!(code, 3);
    assert!(
        error.contains("COMMAND_PUBLIC_URL"),
        "says what to check: {error}"
    );
    let audited: Vec<(String, String)> =
        sqlx::query_as("SELECT actor, action FROM command.audit ORDER BY id")
            .fetch_all(&depot.database)
            .await
            .unwrap();
    let run = ("root".to_owned(), "sweep.run".to_owned());
    assert_eq!(
        audited,
        vec![run; 4],
        "each run by an admin, also one that failed"
    );
}
