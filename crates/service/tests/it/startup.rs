//! The start-up checks of the database, on a real one in which the faults are planted.

use std::time::Duration;

use depot_service::{
    config::DatabaseConfig,
    database::{self, Plans, Pool},
    process::Process,
    shutdown::{DrainPolicy, Shutdown},
    startup::{Check as _, DatabaseCheck, Finding, ServiceRole, StartUp, Weight},
};
use depot_test_stack::{TestDatabase, unique_name, wait_until};
use sqlx::{AssertSqlSafe, PgPool};

const ROLES: [ServiceRole; 4] = ServiceRole::ALL;

fn pool(url: &str, role: ServiceRole) -> Pool {
    database::connect(
        &DatabaseConfig::for_url(url, role.schema()),
        "the-test",
        Plans::Usual,
    )
    .unwrap()
}

async fn look(url: &str, role: ServiceRole) -> Vec<Finding> {
    DatabaseCheck::new(pool(url, role), role).look().await.unwrap()
}

async fn run(owner: &PgPool, statement: impl Into<String>) {
    let statement = statement.into();
    let done = sqlx::raw_sql(AssertSqlSafe(statement.clone()))
        .execute(owner)
        .await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

fn said(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// That this one finding is among them, and how much it weighs.
fn assert_found(findings: &[Finding], weight: Weight, words: &[&str]) {
    let found = findings.iter().find(|finding| {
        let said = finding.to_string();
        words.iter().all(|word| said.contains(word))
    });
    let found = found.unwrap_or_else(|| panic!("not found: {words:?} in\n{}", said(findings)));
    assert_eq!(found.weight, weight, "{found}");
}

#[tokio::test]
async fn nothing_is_wrong_with_a_migrated_database_and_the_roles_that_belong_to_it() {
    let database = TestDatabase::create().await.unwrap();
    for role in ROLES {
        assert_eq!(look(&database.url(role), role).await, [], "{role:?}");
    }
}

#[tokio::test]
async fn a_schema_that_is_absent_or_behind_is_waited_for_and_the_tool_is_named() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    depot_migrate::migrate_down(&database.owner_url().parse().unwrap())
        .await
        .unwrap();
    for role in ROLES {
        let findings = look(&database.url(role), role).await;
        assert_eq!(findings.len(), 1, "{role:?}: {}", said(&findings));
        assert_found(
            &findings,
            Weight::Pending,
            &["lacks the migrations", "`depot migrate`"],
        );
    }
    for schema in ["command", "uploader", "read"] {
        run(
            &owner,
            format!("ALTER TABLE {schema}._sqlx_migrations RENAME TO elsewhere"),
        )
        .await;
    }
    for role in ROLES {
        let findings = look(&database.url(role), role).await;
        assert_found(&findings, Weight::Pending, &["is not there", "`depot migrate`"]);
    }
    for schema in ["command", "uploader", "read"] {
        run(&owner, format!("DROP SCHEMA {schema} CASCADE")).await;
    }
    for role in ROLES {
        let findings = look(&database.url(role), role).await;
        assert_eq!(findings.len(), 1, "{role:?}: {}", said(&findings));
        assert_found(
            &findings,
            Weight::Pending,
            &["schema", "is not there", "`depot migrate`"],
        );
    }
}

/// A database that was migrated before services were granted to read the list: `depot migrate` grants it.
#[tokio::test]
async fn a_list_that_may_not_be_read_is_waited_for_and_migrating_grants_it() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    run(
        &owner,
        "REVOKE SELECT ON command._sqlx_migrations FROM depot_command",
    )
    .await;
    let url = database.url(ServiceRole::Command);
    let findings = look(&url, ServiceRole::Command).await;
    assert_found(&findings, Weight::Pending, &["may not read", "`depot migrate`"]);
    depot_migrate::migrate(
        &database.owner_url().parse().unwrap(),
        &depot_migrate::Passwords::default(),
    )
    .await
    .unwrap();
    assert_eq!(look(&url, ServiceRole::Command).await, []);
}

