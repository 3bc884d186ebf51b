//! One crate: its releases as pages of rows, and which of them stands for it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use schema::{CanonicalName, KrateName, ProvenanceRow, VersionNum};
use schemars::JsonSchema;
use serde::Serialize;
use store::VersionRow;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Asked, Segments, krate_name};
use crate::listing::{Meta, PageQuery};
use crate::openapi::described;
use crate::{ApiError, Service, Standing, answer};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(krate))
}

/// A crate with a page of its releases.
#[derive(Serialize, JsonSchema)]
struct KrateAnswer {
    /// The crate.
    #[serde(rename = "crate")]
    krate: Krate,
    /// Rows of its releases, the highest version first, deleted ones included.
    releases: Vec<ProvenanceRow>,
    /// The other pages.
    meta: Meta,
    /// What this rests on.
    as_of: Standing,
}

/// A crate.
#[derive(Serialize, JsonSchema)]
struct Krate {
    /// In its published spelling.
    name: KrateName,
    /// The name that identifies it.
    canonical: CanonicalName,
    /// The version that stands for it: the highest that is neither yanked nor a pre-release; failing that, the nearest to it.
    default_version: Option<VersionNum>,
    /// Releases that were ever seen.
    releases: usize,
    /// Releases in the index now, yanked ones included.
    live: usize,
    /// Of these, yanked.
    yanked: usize,
    /// Releases that are gone from the index.
    deleted: usize,
}

described!(KrateAnswer as Serialize);

/// A crate with a page of its releases
#[utoipa::path(
    get, path = "/api/v1/crates/{name}", operation_id = "crate", tag = "crates",
    params(("name" = String, Path, description = "The crate, in any spelling.", pattern = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"), PageQuery),
    responses((status = 200, description = "The crate.", body = KrateAnswer)),
)]
async fn krate(
    State(service): State<Arc<Service>>,
    Segments(name): Segments<String>,
    Asked(page): Asked<PageQuery>,
) -> Result<Response, ApiError> {
    let asked = krate_name(&name)?;
    let as_of = service.standing().await?;
    let versions = service.store.versions(&asked.canonical()).await?.unwrap_or_default();
    let Some(first) = versions.first() else { return Err(service.unknown_krate(&name).await) };
    let krate = Krate {
        name: first.name.clone(),
        canonical: first.name.canonical(),
        default_version: default_version(&versions).map(|version| version.num.clone()),
        releases: versions.len(),
        live: versions.iter().filter(|version| version.deleted_at.is_none()).count(),
        yanked: versions.iter().filter(|version| version.deleted_at.is_none() && version.yanked).count(),
        deleted: versions.iter().filter(|version| version.deleted_at.is_some()).count(),
    };
    let ids: Vec<_> = versions.iter().rev().map(|version| version.id).collect();
    let (ids, meta) = page.cut(ids, |id| id.0.to_string())?;
    let pages = service.store.pages_of(&ids).await?;
    let releases = pages.into_iter().map(|page| service.row_of(page)).collect();
    answer::json(&KrateAnswer { krate, releases, meta, as_of })
}

/// The release that stands for a crate, by the registry's own rule: not yanked before yanked, no pre-release before
/// pre-releases, the highest of these. One that is still in the index goes before all that are gone.
pub(crate) fn default_version(versions: &[VersionRow]) -> Option<&VersionRow> {
    versions.iter().max_by_key(|version| {
        let semver = version.num.semver();
        let is_final = semver.as_ref().is_some_and(|semver| semver.pre.is_empty());
        (version.deleted_at.is_none(), !version.yanked, is_final, semver, version.generation)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::{Generation, ReleaseId, Timestamp};

    fn version(num: &str, yanked: bool, deleted: bool) -> VersionRow {
        VersionRow {
            id: ReleaseId(1),
            name: KrateName::parse("a").unwrap(),
            num: VersionNum::parse(num).unwrap(),
            generation: Generation::FIRST,
            published_at: None,
            yanked,
            deleted_at: deleted.then(|| Timestamp::from_seconds(0)),
        }
    }

    #[test]
    fn the_registrys_default_version() {
        /// Number, yanked, deleted.
        type Told = (&'static str, bool, bool);
        let cases: &[(&[Told], &str)] = &[
            (&[("1.9.0", false, false), ("1.10.0", false, false)], "1.10.0"),
            (&[("1.0.0", false, false), ("2.0.0-rc.1", false, false)], "1.0.0"),
            (&[("1.0.0", true, false), ("0.9.0-rc.1", false, false)], "0.9.0-rc.1"),
            (&[("1.0.0", true, false), ("2.0.0-rc.1", true, false)], "1.0.0"),
            (&[("1.0.0", true, false), ("2.0.0", false, true)], "1.0.0"),
            (&[("1.0.0", false, true), ("2.0.0-rc.1", false, true)], "1.0.0"),
            (&[("0.0.1-001", false, false)], "0.0.1-001"),
        ];
        for (versions, expected) in cases {
            let versions: Vec<_> =
                versions.iter().map(|(num, yanked, deleted)| version(num, *yanked, *deleted)).collect();
            assert_eq!(default_version(&versions).unwrap().num.as_str(), *expected, "{versions:?}");
        }
        assert!(default_version(&[]).is_none());
    }
}
