use axum::{Json, extract::State};
use depot_domain::{Owner, StorageAccount};
use depot_service::{
    auth::{Principal, Role},
    json::JsonWithBytes,
    params::PathParams,
    problem::{FieldFault, Problem},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{answer::Answer, error, executor::Executor, router::Accounts, write_request::AdminWrite};
use crate::{
    announcement::UploadPolicy,
    commands::{CommandError, SetAccountLimit},
    store,
};

/// How much an owner may store, has stored, and has set aside.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct AccountBody {
    pub owner: String,
    /// Sum of the sizes of files that are attached to items.
    pub used_bytes: i64,
    /// Sum of the sizes of uploads whose outcome is open.
    pub reserved_bytes: i64,
    pub limit_bytes: i64,
}

impl From<&StorageAccount> for AccountBody {
    fn from(account: &StorageAccount) -> Self {
        Self {
            owner: account.owner.as_str().to_owned(),
            used_bytes: account.used_bytes,
            reserved_bytes: account.reserved_bytes,
            limit_bytes: account.limit_bytes,
        }
    }
}

/// A new limit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitBody {
    /// 0 or more.
    #[schema(minimum = 0)]
    limit_bytes: i64,
}

/// Quota of an owner: used, reserved, limit. For the owner and for admins.
#[utoipa::path(
    get, path = "/api/v1/accounts/{owner}", tag = "accounts",
    params(("owner" = String, Path, description = "The subject of the owner's token")),
    responses(
        (status = 200, description = "The account; one that was never used has the default limit", body = AccountBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Another owner's account", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn read(
    State(accounts): State<Accounts>,
    State(policy): State<UploadPolicy>,
    principal: Principal,
    PathParams(owner): PathParams<String>,
) -> Result<Json<AccountBody>, Problem> {
    principal.require(Role::Reader)?;
    principal.require_owner(&owner)?;
    let owner = parse_owner(owner)?;
    let conn = accounts.0.connection().await;
    let mut conn = conn.map_err(|error| error::problem(&CommandError::from(error)))?;
    let account = store::accounts::find(&mut conn, &owner).await;
    let account = account.map_err(|error| error::problem(&error.into()))?;
    let account = account.unwrap_or_else(|| StorageAccount::new(owner, policy.default_quota_bytes));
    Ok(Json(AccountBody::from(&account)))
}

/// Sets an owner's limit. For admins; audited.
#[utoipa::path(
    put, path = "/api/v1/accounts/{owner}/limit", tag = "accounts",
    params(
        ("owner" = String, Path, description = "The subject of the owner's token"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    request_body = LimitBody,
    responses(
        (status = 200, description = "The account with its new limit", body = AccountBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The limit is invalid, or the key was used for another request",
         body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn set_limit(
    State(executor): State<Executor>,
    AdminWrite(write): AdminWrite,
    PathParams(owner): PathParams<String>,
    body: JsonWithBytes<LimitBody>,
) -> Result<Answer, Problem> {
    let owner = parse_owner(owner)?;
    let limit_bytes = body.value.limit_bytes;
    if limit_bytes < 0 {
        let fault = FieldFault::new("/limit_bytes", format!("is {limit_bytes}, 0 or more is accepted"));
        return Err(Problem::validation_failed([fault]));
    }
    let command = SetAccountLimit {
        actor: write.actor.clone(),
        owner,
        limit_bytes,
    };
    let render = |account| Answer::json(StatusCode::OK, &AccountBody::from(&account));
    executor.run(write.identity(&body.bytes), command, render).await
}

fn parse_owner(owner: String) -> Result<Owner, Problem> {
    Owner::parse(owner).map_err(|error| Problem::invalid_parameter("owner", error.to_string()))
}
