//! Large files, part by part: which have arrived, and the requests that send the others.

use std::{collections::BTreeMap, ops::RangeInclusive};

use axum::{Json, extract::State};
use depot_domain::{PartPlan, UploadId, UploadStatus};
use depot_object_store::{Part, StoreError};
use depot_service::{
    auth::{Principal, Role},
    json::JsonWithBytes,
    params::PathParams,
    problem::{FieldFault, Problem},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::parse_id;
use crate::{
    commands::{OwnUpload, Precondition, Writer},
    http::{
        error,
        router::UploadPolicy,
        write_request::{self, WriteRequest},
    },
    multipart::{self, BeginError},
    staging::Staging,
};

/// The most parts that one request has signed.
const SIGNED_AT_ONCE: i32 = 100;

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
    let id = parse_id(&id)?;
    let own = OwnUpload::read(&writer, &write.actor, id, &write.precondition).await;
    let own = own.map_err(|error| error::problem(&error))?;
    let refused = |refusal| error::refusal(&refusal);
    let plan = own.require_parts().map_err(refused)?;
    let left = own.require_taking_bytes().map_err(refused)?;
    let numbers = range(body.value, &plan)?;
    let multipart_id = multipart::begun(&writer, &staging, &write.actor, &own.upload).await;
    let multipart_id = multipart_id.map_err(|error| match error {
        BeginError::Command(error) => error::problem(&error),
        BeginError::Store(error) => store_problem(&error),
    })?;
    let lifetime = policy.url_lifetime.min(left);
    let mut parts = Vec::new();
    for number in numbers {
        parts.push(signed(&staging, id, &multipart_id, &plan, number, lifetime).await?);
    }
    Ok(Json(SignedPartsBody {
        parts,
        expires_at: own.now + lifetime,
    }))
}

async fn signed(
    staging: &Staging,
    id: UploadId,
    multipart_id: &str,
    plan: &PartPlan,
    number: i32,
    lifetime: std::time::Duration,
) -> Result<SignedPartBody, Problem> {
    let size_bytes = plan.size_of(number).unwrap_or_default();
    let put = staging
        .sign_part(id, multipart_id, number, size_bytes, lifetime)
        .await;
    let put = put.map_err(|error| Problem::internal(&error))?;
    Ok(SignedPartBody {
        number,
        offset_bytes: i64::from(number - 1) * plan.part_size_bytes(),
        size_bytes,
        url: put.url,
        headers: put.headers,
    })
}

/// The numbers that are meant, all of them parts of the plan.
///
/// # Errors
/// The problem `validation-failed`, which names what is wrong with which of the two.
pub fn range(body: PartRangeBody, plan: &PartPlan) -> Result<RangeInclusive<i32>, Problem> {
    let (PartRangeBody { first, count }, last) = (body, plan.count());
    let mut faults = Vec::new();
    if !plan.numbers().contains(&first) {
        faults.push(FieldFault::new(
            "/first",
            format!("is {first}, the parts are 1 to {last}"),
        ));
    }
    if !(1..=SIGNED_AT_ONCE).contains(&count) {
        faults.push(FieldFault::new(
            "/count",
            format!("is {count}, 1 to {SIGNED_AT_ONCE} are signed at once"),
        ));
    } else if faults.is_empty() && count > last - first + 1 {
        let detail = format!("is {count}, from {first} on there are {}", last - first + 1);
        faults.push(FieldFault::new("/count", detail));
    }
    if !faults.is_empty() {
        return Err(Problem::validation_failed(faults));
    }
    Ok(first..=first + count - 1)
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
    let (id, actor) = (parse_id(&id)?, write_request::actor(principal)?);
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
    let arrived = arrived.map_err(|error| store_problem(&error))?;
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

/// What a client is told of a fault of the object store.
pub(super) fn store_problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Transient { .. } => Problem::unavailable("The object store", error),
        _ => Problem::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use depot_domain::SizeBytes;

    use super::*;

    #[test]
    fn a_range_lies_within_the_parts_and_is_bounded() {
        let plan = PartPlan::new(SizeBytes::parse(2_500).unwrap(), 10);
        let asked = |first, count| range(PartRangeBody { first, count }, &plan);
        assert_eq!(asked(1, 100).unwrap(), 1..=100);
        assert_eq!(asked(250, 1).unwrap(), 250..=250);
        let cases = [
            ((0, 1), "/first"),
            ((251, 1), "/first"),
            ((1, 0), "/count"),
            ((1, 101), "/count"),
            ((250, 2), "/count"),
            ((i32::MIN, 1), "/first"),
            ((1, i32::MAX), "/count"),
        ];
        for ((first, count), pointer) in cases {
            let problem = asked(first, count).unwrap_err();
            let pointers: Vec<_> = problem
                .errors
                .iter()
                .map(|fault| fault.pointer.as_str())
                .collect();
            assert_eq!(pointers, [pointer], "{first} {count}");
        }
        assert_eq!(asked(0, 0).unwrap_err().errors.len(), 2);
    }
}
