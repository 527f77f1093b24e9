//! `GET /api/v1/items`, `/api/v1/items/{id}`, `/api/v1/items/{id}/history`.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, Request, State},
    response::{IntoResponse as _, Response},
};
use depot_read_model::{HistoryEntry, ItemView};
use depot_service::{auth::Principal, params::PathParams, problem::Problem};
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::{answer, parameters::Parameters, prefer::Wanted};
use crate::{
    queries::{
        ListItems, Queries, get_item, item_history, list_items, parse_owner, parse_tag, parse_text,
        parse_time,
    },
    read::{
        item_pages::{ItemFilter, ItemSort},
        rows::{HistoryRow, ItemRow},
    },
};

/// A page of items.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemPage {
    items: Vec<ItemView>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// A page of an item's changes, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryPage {
    changes: Vec<HistoryEntry>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// An item in the newest version that the view has.
#[utoipa::path(
    get,
    path = "/api/v1/items/{id}",
    tag = "items",
    params(
        ("id" = Uuid, Path, description = "The item's id."),
        ("min_version" = Option<String>, Query, description = "Never show an older version than this one, as in a command's ETag; wait for it."),
        ("Prefer" = Option<String>, Header, description = "`wait=SECONDS`, at most 30: how long to wait for `min_version`; 1 where nothing is said."),
        ("If-None-Match" = Option<String>, Header, description = "304 if the item still has this ETag."),
    ),
    responses(
        (status = 200, description = "The item; its version is the ETag.", body = ItemView),
        (status = 304, description = "Unchanged."),
        (status = 400, description = "invalid-parameter", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "item-not-found", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "item-deleted, with the version of the deletion", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "read-model-behind, unavailable, overloaded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn show(
    State(queries): State<Arc<Queries>>,
    principal: Principal,
    PathParams(id): PathParams<String>,
    request: Request,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(request.uri().query());
    let min_version = parameters.min_version();
    parameters.finish()?;
    let headers = request.headers();
    let wanted = Wanted::of(min_version, headers);
    let response = match get_item(&queries, &principal, answer::parse_id(&id)?, wanted.at_least).await {
        Ok(held) => answer::held(headers, &held),
        Err(error) => error.into_response(),
    };
    Ok(wanted.applied(response))
}

/// Items by filter, search and sort, a page at a time.
///
/// Lists follow the newest state and take no `min_version`. A walk by cursor shows each item that does not change
/// meanwhile exactly once. A page may be shorter than its limit before the end: go by `next_cursor`.
#[utoipa::path(
    get,
    path = "/api/v1/items",
    tag = "items",
    params(
        ("tag" = Option<Vec<String>>, Query, description = "Items that have it; repeat it for items that have all of several."),
        ("owner" = Option<String>, Query, description = "Items of this owner."),
        ("status" = Option<String>, Query, description = "`draft`, `active` or `archived`."),
        ("created_from" = Option<String>, Query, description = "RFC 3339, inclusive."),
        ("created_to" = Option<String>, Query, description = "RFC 3339, exclusive."),
        ("q" = Option<String>, Query, description = "Full text in name and description: words, \"phrases\", -exclusions, or."),
        ("sort" = Option<String>, Query, description = "`-created_at` (the default), `created_at`, `-updated_at`, `updated_at`, `name`, `-name`."),
        ("limit" = Option<i64>, Query, description = "1 to 200, 50 where nothing is said."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same filter and sort."),
    ),
    responses(
        (status = 200, description = "A page; `Link: rel=\"next\"` names the next one.", body = ItemPage),
        (status = 400, description = "invalid-parameter, invalid-cursor", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "unavailable, overloaded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn list(
    State(queries): State<Arc<Queries>>,
    principal: Principal,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let list = parse_list(query.as_deref())?;
    let page = list_items(&queries, &principal, &list).await?;
    let next_cursor = page.next_cursor;
    let items = page.items.into_iter().map(ItemRow::into_view).collect();
    let body = ItemPage {
        items,
        next_cursor: next_cursor.clone(),
    };
    Ok(answer::page(
        "/api/v1/items",
        query.as_deref(),
        next_cursor.as_deref(),
        body,
    ))
}

fn parse_list(query: Option<&str>) -> Result<ListItems, Problem> {
    let mut parameters = Parameters::of(query);
    let filter = parse_filter(&mut parameters);
    let sort = parameters.one("sort", |text| {
        ItemSort::parse(text)
            .ok_or("is none of created_at, -created_at, updated_at, -updated_at, name, -name")
    });
    let limit = parameters.limit();
    let cursor = parameters.one("cursor", |text| Ok(text.to_owned()));
    parameters.finish()?;
    Ok(ListItems {
        filter,
        sort: sort.unwrap_or(ItemSort::CreatedAtDescending),
        limit,
        cursor,
    })
}

/// Which items.
pub(super) fn parse_filter(parameters: &mut Parameters) -> ItemFilter {
    let tags = parameters.all("tag", parse_tag);
    if tags.len() > 20 {
        parameters.fault("tag", "is given more than 20 times: no item has that many tags");
    }
    let owner = parameters.one("owner", parse_owner);
    let status = parameters.one("status", |text| {
        text.parse().map_err(|_| "is none of draft, active, archived")
    });
    let created_from = parameters.one("created_from", parse_time);
    let created_to = parameters.one("created_to", parse_time);
    if created_from.zip(created_to).is_some_and(|(from, to)| from > to) {
        parameters.fault("created_to", "is before created_from");
    }
    let text = parameters.one("q", parse_text);
    ItemFilter {
        tags,
        owner,
        status,
        created_from,
        created_to,
        text,
    }
}

/// Who changed an item, when, to which version; the newest change first.
///
/// A deleted item keeps its history, the deletion included. Where the history is not kept for ever, it ends at the oldest
/// change that is: versions that do not go down to 1 tell that older ones are gone.
#[utoipa::path(
    get,
    path = "/api/v1/items/{id}/history",
    tag = "items",
    params(
        ("id" = Uuid, Path, description = "The item's id."),
        ("min_version" = Option<String>, Query, description = "The history reaches at least to this version; wait for it."),
        ("Prefer" = Option<String>, Header, description = "`wait=SECONDS`, at most 30."),
        ("limit" = Option<i64>, Query, description = "1 to 200, 50 where nothing is said."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page; `Link: rel=\"next\"` names the next one.", body = HistoryPage),
        (status = 400, description = "invalid-parameter, invalid-cursor", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "item-not-found", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "read-model-behind, unavailable, overloaded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn history(
    State(queries): State<Arc<Queries>>,
    principal: Principal,
    PathParams(id): PathParams<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(query.as_deref());
    let min_version = parameters.min_version();
    let limit = parameters.limit();
    let cursor = parameters.one("cursor", |text| Ok(text.to_owned()));
    parameters.finish()?;
    let id = answer::parse_id(&id)?;
    let wanted = Wanted::of(min_version, &headers);
    let page = item_history(
        &queries,
        &principal,
        id,
        wanted.at_least,
        limit,
        cursor.as_deref(),
    )
    .await;
    let response = match page {
        Ok(page) => {
            let next_cursor = page.next_cursor;
            let changes = page.changes.into_iter().map(HistoryRow::into_entry).collect();
            let body = HistoryPage {
                changes,
                next_cursor: next_cursor.clone(),
            };
            let path = format!("/api/v1/items/{id}/history");
            answer::page(&path, query.as_deref(), next_cursor.as_deref(), body)
        }
        Err(error) => error.into_response(),
    };
    Ok(wanted.applied(response))
}
