//! Who may do what in the database.

use depot_test_stack::{OperatorRole, ServiceRole, TestDatabase, unique_name};
use sqlx::PgPool;

use super::{Found, execute, look, of_database, with};

const DATABASE: [&str; 2] = ["--part", "database"];

#[tokio::test]
async fn a_service_that_enters_by_a_role_that_is_not_there_is_told_which_to_make() {
    let database = TestDatabase::create().await.unwrap();
    let environment = of_database(&database);
    for role in ServiceRole::ALL {
        let mut url: url::Url = database.url(role).parse().unwrap();
        url.set_username("nobody_at_all").unwrap();
        let other = with(&environment, &[(role.url_variable(), url.as_str())]);
        let found = look(&other, &DATABASE).await;
        found.assert_only(
            "role_missing",
            &[
                "nobody_at_all",
                role.url_variable(),
                role.name(),
                "`depot migrate`",
            ],
        );
    }
    look(&environment, &DATABASE).await.assert_clean();
}

#[tokio::test]
async fn a_right_too_many_of_any_service_is_told_and_gone_by_the_mend_that_is_named() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    let environment = of_database(&database);
    for (right, role) in [
        ("UPDATE ON command.audit", ServiceRole::Command),
        ("TRUNCATE ON uploader.objects", ServiceRole::Uploader),
        ("SELECT ON command.items", ServiceRole::Uploader),
        ("TRUNCATE ON read.items", ServiceRole::Projector),
        ("DELETE ON read.items", ServiceRole::Query),
    ] {
        execute(&owner, "GRANT USAGE ON SCHEMA command TO depot_uploader").await;
        execute(&owner, &format!("GRANT {right} TO {}", role.name())).await;
        let found = look(&environment, &DATABASE).await;
        let mend = format!("REVOKE {right} FROM {}", role.name());
        found.assert_only("role_too_powerful", &[role.name(), &mend]);
        assert_eq!(found.code, 1, "{found:?}");
        execute(&owner, &mend).await;
        execute(&owner, "REVOKE USAGE ON SCHEMA command FROM depot_uploader").await;
        look(&environment, &DATABASE).await.assert_clean();
    }
}

/// A role that reads, as somebody who makes roles by hand might make it; it ends with the value's `drop`.
struct Reader {
    name: String,
    superuser: PgPool,
}

impl Reader {
    async fn create(database: &TestDatabase) -> Self {
        let owner = database.owner_pool().await;
        let name = unique_name();
        for statement in [
            format!("CREATE ROLE {name} LOGIN PASSWORD 'of-a-test'"),
            format!("GRANT CONNECT ON DATABASE {} TO {name}", database.name()),
            format!("GRANT USAGE ON SCHEMA command, uploader, read TO {name}"),
            format!("GRANT SELECT ON ALL TABLES IN SCHEMA command, uploader, read TO {name}"),
        ] {
            execute(&owner, &statement).await;
        }
        Self {
            name,
            superuser: database.superuser_pool().await,
        }
    }

    async fn drop(self) {
        let Self { name, superuser } = self;
        execute(&superuser, &format!("DROP OWNED BY {name}; DROP ROLE {name}")).await;
    }
}

async fn look_by(database: &TestDatabase, user: &str, password: &str) -> Found {
    let mut url: url::Url = database.operator_url().parse().unwrap();
    url.set_username(user).unwrap();
    url.set_password(Some(password)).unwrap();
    let environment = of_database(database);
    look(
        &with(&environment, &[(OperatorRole::URL_VARIABLE, url.as_str())]),
        &DATABASE,
    )
    .await
}

#[tokio::test]
async fn a_tool_that_sees_less_than_it_looks_at_says_so() {
    let database = TestDatabase::create().await.unwrap();
    let reader = Reader::create(&database).await;
    let superuser = reader.superuser.clone();
    let name = reader.name.clone();
    let found = look_by(&database, &name, "of-a-test").await;
    found.assert_only(
        "operator_sees_little",
        &["sessions", &format!("GRANT pg_read_all_stats TO {name}")],
    );
    assert_eq!(found.code, 4, "{found:?}");
    execute(&superuser, &format!("GRANT pg_read_all_stats TO {name}")).await;
    look_by(&database, &name, "of-a-test").await.assert_clean();

    execute(&superuser, &format!("REVOKE SELECT ON command.items FROM {name}")).await;
    let found = look_by(&database, &name, "of-a-test").await;
    found.assert_only("operator_sees_little", &["may not read command.items"]);
    execute(&superuser, &format!("GRANT SELECT ON command.items TO {name}")).await;
    look_by(&database, &name, "of-a-test").await.assert_clean();
    reader.drop().await;
}

#[tokio::test]
async fn a_tool_that_enters_by_a_role_that_may_write_says_so() {
    let database = TestDatabase::create().await.unwrap();
    let reader = Reader::create(&database).await;
    let superuser = reader.superuser.clone();
    let name = reader.name.clone();
    execute(&superuser, &format!("GRANT pg_read_all_stats TO {name}")).await;
    for right in ["INSERT ON read.items", "UPDATE (name) ON command.items"] {
        execute(&superuser, &format!("GRANT {right} TO {name}")).await;
        let found = look_by(&database, &name, "of-a-test").await;
        let (_, table) = right.split_once(" ON ").unwrap();
        found.assert_only("operator_may_write", &[&name, table, "depot_operator"]);
        execute(&superuser, &format!("REVOKE {right} FROM {name}")).await;
        look_by(&database, &name, "of-a-test").await.assert_clean();
    }
    reader.drop().await;
}
