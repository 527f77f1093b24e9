//! What a stolen password of a service is worth: every statement here is tried by every role that must not do it.

use depot_test_stack::{OperatorRole, ServiceRole, TestDatabase, settings};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// As `depot migrate` leaves a database: what belongs to the database itself is not copied from a template.
pub(super) async fn migrated() -> TestDatabase {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_url().parse().unwrap();
    depot_migrate::migrate(&owner, &depot_migrate::Passwords::default())
        .await
        .unwrap();
    database
}

fn schema(role: ServiceRole) -> &'static str {
    match role {
        ServiceRole::Command => "command",
        ServiceRole::Uploader => "uploader",
        ServiceRole::Projector | ServiceRole::Query => "read",
    }
}

/// `None` if the statement was refused for want of a right, else what came of it. Leaves nothing behind.
pub(super) async fn came_of(connection: &mut PgConnection, statement: &str) -> Option<String> {
    let mut transaction = connection.begin().await.unwrap();
    let outcome = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&mut *transaction)
        .await;
    transaction.rollback().await.unwrap();
    match outcome {
        Ok(_) => Some("it was done".to_owned()),
        Err(error) => {
            let code = error.as_database_error().and_then(|error| error.code());
            (code.as_deref() != Some(INSUFFICIENT_PRIVILEGE)).then(|| error.to_string())
        }
    }
}

/// Tries all statements by a role; panics with all that were not refused.
async fn are_refused(database: &TestDatabase, role: ServiceRole, statements: &[String]) {
    let mut connection = PgConnection::connect(&database.url(role)).await.unwrap();
    all_are_refused(&mut connection, role.name(), statements).await;
}

/// The same on a connection of that role.
pub(super) async fn all_are_refused(connection: &mut PgConnection, role: &str, statements: &[String]) {
    let mut allowed = Vec::new();
    for statement in statements {
        if let Some(outcome) = came_of(connection, statement).await {
            allowed.push(format!("{statement}: {outcome}"));
        }
    }
    assert!(
        allowed.is_empty(),
        "{role} is not refused:\n{}",
        allowed.join("\n")
    );
}

/// `(schema, name)` of all tables, partitions and views that migrations made.
pub(super) async fn tables(owner: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('command', 'uploader', 'read', 'public') AND c.relkind IN ('r', 'p', 'v', 'm')
         ORDER BY 1, 2",
    )
    .fetch_all(owner)
    .await
    .unwrap()
}

#[tokio::test]
async fn no_role_reads_or_writes_a_table_of_another_schema() {
    let database = migrated().await;
    let tables = tables(&database.owner_pool().await).await;
    assert!(tables.len() > 30, "only {tables:?}");
    for role in ServiceRole::ALL {
        let foreign = tables.iter().filter(|(of, _)| of != schema(role));
        let statements: Vec<_> = foreign
            .flat_map(|(of, name)| {
                [
                    format!("SELECT 1 FROM {of}.{name}"),
                    format!("INSERT INTO {of}.{name} DEFAULT VALUES"),
                    format!("DELETE FROM {of}.{name}"),
                    format!("TRUNCATE {of}.{name}"),
                    format!("LOCK TABLE {of}.{name} IN ACCESS EXCLUSIVE MODE"),
                    format!("COPY {of}.{name} TO STDOUT"),
                    format!("ALTER TABLE {of}.{name} RENAME TO mine"),
                    format!("DROP TABLE {of}.{name}"),
                ]
            })
            .collect();
        are_refused(&database, role, &statements).await;
    }
}

