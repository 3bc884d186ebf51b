//! One release: the row of a version of a crate, with the rows of every archive that ever bore its number.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use schema::{KrateName, ProvenanceRow, VersionNum};
use schemars::JsonSchema;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Segments, krate_name, version_num};
use crate::openapi::described;
use crate::{ApiError, Service, Standing, answer};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(release))
}

/// A release.
#[derive(Serialize, JsonSchema)]
pub(super) struct ReleaseAnswer {
    /// The row of the archive that is offered now, or else of the last one that was.
    release: ProvenanceRow,
    /// The rows of every archive that bore this number, the first one first.
    generations: Vec<ProvenanceRow>,
    /// What this rests on.
    as_of: Standing,
}

described!(ReleaseAnswer as Serialize);

/// A release
#[utoipa::path(
    get, path = "/api/v1/crates/{name}/{version}", operation_id = "release", tag = "crates",
    params(
        ("name" = String, Path, description = "The crate, in any spelling.", pattern = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
        ("version" = String, Path, description = "The version, build metadata included.", pattern = "^[0-9A-Za-z.+_-]{1,150}$"),
    ),
    responses((status = 200, description = "The release.", body = ReleaseAnswer)),
)]
async fn release(
    State(service): State<Arc<Service>>,
    Segments((name, num)): Segments<(String, String)>,
) -> Result<Response, ApiError> {
    service.answer_release(&krate_name(&name)?, version_num(&num)?).await
}

impl Service {
    /// The answer about one number of a crate.
    pub(super) async fn answer_release(&self, name: &KrateName, num: VersionNum) -> Result<Response, ApiError> {
        let as_of = self.standing().await?;
        let generations = self.rows_of_number(name, &num).await?;
        let Some(release) = current(&generations).cloned() else { return Err(self.unknown_version(name, num).await) };
        answer::json(&ReleaseAnswer { release, generations, as_of })
    }

    /// The rows of every archive that bore a number, the first one first; empty when there is none.
    pub(crate) async fn rows_of_number(
        &self,
        name: &KrateName,
        num: &VersionNum,
    ) -> Result<Vec<ProvenanceRow>, ApiError> {
        let pages = self.store.pages(&name.canonical(), num).await?;
        Ok(pages.into_iter().map(|page| self.row_of(page)).collect())
    }

    /// The error for a number that a crate never had, or for a crate that is not known at all.
    pub(crate) async fn unknown_version(&self, name: &KrateName, num: VersionNum) -> ApiError {
        let known = async {
            let versions = self.store.versions(&name.canonical()).await?;
            Ok::<_, store::StoreError>((versions, self.standing().await?))
        };
        match known.await {
            Ok((Some(versions), standing)) => {
                let name = versions.first().map_or_else(|| name.clone(), |version| version.name.clone());
                ApiError::UnknownVersion { name, num, standing: Box::new(standing) }
            }
            Ok((None, _)) => self.unknown_krate(name.as_str()).await,
            Err(error) => error.into(),
        }
    }
}

/// Of the archives that bore a number the one that is offered now, or else the last one that was.
pub(crate) fn current(generations: &[ProvenanceRow]) -> Option<&ProvenanceRow> {
    generations.iter().rev().find(|row| row.deleted_at.is_none()).or(generations.last())
}
