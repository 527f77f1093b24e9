//! What the projector is asked for, each by one call.

use std::time::Duration;

use depot_schemas::projections::{Comparison, Dropped, ProjectionList, Registered, Switched};
use reqwest::Method;

use crate::admin_client::{AdminClient, AdminError};

/// A comparison reads every row of both versions.
const COMPARE: Duration = Duration::from_secs(3_600);

/// Any projector of the release.
#[derive(Debug, Clone)]
pub struct Projector(AdminClient);

impl Projector {
    /// Calls nobody yet.
    pub fn from_settings() -> Result<Self, AdminError> {
        AdminClient::of_projector().map(Self)
    }

    pub async fn list(&self, with_rows: bool) -> Result<ProjectionList, AdminError> {
        let path = format!("/admin/projections?rows={with_rows}");
        let request = self.0.request(Method::GET, &path);
        self.0.ask("list the versions of the views", request).await
    }

    pub async fn register(&self, skip_poison: bool) -> Result<Registered, AdminError> {
        let path = format!("/admin/projections?skip_poison={skip_poison}");
        let request = self.0.request(Method::POST, &path);
        self.0.ask("begin to build a version of the views", request).await
    }

    pub async fn compare(&self, projection: i32) -> Result<Comparison, AdminError> {
        let path = format!("/admin/projections/{projection}/compare");
        let request = self.0.request(Method::POST, &path).timeout(COMPARE);
        self.0.ask("compare two versions of the views", request).await
    }

    pub async fn switch(&self, projection: i32, accept_differences: bool) -> Result<Switched, AdminError> {
        let path = format!("/admin/projections/{projection}/switch?accept_differences={accept_differences}");
        let request = self.0.request(Method::POST, &path);
        self.0.ask("switch", request).await
    }

    pub async fn roll_back(&self) -> Result<Switched, AdminError> {
        let request = self.0.request(Method::POST, "/admin/projections/rollback");
        self.0.ask("switch back", request).await
    }

    /// Removes for a while.
    pub async fn remove(&self, projection: i32) -> Result<Dropped, AdminError> {
        let path = format!("/admin/projections/{projection}");
        let request = self.0.request(Method::DELETE, &path);
        self.0.ask("drop a version of the views", request).await
    }
}

/// Whether a version is not as far as it has to be, which it may be a moment later.
pub fn is_behind(error: &AdminError) -> bool {
    matches!(error, AdminError::Refused { problem, .. } if problem == "projection-behind")
}
