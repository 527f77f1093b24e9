//! Postgres: whether it answers, keeps what it acknowledges, has the schemas of this version, and who may do what in it.

mod durability;
mod roles;
mod sessions;

use depot_migrate::ServiceRole;
use depot_service::startup::{self, NoAnswer};
use sqlx::PgConnection;

use super::{
    answer::Answer,
    finding::{Finding, Kind},
    installation::Installation,
    operator_database::{NoConnection, OperatorDatabase, unanswered},
};

/// One role for each schema: which migrations there are to be depends on the schema alone.
const SCHEMAS: [ServiceRole; 3] = [
    ServiceRole::Command,
    ServiceRole::Uploader,
    ServiceRole::Projector,
];

pub async fn look(installation: &Installation) -> Answer {
    let Some(database) = &installation.database else {
        return Answer::unseen("its settings cannot be used");
    };
    let mut conn = match database.connect("command").await {
        Ok(conn) => conn,
        Err(error) => return Answer::away(not_connected(&error)),
    };
    let mut answer = Answer::default();
    for found in [
        figures(&mut conn).await,
        schemas(&mut conn).await,
        roles::look(&mut conn, database).await,
        durability::look(&mut conn, database).await,
        sessions::look(&mut conn, installation.rules.patience).await,
    ] {
        match found {
            Ok(found) => answer.add(found),
            Err(why) => answer.unseen.push(why),
        }
    }
    answer
}

fn not_connected(error: &NoConnection) -> Finding {
    let what = error.to_string();
    match error {
        NoConnection::Away(_) => Finding::fault(
            Kind::DatabaseAway,
            what,
            "start Postgres, or set OPERATOR_DATABASE_URL to where it is",
        ),
        NoConnection::Refused(_) => Finding::fault(
            Kind::OperatorRefused,
            what,
            "run `depot migrate` with OPERATOR_DATABASE_URL set as here: it makes the role depot_operator and sets its password",
        ),
    }
}

async fn figures(conn: &mut PgConnection) -> Result<Answer, String> {
    let row = sqlx::query!(
        r#"SELECT split_part(current_setting('server_version'), ' ', 1) AS "version!",
                  pg_database_size(current_database()) AS "bytes!""#
    )
    .fetch_one(conn)
    .await
    .map_err(|error| unanswered(&error))?;
    let seen = vec![
        format!("Postgres {}", row.version),
        format!("{} MiB", row.bytes / (1024 * 1024)),
    ];
    Ok(Answer {
        seen,
        ..Answer::default()
    })
}

/// What the services would refuse of each schema, or wait for, if they were started now.
async fn schemas(conn: &mut PgConnection) -> Result<Answer, String> {
    let mut answer = Answer::default();
    for service in SCHEMAS {
        match startup::migrations_of(conn, service).await {
            Ok(found) => {
                let found = found.into_iter();
                answer
                    .findings
                    .extend(found.map(|finding| Finding::of_startup(Kind::SchemaUnfit, finding)));
            }
            Err(NoAnswer(why)) => {
                return Err(format!("the migrations of schema {}: {why}", service.schema()));
            }
        }
    }
    Ok(answer)
}