#[tokio::test]
async fn no_role_calls_a_function_or_takes_a_number_of_another_schema() {
    let database = migrated().await;
    let owner = database.owner_pool().await;
    let functions: Vec<(String, String)> = sqlx::query_as(
        "SELECT n.nspname::text, p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname IN ('command', 'uploader', 'read')",
    )
    .fetch_all(&owner)
    .await
    .unwrap();
    let sequences: Vec<(String, String)> =
        sqlx::query_as("SELECT schemaname::text, sequencename::text FROM pg_sequences")
            .fetch_all(&owner)
            .await
            .unwrap();
    assert!(
        functions.len() >= 8 && sequences.len() >= 2,
        "{functions:?} {sequences:?}"
    );
    for role in ServiceRole::ALL {
        for (of, signature) in functions.iter().filter(|(of, _)| of != schema(role)) {
            // The right to call it is of no use without the one to name it.
            let may: bool = sqlx::query_scalar(
                "SELECT has_function_privilege($1, $2::regprocedure, 'EXECUTE') AND has_schema_privilege($1, $3, 'USAGE')",
            )
            .bind(role.name())
            .bind(signature)
            .bind(of)
            .fetch_one(&owner)
            .await
            .unwrap();
            assert!(!may, "{role:?} may call {signature}");
        }
        let foreign = sequences.iter().filter(|(of, _)| of != schema(role));
        let statements: Vec<_> = foreign
            .map(|(of, name)| format!("SELECT nextval('{of}.{name}')"))
            .collect();
        are_refused(&database, role, &statements).await;
    }
}

#[tokio::test]
async fn no_role_changes_definitions_not_even_of_its_own_schema() {
    let database = migrated().await;
    let tables = tables(&database.owner_pool().await).await;
    for role in ServiceRole::ALL {
        let mut statements = vec![
            "CREATE TABLE public.mine (id int)".to_owned(),
            "CREATE TEMPORARY TABLE mine (id int)".to_owned(),
            "CREATE SCHEMA mine".to_owned(),
            format!("CREATE EXTENSION file_fdw SCHEMA {}", schema(role)),
            "DO $$ BEGIN EXECUTE 'CREATE SCHEMA mine'; END $$".to_owned(),
        ];
        for schema in ["command", "uploader", "read"] {
            statements.extend([
                format!("CREATE TABLE {schema}.mine (id int)"),
                format!("CREATE VIEW {schema}.mine AS SELECT 1"),
                format!("CREATE FUNCTION {schema}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
                format!("DROP SCHEMA {schema} CASCADE"),
                format!("ALTER SCHEMA {schema} RENAME TO mine"),
                format!("GRANT USAGE ON SCHEMA {schema} TO PUBLIC"),
            ]);
        }
        for (of, name) in tables.iter().filter(|(of, _)| of == schema(role)) {
            statements.extend([
                format!("TRUNCATE {of}.{name}"),
                format!("ALTER TABLE {of}.{name} ADD COLUMN mine int"),
                format!("ALTER TABLE {of}.{name} DISABLE TRIGGER ALL"),
                format!("ALTER TABLE {of}.{name} OWNER TO {}", role.name()),
                format!("DROP TABLE {of}.{name} CASCADE"),
                format!("CREATE INDEX ON {of}.{name} ((1))"),
            ]);
        }
        // A grant without the right to give it is no error in Postgres, but a warning; so the outcome is looked at.
        let grants = statements
            .iter()
            .position(|statement| statement.starts_with("GRANT"));
        assert!(grants.is_some());
        let (grants, rest): (Vec<_>, Vec<_>) = statements
            .into_iter()
            .partition(|statement| statement.starts_with("GRANT"));
        are_refused(&database, role, &rest).await;
        let mut connection = PgConnection::connect(&database.url(role)).await.unwrap();
        for grant in grants {
            // Refused, or nothing given: told apart by the right itself.
            let _tried = sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut connection).await;
        }
        let given: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
                            WHERE n.nspname IN ('command', 'uploader', 'read') AND a.grantee = 0)",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert!(!given, "{role:?} gave everybody a right");
    }
}

