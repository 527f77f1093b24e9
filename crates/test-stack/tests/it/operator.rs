//! The operators' role: it reads everything that services keep, and what its password is worth beyond that is nothing.

use depot_test_stack::{OperatorRole, TestDatabase};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

use crate::forbidden::{all_are_refused, migrated, reaching_out, tables};

const SCHEMAS: [&str; 3] = ["command", "uploader", "read"];
const READ_ONLY_TRANSACTION: &str = "25006";

/// A connection of operators that has set its own default aside: what is refused then is refused by rights.
async fn insisting(database: &TestDatabase) -> PgConnection {
    let mut connection = PgConnection::connect(&database.operator_url()).await.unwrap();
    sqlx::raw_sql("SET default_transaction_read_only = off")
        .execute(&mut connection)
        .await
        .unwrap();
    connection
}

async fn run(pool: &PgPool, statement: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(pool)
        .await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// Reads all tables of the three schemas as an operator; answers how many there are.
async fn reads_every_table(database: &TestDatabase, owner: &PgPool) -> usize {
    let mut operator = PgConnection::connect(&database.operator_url()).await.unwrap();
    let tables = tables(owner).await;
    for (schema, name) in &tables {
        let select = format!("SELECT * FROM {schema}.{name} LIMIT 1");
        let read = sqlx::raw_sql(AssertSqlSafe(select)).execute(&mut operator).await;
        read.unwrap_or_else(|error| panic!("{schema}.{name}: {error}"));
    }
    tables.len()
}

#[tokio::test]
async fn it_reads_every_table_also_those_that_are_made_later() {
    let database = migrated().await;
    let owner = database.owner_pool().await;
    let before = reads_every_table(&database, &owner).await;
    assert!(before > 30, "only {before} tables");
    // As a migration makes one, and as services have partitions made while they run.
    for schema in SCHEMAS {
        run(
            &owner,
            &format!("CREATE TABLE {schema}.of_a_later_version (id int)"),
        )
        .await;
    }
    for statement in [
        "SELECT command.outbox_add_partitions(1000000, 9)",
        "SELECT uploader.outbox_add_partitions(1000000, 9)",
        "SELECT read.item_history_add_partitions(1, 9)",
    ] {
        run(&owner, statement).await;
    }
    let after = reads_every_table(&database, &owner).await;
    assert!(after > before + 3 + 5 + 5, "{before} tables, then {after}");
}

#[tokio::test]
async fn it_writes_no_table_even_where_it_asks_for_a_transaction_that_may() {
    let database = migrated().await;
    let owner = database.owner_pool().await;
    let mut statements = Vec::new();
    for (schema, name) in tables(&owner).await {
        statements.extend([
            format!("INSERT INTO {schema}.{name} DEFAULT VALUES"),
            format!("DELETE FROM {schema}.{name}"),
            format!("TRUNCATE {schema}.{name}"),
            format!("LOCK TABLE {schema}.{name} IN SHARE MODE"),
            format!("SELECT 1 FROM {schema}.{name} FOR KEY SHARE"),
            format!("ALTER TABLE {schema}.{name} RENAME TO mine"),
            format!("DROP TABLE {schema}.{name}"),
        ]);
    }
    for schema in SCHEMAS {
        statements.extend([
            format!("CREATE TABLE {schema}.mine (id int)"),
            format!("CREATE FUNCTION {schema}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
            format!("DROP SCHEMA {schema} CASCADE"),
        ]);
    }
    statements.extend(
        [
            "CREATE TABLE public.mine (id int)",
            "CREATE TEMPORARY TABLE mine (id int)",
        ]
        .map(str::to_owned),
    );
    all_are_refused(&mut insisting(&database).await, OperatorRole::NAME, &statements).await;
    // Column by column, which the statements above do not show.
    let held: Vec<String> = sqlx::query_scalar(
        "SELECT format('%s on %s', p, c.oid::regclass) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
                unnest(ARRAY['INSERT', 'UPDATE', 'REFERENCES']) p
         WHERE n.nspname IN ('command', 'uploader', 'read', 'public') AND c.relkind IN ('r', 'p', 'v', 'm')
           AND has_any_column_privilege($1, c.oid, p)",
    )
    .bind(OperatorRole::NAME)
    .fetch_all(&owner)
    .await
    .unwrap();
    assert_eq!(held, Vec::<String>::new());
}

#[tokio::test]
async fn its_sessions_begin_with_transactions_that_only_read() {
    let database = migrated().await;
    let mut operator = PgConnection::connect(&database.operator_url()).await.unwrap();
    let refused = sqlx::raw_sql("DELETE FROM read.items")
        .execute(&mut operator)
        .await
        .unwrap_err();
    let code = refused.as_database_error().and_then(|error| error.code());
    assert_eq!(code.as_deref(), Some(READ_ONLY_TRANSACTION), "{refused}");
}

#[tokio::test]
async fn it_calls_no_function_and_takes_no_number() {
    let database = migrated().await;
    let owner = database.owner_pool().await;
    let callable: Vec<String> = sqlx::query_scalar(
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname IN ('command', 'uploader', 'read') AND has_function_privilege($1, p.oid, 'EXECUTE')",
    )
    .bind(OperatorRole::NAME)
    .fetch_all(&owner)
    .await
    .unwrap();
    assert_eq!(callable, Vec::<String>::new());
    let sequences: Vec<String> =
        sqlx::query_scalar("SELECT format('%s.%s', schemaname, sequencename) FROM pg_sequences")
            .fetch_all(&owner)
            .await
            .unwrap();
    assert!(sequences.len() >= 2, "{sequences:?}");
    let statements: Vec<_> = sequences
        .iter()
        .flat_map(|name| {
            [
                format!("SELECT nextval('{name}')"),
                format!("SELECT setval('{name}', 1)"),
            ]
        })
        .collect();
    all_are_refused(&mut insisting(&database).await, OperatorRole::NAME, &statements).await;
}

#[tokio::test]
async fn it_becomes_no_other_role_and_neither_reads_secrets_nor_leaves_the_database() {
    let database = migrated().await;
    let statements = reaching_out(OperatorRole::NAME);
    all_are_refused(&mut insisting(&database).await, OperatorRole::NAME, &statements).await;
}
