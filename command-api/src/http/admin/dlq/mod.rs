//! Dead letters: listed, shown, brought back, given up.

pub mod discard;
pub mod filter;
pub mod letter;
pub mod list;
pub mod redrive;
pub mod show;

use depot_service::problem::Problem;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    commands::CommandError,
    http::{answer::Answer, error, router::Database},
    store::{
        StoreError,
        dead_letters::{self, DeadLetter, DeadLetterId, Filter},
    },
};

/// How many open letters it was, or with `dry_run` would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountBody {
    pub count: i64,
    pub dry_run: bool,
}

/// The four parts of a letter's name.
#[derive(Debug, Deserialize)]
pub struct LetterPath {
    group: String,
    topic: String,
    partition: i32,
    offset: i64,
}

impl From<LetterPath> for DeadLetterId {
    fn from(path: LetterPath) -> Self {
        Self {
            group: path.group,
            topic: path.topic,
            partition: path.partition,
            offset: path.offset,
        }
    }
}

fn counted(dry_run: bool) -> impl Fn(i64) -> Answer + Send + Sync + 'static {
    move |count| Answer::json(StatusCode::ACCEPTED, &CountBody { count, dry_run })
}

/// A letter's name as the audit has it.
fn name_of(id: &DeadLetterId) -> String {
    format!("{}/{}/{}/{}", id.group, id.topic, id.partition, id.offset)
}

async fn page(
    database: &Database,
    filter: &Filter,
    after: Option<(OffsetDateTime, DeadLetterId)>,
    limit: i64,
) -> Result<Vec<DeadLetter>, Problem> {
    let read = async {
        let conn = database.0.acquire().await;
        let mut conn = conn.map_err(StoreError::doing("list dead letters"))?;
        dead_letters::page(&mut conn, filter, after, limit).await
    };
    read.await
        .map_err(|error| error::problem(&CommandError::from(error)))
}