#[tokio::test]
async fn no_role_becomes_another_or_reads_secrets_or_leaves_the_database() {
    let database = migrated().await;
    for role in ServiceRole::ALL {
        are_refused(&database, role, &reaching_out(role.name())).await;
        // These run in no transaction.
        let mut connection = PgConnection::connect(&database.url(role)).await.unwrap();
        for statement in ["CREATE DATABASE mine", "ALTER SYSTEM SET log_statement = 'all'"] {
            let refused = sqlx::raw_sql(statement)
                .execute(&mut connection)
                .await
                .unwrap_err();
            let code = refused.as_database_error().and_then(|error| error.code());
            assert_eq!(
                code.as_deref(),
                Some(INSUFFICIENT_PRIVILEGE),
                "{role:?}: {statement}: {refused}"
            );
        }
    }
}

/// What a role must not do to become another, to learn secrets, or to leave the database.
pub(super) fn reaching_out(me: &str) -> Vec<String> {
    let owner = url_user(settings().get("MIGRATE_DATABASE_URL"));
    let services = ServiceRole::ALL.map(ServiceRole::name);
    let others = services
        .into_iter()
        .chain([OperatorRole::NAME])
        .filter(|other| *other != me);
    let mut statements: Vec<String> = others
        .chain([owner.as_str(), "postgres", "pg_read_all_data", "pg_monitor"])
        .flat_map(|other| {
            // Nobody alters the roles of Postgres' own.
            let alter = (!other.starts_with("pg_")).then(|| format!("ALTER ROLE {other} PASSWORD 'mine'"));
            let become_it = [
                format!("SET ROLE {other}"),
                format!("SET SESSION AUTHORIZATION {other}"),
            ];
            become_it.into_iter().chain(alter)
        })
        .collect();
    statements.extend(
        [
            &format!("ALTER ROLE {me} SUPERUSER"),
            &format!("ALTER ROLE {me} CREATEDB"),
            &format!("ALTER ROLE {me} CREATEROLE"),
            &format!("ALTER ROLE {me} BYPASSRLS"),
            "CREATE ROLE mine",
            "SELECT rolpassword FROM pg_authid",
            "SELECT passwd FROM pg_shadow",
            "SELECT umuser FROM pg_user_mapping",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT pg_ls_dir('/')",
            "SELECT pg_read_binary_file('/etc/passwd')",
            "SELECT lo_import('/etc/passwd')",
            "COPY (SELECT 1) TO '/tmp/mine'",
            "COPY (SELECT 1) TO PROGRAM 'id'",
            "SELECT pg_reload_conf()",
            "SELECT pg_switch_wal()",
            "SELECT pg_create_restore_point('mine')",
            "SELECT * FROM pg_hba_file_rules",
            "SELECT * FROM pg_file_settings",
            "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
            "SET log_statement = 'all'",
            "SET session_replication_role = 'replica'",
        ]
        .map(str::to_owned),
    );
    statements
}

#[tokio::test]
async fn no_role_sees_or_ends_what_another_does() {
    let database = migrated().await;
    for role in ServiceRole::ALL {
        let other = ServiceRole::ALL.into_iter().find(|other| *other != role).unwrap();
        let mut watched = PgConnection::connect(&database.url(other)).await.unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid() /* a distinctive secret */")
            .fetch_one(&mut watched)
            .await
            .unwrap();
        let mut connection = PgConnection::connect(&database.url(role)).await.unwrap();
        let seen: Option<String> = sqlx::query_scalar("SELECT query FROM pg_stat_activity WHERE pid = $1")
            .bind(pid)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(seen.as_deref(), Some("<insufficient privilege>"), "{role:?}");
        for statement in ["pg_terminate_backend", "pg_cancel_backend"] {
            let ended = came_of(&mut connection, &format!("SELECT {statement}({pid})")).await;
            assert_eq!(ended, None, "{role:?}");
        }
    }
}

fn url_user(url: &str) -> String {
    url::Url::parse(url).unwrap().username().to_owned()
}