async fn list(owner: &PgPool, schema: &str, version: i64, description: &str) {
    let insert = format!(
        "INSERT INTO {schema}._sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES ({version}, '{description}', true, '\\x01', 0)"
    );
    run(owner, insert).await;
}

#[tokio::test]
async fn a_newer_schema_is_taken_while_it_expands_and_refused_when_it_contracted_what_is_used() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    for role in ROLES {
        let (schema, url) = (role.schema(), database.url(role));
        run(
            &owner,
            format!("DELETE FROM {schema}._sqlx_migrations WHERE version >= 7000"),
        )
        .await;
        list(&owner, schema, 7000, "add a column").await;
        list(
            &owner,
            schema,
            7001,
            "contract 1 drop what only the first program used",
        )
        .await;
        assert_eq!(look(&url, role).await, [], "{role:?}");
        list(&owner, schema, 7002, "contract 7000 drop the old column").await;
        let findings = look(&url, role).await;
        assert_eq!(findings.len(), 1, "{}", said(&findings));
        assert_found(
            &findings,
            Weight::Wrong,
            &[schema, "7002", "contract 7000", "start a newer version"],
        );
    }
}

#[tokio::test]
async fn a_migration_of_another_text_is_refused_and_one_that_has_not_ended_is_waited_for() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    let url = database.url(ServiceRole::Uploader);
    run(
        &owner,
        "UPDATE uploader._sqlx_migrations SET success = false WHERE version = 3",
    )
    .await;
    let findings = look(&url, ServiceRole::Uploader).await;
    assert_found(&findings, Weight::Pending, &["migration 3 begun and not ended"]);
    run(
        &owner,
        "UPDATE uploader._sqlx_migrations SET success = true, checksum = '\\x01' WHERE version = 3",
    )
    .await;
    let findings = look(&url, ServiceRole::Uploader).await;
    assert_found(&findings, Weight::Wrong, &["another text of migration 3"]);
}

/// A role with the rights of command-api's, and whatever a test gives to it beyond them. The cluster's own are not touched,
/// since other tests enter by them.
struct OwnRole {
    name: String,
    url: String,
    database: TestDatabase,
    owner: PgPool,
}

impl OwnRole {
    async fn create() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let owner = database.owner_pool().await;
        let name = unique_name();
        run(
            &owner,
            format!("CREATE ROLE {name} LOGIN PASSWORD 'of-a-test' IN ROLE depot_command"),
        )
        .await;
        let mut url: url::Url = database.url(ServiceRole::Command).parse().unwrap();
        url.set_username(&name).unwrap();
        url.set_password(Some("of-a-test")).unwrap();
        Self {
            name,
            url: url.into(),
            database,
            owner,
        }
    }

    async fn look(&self) -> Vec<Finding> {
        look(&self.url, ServiceRole::Command).await
    }

    /// Runs the statement, `ROLE` in which is this one, and looks.
    async fn after(&self, statement: &str) -> Vec<Finding> {
        run(&self.owner, statement.replace("ROLE_", &self.name)).await;
        self.look().await
    }

    async fn drop(self) {
        let Self {
            name,
            owner,
            database,
            ..
        } = self;
        // What was granted to it was taken away again.
        run(&owner, format!("DROP ROLE {name}")).await;
        drop(database);
    }
}

#[tokio::test]
async fn a_role_of_another_name_with_the_same_rights_is_taken() {
    let role = OwnRole::create().await;
    assert_eq!(role.look().await, []);
    role.drop().await;
}

