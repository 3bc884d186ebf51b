//! Releases by the sha256 of their archive: what somebody asks who holds a file and not its name.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use schema::{ProvenanceRow, Sha256};
use schemars::JsonSchema;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Segments;
use crate::openapi::described;
use crate::{ApiError, Service, Standing, answer};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(with_checksum))
}

/// Releases with one archive.
#[derive(Serialize, JsonSchema)]
struct ChecksumAnswer {
    /// Their rows, in order of first sight. One archive is one release, unless a registry gave it two numbers.
    releases: Vec<ProvenanceRow>,
    /// What this rests on.
    as_of: Standing,
}

described!(ChecksumAnswer as Serialize);

/// The releases whose archive has this sha256
#[utoipa::path(
    get, path = "/api/v1/checksums/{sha256}", operation_id = "checksum", tag = "crates",
    params(("sha256" = String, Path, description = "64 hex digits; the index calls it `cksum`.", pattern = "^[0-9A-Fa-f]{64}$")),
    responses((status = 200, description = "The releases.", body = ChecksumAnswer)),
)]
async fn with_checksum(
    State(service): State<Arc<Service>>,
    Segments(text): Segments<String>,
) -> Result<Response, ApiError> {
    let checksum = Sha256::parse(&text).map_err(|why| ApiError::BadRequest(why.to_string()))?;
    let as_of = service.standing().await?;
    let ids = service.store.with_checksum(&checksum).await?;
    if ids.is_empty() {
        return Err(ApiError::NotFound(format!("no release with the checksum {checksum} was ever seen here")));
    }
    let pages = service.store.pages_of(&ids).await?;
    let releases = pages.into_iter().map(|page| service.row_of(page)).collect();
    answer::json(&ChecksumAnswer { releases, as_of })
}
