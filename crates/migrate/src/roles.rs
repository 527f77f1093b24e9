use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

pub(crate) const ROLES_SQL: &str = include_str!("../../../migrations/roles.sql");

/// The database role of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceRole {
    Command,
    Uploader,
    Projector,
    Query,
}

impl ServiceRole {
    pub const ALL: [ServiceRole; 4] = [Self::Command, Self::Uploader, Self::Projector, Self::Query];

    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "depot_command",
            Self::Uploader => "depot_uploader",
            Self::Projector => "depot_projector",
            Self::Query => "depot_query",
        }
    }

    /// The schema that the service works with.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Uploader => "uploader",
            Self::Projector | Self::Query => "read",
        }
    }

    /// The environment variable that holds the service's own connection URL.
    pub fn url_variable(self) -> &'static str {
        match self {
            Self::Command => "COMMAND_API_DATABASE_URL",
            Self::Uploader => "UPLOADER_DATABASE_URL",
            Self::Projector => "PROJECTOR_DATABASE_URL",
            Self::Query => "QUERY_API_DATABASE_URL",
        }
    }
}

/// The database role of operators, which is no service's: it reads every table of every schema, and writes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorRole;

impl OperatorRole {
    pub const NAME: &str = "depot_operator";
    /// The environment variable that holds the operators' connection URL. Only the tool reads it.
    pub const URL_VARIABLE: &str = "OPERATOR_DATABASE_URL";
}

/// Name and variable of every role that is entered by a password.
fn entrants() -> impl Iterator<Item = (&'static str, &'static str)> {
    let services = ServiceRole::ALL.map(|role| (role.name(), role.url_variable()));
    let operator = (OperatorRole::NAME, OperatorRole::URL_VARIABLE);
    services.into_iter().chain([operator])
}

/// Passwords to set, by the role's name; a role without one keeps what it has.
#[derive(Debug, Default)]
pub struct Passwords(Vec<(&'static str, SecretString)>);

impl Passwords {
    /// Takes each role's password from the connection URL that its service is given, or operators are. A URL that names
    /// another user than the role is left alone: somebody manages their roles themselves.
    pub fn from_urls(mut lookup: impl FnMut(&str) -> Option<String>) -> Self {
        let mut passwords = Vec::new();
        for (role, variable) in entrants() {
            let Some(url) = lookup(variable).and_then(|text| Url::parse(&text).ok()) else {
                continue;
            };
            if let (true, Some(password)) = (url.username() == role, url.password()) {
                passwords.push((role, SecretString::from(percent_decoded(password))));
            }
        }
        Self(passwords)
    }
}

fn percent_decoded(text: &str) -> String {
    // `Url` keeps userinfo percent-encoded; form decoding would read `+` as a space.
    let query = format!("p={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

pub(crate) async fn create(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(ROLES_SQL).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Sets a role's password, both as the settings of this transaction name them: ALTER ROLE takes no parameters, so the server
/// quotes what it is given. Roles are the cluster's, and a lock that would keep two migrations apart is a database's: one
/// that meets the other at the same row of the catalogue is refused with an internal error ("tuple concurrently updated"),
/// and does it again.
const SET_PASSWORD: &str = "
DO $$
BEGIN
    FOR attempt IN 1..20 LOOP
        BEGIN
            EXECUTE format('ALTER ROLE %I PASSWORD %L',
                           current_setting('depot_migrate.role'), current_setting('depot_migrate.password'));
            EXIT;
        EXCEPTION WHEN internal_error THEN
            IF attempt = 20 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(random() * 0.1);
        END;
    END LOOP;
END
$$";

pub(crate) async fn set_passwords(
    connection: &mut PgConnection,
    passwords: &Passwords,
) -> Result<(), sqlx::Error> {
    for (role, password) in &passwords.0 {
        let mut transaction = connection.begin().await?;
        let name_both = "SELECT set_config('depot_migrate.role', $1, true), set_config('depot_migrate.password', $2, true)";
        sqlx::query(name_both)
            .bind(*role)
            .bind(password.expose_secret())
            .execute(&mut *transaction)
            .await?;
        sqlx::raw_sql(SET_PASSWORD).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Grants once: a statement that changes nothing writes the catalogue all the same, and two at once fail.
pub(crate) async fn grant_select(
    connection: &mut PgConnection,
    role: ServiceRole,
    table: &str,
    grant: String,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(hashtext('depot roles'))")
        .execute(&mut *transaction)
        .await?;
    let may_select: bool = sqlx::query_scalar("SELECT has_table_privilege($1, $2, 'SELECT')")
        .bind(role.name())
        .bind(table)
        .fetch_one(&mut *transaction)
        .await?;
    if !may_select {
        // The names are constants.
        sqlx::raw_sql(AssertSqlSafe(grant))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}
