//! Large files, part by part: which have arrived, and the requests that send the others.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use depot_domain::{PartPlan, UploadStatus};
use depot_object_store::Part;
use depot_service::{
    auth::{Principal, Role},
    json::JsonWithBytes,
    params::PathParams,
    problem::Problem,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::parse_id;
use crate::{
    announcement::UploadPolicy,
    commands::{OwnUpload, Precondition, Writer},
    execution,
    http::{error, write_request::WriteRequest},
    multipart::{self, AskedParts, SignedPart},
    staging::Staging,
};

/// Which parts are to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartRangeBody {
    /// The number of the first.
    #[schema(minimum = 1)]
    pub first: i32,
    /// How many.
    #[schema(minimum = 1, maximum = 100)]
    pub count: i32,
}

/// The requests that send parts.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SignedPartsBody {
    pub parts: Vec<SignedPartBody>,
    /// When these URLs end. Others can be had as long as the upload takes bytes.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// The request that sends a part: a PUT of exactly so many bytes, in any order, and again where it failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SignedPartBody {
    /// From 1 on.
    pub number: i32,
    /// Where the part begins in the file.
    pub offset_bytes: i64,
    pub size_bytes: i64,
    pub url: String,
    /// To be sent with it as they are.
    pub headers: BTreeMap<String, String>,
}

/// What has arrived of a file that is sent in parts.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ArrivedPartsBody {
    pub id: Uuid,
    /// `pending` as long as parts are taken. Afterwards `parts` is empty: what was sent is being made one file, or is
    /// gone.
    pub status: &'static str,
    /// The size of every part but the last.
    pub part_size_bytes: i64,
    /// From 1 to this.
    pub part_count: i32,
    /// Those that have arrived, in the order of their numbers.
    pub parts: Vec<ArrivedPartBody>,
    /// Until when parts are taken.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// A part that has arrived.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ArrivedPartBody {
    pub number: i32,
    pub size_bytes: i64,
}

/// Signs the requests that send some of the parts.
///
/// Needs no Idempotency-Key: to sign again changes nothing, and the later of two PUTs of one part counts.
#[utoipa::path(
    post, path = "/api/v1/uploads/{id}/parts", tag = "uploads",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "The ETag that was read; may be left out"),
    ),
    request_body = PartRangeBody,
    responses(
        (status = 200, description = "The requests that send them", body = SignedPartsBody),
        (status = 400, description = "No JSON, or no UUID", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not the owner", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Never was", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is sent whole, takes no bytes any more, or its time is over", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Another version", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No such parts, or too many at once", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The object store or the database does not answer", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn sign(
    State(writer): State<Writer>,
    State(staging): State<Staging>,
    State(policy): State<UploadPolicy>,
    PathParams(id): PathParams<String>,
    write: WriteRequest,
    body: JsonWithBytes<PartRangeBody>,
) -> Result<Json<SignedPartsBody>, Problem> {
    let asked = AskedParts {
        actor: write.actor,
        id: parse_id(&id)?,
        precondition: write.precondition,
        first: body.value.first,
        count: body.value.count,
    };
    let signed = multipart::sign(&writer, &staging, policy.url_lifetime, asked).await;
    let signed = signed.map_err(|error| error::unsigned(&error))?;
    Ok(Json(SignedPartsBody {
        parts: signed.parts.into_iter().map(SignedPartBody::from).collect(),
        expires_at: signed.expires_at,
    }))
}

impl From<SignedPart> for SignedPartBody {
    fn from(part: SignedPart) -> Self {
        Self {
            number: part.number,
            offset_bytes: part.offset_bytes,
            size_bytes: part.size_bytes,
            url: part.put.url,
            headers: part.put.headers,
        }
    }
}

/// Tells which parts have arrived, so that a client that was interrupted sends the others only. For the owner and for
/// admins.
#[utoipa::path(
    get, path = "/api/v1/uploads/{id}/parts", tag = "uploads",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "What has arrived", body = ArrivedPartsBody),
        (status = 400, description = "No UUID", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not the owner", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Never was", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is sent whole", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The object store or the database does not answer", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn arrived(
    State(writer): State<Writer>,
    State(staging): State<Staging>,
    PathParams(id): PathParams<String>,
    principal: Principal,
) -> Result<Json<ArrivedPartsBody>, Problem> {
    principal.require(Role::Reader)?;
    let (id, actor) = (parse_id(&id)?, execution::actor(principal)?);
    let own = OwnUpload::read(&writer, &actor, id, &Precondition::None).await;
    let own = own.map_err(|error| error::problem(&error))?;
    let plan = own.require_parts().map_err(|refusal| error::refusal(&refusal))?;
    let upload = &own.upload;
    let arrived = match &upload.multipart_id {
        Some(multipart_id) if upload.status == UploadStatus::Pending => {
            staging.arrived(id, multipart_id).await
        }
        _ => Ok(Vec::new()),
    };
    let arrived = arrived.map_err(|error| error::store_problem(&error))?;
    Ok(Json(ArrivedPartsBody {
        id: id.0,
        status: upload.status.as_str(),
        part_size_bytes: plan.part_size_bytes(),
        part_count: plan.count(),
        parts: once_each(&plan, arrived),
        expires_at: upload.expires_at,
    }))
}

/// Of a part that was sent again a store may list each version: the one that has its size is shown.
fn once_each(plan: &PartPlan, arrived: Vec<Part>) -> Vec<ArrivedPartBody> {
    let mut shown: BTreeMap<i32, i64> = BTreeMap::new();
    for Part {
        number, size_bytes, ..
    } in arrived
    {
        let size = shown.entry(number).or_insert(size_bytes);
        if plan.size_of(number) == Some(size_bytes) {
            *size = size_bytes;
        }
    }
    let body = |(number, size_bytes)| ArrivedPartBody { number, size_bytes };
    shown.into_iter().map(body).collect()
}
