//! `GET /api/v1/uploads/{id}`, `/api/v1/uploads/{id}/content` and `/api/v1/uploads/{id}/thumbnail`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{RawQuery, Request, State},
    response::{IntoResponse as _, Redirect, Response},
};
use depot_object_store::Disposition;
use depot_read_model::UploadView;
use depot_service::{auth::Principal, params::PathParams, problem::Problem};
use http::HeaderMap;

use super::{answer, parameters::Parameters, prefer::Wanted};
use crate::queries::{Download, Queries, QueryError, download, download_thumbnail, get_upload};

/// An upload; for its owner and for admins.
#[utoipa::path(
    get,
    path = "/api/v1/uploads/{id}",
    tag = "uploads",
    params(
        ("id" = Uuid, Path, description = "The upload's id."),
        ("min_version" = Option<String>, Query, description = "Never show an older version than this one; wait for it."),
        ("Prefer" = Option<String>, Header, description = "`wait=SECONDS`, at most 30."),
        ("If-None-Match" = Option<String>, Header, description = "304 if the upload still has this ETag."),
    ),
    responses(
        (status = 200, description = "The upload; its version is the ETag.", body = UploadView),
        (status = 304, description = "Unchanged."),
        (status = 400, description = "invalid-parameter", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "upload-not-found", body = Problem, content_type = "application/problem+json"),
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
    let response = match get_upload(&queries, &principal, answer::parse_id(&id)?, wanted.at_least).await {
        Ok(held) => answer::held(headers, &held),
        Err(error) => error.into_response(),
    };
    Ok(wanted.applied(response))
}

/// The file of a stored upload; for its owner and for admins.
///
/// Answers with a redirect to a presigned URL of the object store, which holds for a few minutes. Don't send the
/// bearer token along to the store. What a browser could run (HTML, SVG, scripts, programs) is saved, as bytes of no
/// type.
#[utoipa::path(
    get,
    path = "/api/v1/uploads/{id}/content",
    tag = "uploads",
    params(
        ("id" = Uuid, Path, description = "The upload's id."),
        ("disposition" = Option<String>, Query, description = "`attachment`, the default: browsers save the file. `inline`: they show it, if it is a PNG, JPEG, GIF or WebP; any other file is saved all the same."),
        ("redirect" = Option<bool>, Query, description = "`false`: answer with the URL as JSON."),
        ("min_version" = Option<String>, Query, description = "Never go by an older version than this one; wait for it."),
        ("Prefer" = Option<String>, Header, description = "`wait=SECONDS`, at most 30."),
    ),
    responses(
        (status = 200, description = "With `redirect=false`: where the file is.", body = Download),
        (status = 307, description = "`Location` is where the file is."),
        (status = 400, description = "invalid-parameter", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "upload-not-found", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "upload-not-stored", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "read-model-behind, unavailable, overloaded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn content(
    State(queries): State<Arc<Queries>>,
    principal: Principal,
    PathParams(id): PathParams<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::of(query.as_deref(), &headers)?;
    let id = answer::parse_id(&id)?;
    let download = download(&queries, &principal, id, asked.wanted.at_least, asked.disposition).await;
    Ok(asked.answer(download))
}

/// The thumbnail of a stored PNG, JPEG or WebP; for its owner and for admins.
///
/// At most 320 pixels on its longer side. Answers with a redirect to a presigned URL, as for the content.
#[utoipa::path(
    get,
    path = "/api/v1/uploads/{id}/thumbnail",
    tag = "uploads",
    params(
        ("id" = Uuid, Path, description = "The upload's id."),
        ("disposition" = Option<String>, Query, description = "`attachment`, the default: browsers save it. `inline`: they show it."),
        ("redirect" = Option<bool>, Query, description = "`false`: answer with the URL as JSON."),
        ("min_version" = Option<String>, Query, description = "Never go by an older version than this one; wait for it."),
        ("Prefer" = Option<String>, Header, description = "`wait=SECONDS`, at most 30."),
    ),
    responses(
        (status = 200, description = "With `redirect=false`: where the thumbnail is.", body = Download),
        (status = 307, description = "`Location` is where the thumbnail is."),
        (status = 400, description = "invalid-parameter", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "upload-not-found, thumbnail-not-found", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "upload-not-stored", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "read-model-behind, unavailable, overloaded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn thumbnail(
    State(queries): State<Arc<Queries>>,
    principal: Principal,
    PathParams(id): PathParams<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::of(query.as_deref(), &headers)?;
    let id = answer::parse_id(&id)?;
    let download =
        download_thumbnail(&queries, &principal, id, asked.wanted.at_least, asked.disposition).await;
    Ok(asked.answer(download))
}

/// How a download is asked for.
struct Asked {
    redirect: bool,
    disposition: Disposition,
    wanted: Wanted,
}

impl Asked {
    fn of(query: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(query);
        let redirect = parameters.one("redirect", |text| {
            text.parse().map_err(|_| "is neither true nor false")
        });
        let disposition = parameters.one("disposition", |text| match text {
            "attachment" => Ok(Disposition::Attachment),
            "inline" => Ok(Disposition::Inline),
            _ => Err("is neither attachment nor inline"),
        });
        let min_version = parameters.min_version();
        parameters.finish()?;
        Ok(Self {
            redirect: redirect.unwrap_or(true),
            disposition: disposition.unwrap_or_default(),
            wanted: Wanted::of(min_version, headers),
        })
    }

    fn answer(&self, download: Result<Download, QueryError>) -> Response {
        let response = match download {
            Ok(download) if self.redirect => Redirect::temporary(&download.url).into_response(),
            Ok(download) => Json(download).into_response(),
            Err(error) => error.into_response(),
        };
        self.wanted.applied(answer::unkept(response))
    }
}