#[tokio::test]
async fn each_right_too_many_is_refused_with_what_takes_it_away() {
    let role = OwnRole::create().await;
    for (grant, revoke, words) in [
        (
            "ALTER ROLE ROLE_ CREATEDB CREATEROLE",
            "ALTER ROLE ROLE_ NOCREATEDB NOCREATEROLE",
            &["has CREATEDB; CREATEROLE", "ALTER ROLE"][..],
        ),
        (
            "GRANT depot_uploader TO ROLE_",
            "REVOKE depot_uploader FROM ROLE_",
            &["ON uploader.objects", "REVOKE", "and the others likewise"],
        ),
        (
            "GRANT USAGE ON SCHEMA read TO ROLE_; GRANT SELECT (id) ON read.items TO ROLE_",
            "REVOKE SELECT (id) ON read.items FROM ROLE_; REVOKE USAGE ON SCHEMA read FROM ROLE_",
            &["has SELECT ON read.items", "REVOKE SELECT ON read.items"],
        ),
        (
            "CREATE SCHEMA more; GRANT CREATE ON SCHEMA more TO ROLE_",
            "DROP SCHEMA more",
            &["has CREATE ON SCHEMA more", "REVOKE CREATE ON SCHEMA more"],
        ),
        (
            "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO ROLE_', current_database()); END $$",
            "DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM ROLE_', current_database()); END $$",
            &["has CREATE ON DATABASE", "REVOKE CREATE ON DATABASE"],
        ),
        (
            "GRANT TRUNCATE ON command.items TO ROLE_",
            "REVOKE TRUNCATE ON command.items FROM ROLE_",
            &["has TRUNCATE ON command.items"],
        ),
        (
            "GRANT UPDATE ON command.audit TO ROLE_",
            "REVOKE UPDATE ON command.audit FROM ROLE_",
            &["has UPDATE ON command.audit"],
        ),
        (
            "GRANT DELETE ON command.outbox TO ROLE_",
            "REVOKE DELETE ON command.outbox FROM ROLE_",
            &["has DELETE ON command.outbox"],
        ),
    ] {
        let findings = role.after(grant).await;
        assert_eq!(findings.len(), 1, "{grant}: {}", said(&findings));
        assert_found(&findings, Weight::Wrong, words);
        assert_found(
            &findings,
            Weight::Wrong,
            &[&format!("database role {}", role.name)],
        );
        assert_eq!(role.after(revoke).await, [], "after {revoke}");
    }
    role.drop().await;
}

/// What a role is, rather than what it was granted; the last of it only a superuser can give.
#[tokio::test]
async fn a_role_that_passes_by_what_was_granted_is_refused() {
    let role = OwnRole::create().await;
    let superuser = role.database.superuser_pool().await;
    for (attribute, words) in [
        ("REPLICATION", "has REPLICATION"),
        ("BYPASSRLS", "has BYPASSRLS"),
        ("SUPERUSER", "is a superuser"),
    ] {
        run(&superuser, format!("ALTER ROLE {} {attribute}", role.name)).await;
        let findings = role.look().await;
        assert_found(&findings, Weight::Wrong, &[words, &role.name]);
        run(&superuser, format!("ALTER ROLE {} NO{attribute}", role.name)).await;
        assert_eq!(role.look().await, [], "after {attribute}");
    }
    for group in ["pg_read_all_data", "pg_execute_server_program"] {
        run(&superuser, format!("GRANT {group} TO {}", role.name)).await;
        let findings = role.look().await;
        let words = [
            format!("is a member of {group}"),
            format!("REVOKE {group} FROM {}", role.name),
        ];
        let found = said(&findings);
        assert!(words.iter().all(|words| found.contains(words)), "{found}");
        run(&superuser, format!("REVOKE {group} FROM {}", role.name)).await;
        assert_eq!(role.look().await, [], "after {group}");
    }
    role.drop().await;
}

#[tokio::test]
async fn a_reader_that_may_write_is_refused() {
    let database = TestDatabase::create().await.unwrap();
    let url = database.url(ServiceRole::Projector);
    let findings = look(&url, ServiceRole::Query).await;
    assert_found(&findings, Weight::Wrong, &["INSERT", "ON read."]);
}

/// Operators read what no service may: their URL is none for a service.
#[tokio::test]
async fn the_operators_role_is_refused_by_every_service() {
    let database = TestDatabase::create().await.unwrap();
    for (role, foreign) in [
        (ServiceRole::Command, "ON read."),
        (ServiceRole::Uploader, "ON command."),
        (ServiceRole::Projector, "ON command."),
        (ServiceRole::Query, "ON command."),
    ] {
        let findings = look(&database.operator_url(), role).await;
        assert_found(
            &findings,
            Weight::Wrong,
            &["database role depot_operator", "has SELECT ", foreign],
        );
    }
}

