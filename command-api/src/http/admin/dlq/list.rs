use axum::{Json, extract::State};
use depot_service::{params::QueryParams, problem::Problem};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::{
    filter::LetterFilter,
    letter::{LetterBody, LetterState},
    page,
};
use crate::{
    http::{admin::cursor, router::Database},
    store::dead_letters::{DeadLetter, DeadLetterId, Filter},
};

/// What is listed, and how much at a time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LetterQuery {
    /// The group that failed.
    group: Option<String>,
    /// The topic that the message was read from first.
    topic: Option<String>,
    /// The class of the reason.
    reason: Option<String>,
    /// The message's key, as text.
    key: Option<String>,
    /// Last failed at this moment or later, RFC 3339.
    #[serde(default, with = "time::serde::rfc3339::option")]
    failed_from: Option<OffsetDateTime>,
    /// Last failed before this moment, RFC 3339.
    #[serde(default, with = "time::serde::rfc3339::option")]
    failed_before: Option<OffsetDateTime>,
    /// `open`, `redriving`, `redriven` or `discarded`.
    state: Option<LetterState>,
    /// 1 to 200, 50 if left out.
    limit: Option<i64>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
}

/// A page, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LettersBody {
    pub letters: Vec<LetterBody>,
    /// For the next page; none on the last.
    pub next_cursor: Option<String>,
}

/// Where a page ended.
#[derive(Serialize, Deserialize)]
struct Place {
    /// Microseconds since 1970, which is what Postgres keeps.
    failed_at: i128,
    group: String,
    topic: String,
    partition: i32,
    offset: i64,
}

impl Place {
    fn of(letter: &DeadLetter) -> Self {
        Self {
            failed_at: letter.failed_at.unix_timestamp_nanos() / 1_000,
            group: letter.consumer_group.clone(),
            topic: letter.topic.clone(),
            partition: letter.partition,
            offset: letter.offset,
        }
    }

    fn into_key(self) -> Result<(OffsetDateTime, DeadLetterId), Problem> {
        let nanos = self.failed_at.checked_mul(1_000);
        let failed_at = nanos.and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok());
        let failed_at = failed_at.ok_or_else(|| cursor::invalid("is none that this API gave"))?;
        let id = DeadLetterId {
            group: self.group,
            topic: self.topic,
            partition: self.partition,
            offset: self.offset,
        };
        Ok((failed_at, id))
    }
}

/// Dead letters of all groups, the one that failed longest ago first.
#[utoipa::path(
    get, path = "/api/v1/admin/dlq", tag = "admin", params(LetterQuery),
    responses(
        (status = 200, description = "A page", body = LettersBody),
        (status = 400, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn list(
    State(database): State<Database>,
    QueryParams(query): QueryParams<LetterQuery>,
) -> Result<Json<LettersBody>, Problem> {
    let limit = cursor::page_size(query.limit)?;
    let filter = Filter {
        state: query.state.map(|state| state.as_str().to_owned()),
        ..LetterFilter {
            group: query.group,
            topic: query.topic,
            reason: query.reason,
            key: query.key,
            failed_from: query.failed_from,
            failed_before: query.failed_before,
        }
        .into()
    };
    let place = query.cursor.map(|text| cursor::parse::<Place>(&text, &filter));
    let after = place.transpose()?.map(Place::into_key).transpose()?;
    let mut letters = page(&database, &filter, after, limit + 1).await?;
    let has_more = letters.len() as i64 > limit;
    letters.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = letters
        .last()
        .filter(|_| has_more)
        .map(|last| cursor::of(Place::of(last), &filter));
    Ok(Json(LettersBody {
        letters: letters.into_iter().map(LetterBody::from).collect(),
        next_cursor,
    }))
}
