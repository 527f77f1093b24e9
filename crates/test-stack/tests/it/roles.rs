use depot_migrate::Passwords;
use depot_test_stack::{ServiceRole, TestDatabase, settings};
use sqlx::AssertSqlSafe;

const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// What each role must not do: other schemas, other services' tables, definitions, and what is append-only.
const FORBIDDEN: [(ServiceRole, &str); 16] = [
    (ServiceRole::Command, "SELECT * FROM read.items"),
    (ServiceRole::Command, "SELECT * FROM uploader.receipts"),
    (ServiceRole::Command, "CREATE TABLE command.mine (id int)"),
    (ServiceRole::Command, "UPDATE command.audit SET actor = 'nobody'"),
    (ServiceRole::Command, "DELETE FROM command.outbox"),
    (ServiceRole::Command, "UPDATE command.restore_epoch SET epoch = 9"),
    (ServiceRole::Uploader, "SELECT * FROM command.items"),
    (ServiceRole::Uploader, "SELECT * FROM read.items"),
    (ServiceRole::Uploader, "DROP TABLE uploader.outbox"),
    (ServiceRole::Projector, "SELECT * FROM command.items"),
    (ServiceRole::Projector, "TRUNCATE read.items"),
    (ServiceRole::Projector, "SELECT * FROM uploader.receipts"),
    (ServiceRole::Query, "SELECT * FROM command.items"),
    (ServiceRole::Query, "DELETE FROM read.items"),
    (
        ServiceRole::Query,
        "UPDATE read.active_projection SET projection = 2",
    ),
    (ServiceRole::Query, "CREATE TABLE public.mine (id int)"),
];

#[tokio::test]
async fn a_role_touches_its_own_schema_and_nothing_else() {
    let database = TestDatabase::create().await.unwrap();
    for (role, statement) in FORBIDDEN {
        let pool = database.pool(role).await;
        let refused = sqlx::query(AssertSqlSafe(statement)).execute(&pool).await;
        let code = refused
            .as_ref()
            .err()
            .and_then(|e| e.as_database_error())
            .and_then(|e| e.code());
        assert_eq!(
            code.as_deref(),
            Some(INSUFFICIENT_PRIVILEGE),
            "{role:?}: {statement}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_role_can_use_what_it_owns() {
    let database = TestDatabase::create().await.unwrap();
    for (role, statement) in [
        (ServiceRole::Command, "SELECT count(*) FROM items"),
        (ServiceRole::Command, "SELECT count(*) FROM outbox"),
        (ServiceRole::Uploader, "SELECT count(*) FROM receipts"),
        (ServiceRole::Projector, "SELECT count(*) FROM items"),
        (ServiceRole::Query, "SELECT count(*) FROM items"),
    ] {
        let pool = database.pool(role).await;
        let count: i64 = sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap();
        assert_eq!(count, 0, "{role:?}: {statement}");
    }
}

#[tokio::test]
async fn migrations_can_be_taken_back_and_applied_again() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_url().parse().unwrap();
    loop {
        let applied = depot_migrate::status(&owner)
            .await
            .unwrap()
            .into_iter()
            .filter(|state| state.applied)
            .count();
        if applied == 0 {
            break;
        }
        depot_migrate::migrate_down(&owner).await.unwrap();
        let left = depot_migrate::status(&owner)
            .await
            .unwrap()
            .into_iter()
            .filter(|state| state.applied)
            .count();
        assert!(left < applied, "a step down took nothing back");
    }
    depot_migrate::migrate(&owner, &Passwords::default())
        .await
        .unwrap();
    assert!(
        depot_migrate::status(&owner)
            .await
            .unwrap()
            .iter()
            .all(|state| state.applied)
    );
}

/// Roles are the cluster's: the other databases of it are migrated at the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn databases_of_one_cluster_can_be_migrated_at_once() {
    let mut databases = Vec::new();
    for _ in 0..4 {
        databases.push(TestDatabase::create().await.unwrap());
    }
    let migrations = databases.iter().flat_map(|database| {
        let owner: sqlx::postgres::PgConnectOptions = database.owner_url().parse().unwrap();
        (0..2).map(move |_| {
            let owner = owner.clone();
            tokio::spawn(async move {
                // Those that the roles have: others use them meanwhile.
                let passwords = Passwords::from_urls(|name| Some(settings().get(name).to_owned()));
                for _ in 0..10 {
                    depot_migrate::migrate(&owner, &passwords).await?;
                }
                Ok::<_, depot_migrate::MigrateFailure>(())
            })
        })
    });
    let migrations: Vec<_> = migrations.collect();
    for migration in migrations {
        migration.await.unwrap().unwrap();
    }
}