/// Whatever the owner of the database is otherwise, a superuser or not.
#[tokio::test]
async fn the_owner_of_the_database_is_refused_and_the_role_to_name_is_told() {
    let database = TestDatabase::create().await.unwrap();
    for role in ROLES {
        let findings = look(&database.owner_url(), role).await;
        assert_found(
            &findings,
            Weight::Wrong,
            &["name ", role.name(), role.url_variable()],
        );
    }
}

/// Until `depot migrate` has made the role, or given it the password.
#[tokio::test]
async fn a_role_or_password_that_is_not_there_is_waited_for_and_a_server_that_is_not_answers_nothing() {
    let database = TestDatabase::create().await.unwrap();
    let role = ServiceRole::Command;
    for (user, name) in [
        ("nobody_at_all", None),
        ("depot_command", None),
        ("depot_command", Some("/none")),
    ] {
        let mut url: url::Url = database.url(role).parse().unwrap();
        url.set_username(user).unwrap();
        match name {
            Some(name) => url.set_path(name),
            None => url.set_password(Some("not it")).unwrap(),
        }
        let findings = look(url.as_str(), role).await;
        assert_found(
            &findings,
            Weight::Pending,
            &[
                "does not let this service in",
                "COMMAND_API_DATABASE_URL",
                "`depot migrate`",
            ],
        );
    }
    let nowhere = "postgres://depot_command:x@127.0.0.1:1/depot";
    let config = DatabaseConfig {
        acquire_timeout: Duration::from_millis(300),
        ..DatabaseConfig::for_url(nowhere, "command")
    };
    let check = DatabaseCheck::new(
        database::connect(&config, "the-test", Plans::Usual).unwrap(),
        role,
    );
    assert!(check.look().await.is_err());
}

#[tokio::test]
async fn a_process_that_is_refused_ends_with_what_was_found_and_begins_no_work() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    list(&owner, "command", 7000, "contract of everything").await;
    let process = Process::new(Shutdown::new()).unwrap();
    let mut startup = StartUp::new(Duration::from_secs(60));
    let pool = pool(&database.url(ServiceRole::Command), ServiceRole::Command);
    let cleared = startup.check(DatabaseCheck::new(pool, ServiceRole::Command));
    process.spawn_cleared("work", cleared, async { panic!("work was begun") });
    startup.run(&process);
    let policy = DrainPolicy {
        notice: Duration::ZERO,
        deadline: Duration::from_secs(30),
    };
    let error = process.run_until_stopped(policy).await.unwrap_err();
    assert_eq!((&error.failed[..], &error.unfinished[..]), (&[][..], &[][..]));
    let said = error.to_string();
    assert!(
        said.starts_with("the installation has 1 fault:\n  schema command: was contracted by migration 7000"),
        "{said}"
    );
}

#[tokio::test]
async fn a_process_waits_for_its_schema_and_then_is_ready_by_itself() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    run(
        &owner,
        "ALTER TABLE command._sqlx_migrations RENAME TO not_yet_there",
    )
    .await;
    let process = Process::new(Shutdown::new()).unwrap();
    let mut startup = StartUp::new(Duration::from_secs(600));
    let pool = pool(&database.url(ServiceRole::Command), ServiceRole::Command);
    let cleared = startup.check(DatabaseCheck::new(pool, ServiceRole::Command));
    startup.run(&process);
    process.complete();
    wait_until("readiness names the schema", || async {
        let report = process.readiness.report().await;
        report
            .waiting_for
            .iter()
            .any(|part| part.name == "installation" && part.reason.contains("schema command: is not there"))
    })
    .await;
    assert!(!cleared.is_given());
    run(
        &owner,
        "ALTER TABLE command.not_yet_there RENAME TO _sqlx_migrations",
    )
    .await;
    cleared.given().await;
    wait_until("it is ready", || async { process.readiness.report().await.ready }).await;
}
