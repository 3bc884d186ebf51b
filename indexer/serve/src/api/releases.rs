//! One release: the row of a version of a crate, with the rows of every archive that ever bore its number.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use schema::{KrateName, ProvenanceRow, VersionNum};
use serde::Serialize;

use crate::extract::{Segments, krate_name, version_num};
use crate::{ApiError, Service, Standing, answer};

/// The routes of this file.
pub(super) fn router() -> Router<Arc<Service>> {
    Router::new().route("/api/v1/crates/{name}/{version}", get(release))
}

/// A release.
#[derive(Serialize)]
struct ReleaseAnswer {
    /// The row of the archive that is offered now, or else of the last one that was.
    release: ProvenanceRow,
    /// The rows of every archive that bore this number, the first one first.
    generations: Vec<ProvenanceRow>,
    /// What this rests on.
    as_of: Standing,
}

async fn release(
    State(service): State<Arc<Service>>,
    Segments((name, num)): Segments<(String, String)>,
) -> Result<Response, ApiError> {
    let (name, num) = (krate_name(&name)?, version_num(&num)?);
    let as_of = service.standing().await?;
    let generations = service.rows_of_number(&name, &num).await?;
    let live = generations.iter().rev().find(|row| row.deleted_at.is_none());
    let Some(release) = live.or(generations.last()).cloned() else {
        return Err(service.unknown_version(&name, num).await);
    };
    answer::json(&ReleaseAnswer { release, generations, as_of })
}

impl Service {
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
