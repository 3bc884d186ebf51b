//! Advisories: those of a crate, those behind any id, and the releases they cover.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use schema::{CanonicalName, KrateName, Step};
use schemars::JsonSchema;
use serde::Serialize;
use store::{MatchRow, StoredAdvisory};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::entries::{AdvisoryEntry, AffectedRelease};
use crate::extract::{Asked, Segments, krate_name};
use crate::listing::{Meta, PageQuery};
use crate::openapi::described;
use crate::{ApiError, Service, Standing, answer};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(of_krate)).routes(routes!(by_id)).routes(routes!(versions))
}

/// What is known against a crate.
#[derive(Serialize, JsonSchema)]
struct KrateAdvisories {
    /// The crate, in its published spelling where it is known.
    name: KrateName,
    /// Whether releases of it are known here; without them there is no telling which are covered.
    indexed: bool,
    /// Releases that are not matched yet: until then the answer may lack some.
    pending: usize,
    /// A page of advisories, by id, each with what it covers.
    advisories: Vec<AdvisoryOfKrate>,
    /// The other pages.
    meta: Meta,
    /// What this rests on.
    as_of: Standing,
}

/// An advisory with the releases it covers.
#[derive(Serialize, JsonSchema)]
struct AdvisoryOfKrate {
    /// The advisory.
    #[serde(flatten)]
    advisory: AdvisoryEntry,
    /// Releases it covers, in version order, deleted ones included.
    versions: Vec<AffectedRelease>,
    /// Pre-releases of covered versions: not covered by the official rule, to be read with care.
    near: Vec<AffectedRelease>,
}

/// The advisories an id stands for.
#[derive(Serialize, JsonSchema)]
struct AdvisoriesAnswer {
    /// The id, as asked.
    query: String,
    /// The advisories; an alias may stand for several.
    advisories: Vec<AdvisoryEntry>,
    /// What this rests on.
    as_of: Standing,
}

/// The releases that the advisories of an id cover.
#[derive(Serialize, JsonSchema)]
struct VersionsAnswer {
    /// The id, as asked.
    query: String,
    /// A page of the covered releases, in version order, deleted ones included.
    versions: Vec<AffectedRelease>,
    /// Pre-releases of covered versions: not covered by the official rule, to be read with care.
    near: Vec<AffectedRelease>,
    /// Releases of the crates concerned that are not matched yet: until then the answer may lack some.
    pending: usize,
    /// Crates with these advisories of which no release is known here.
    not_indexed: Vec<String>,
    /// The other pages.
    meta: Meta,
    /// What this rests on.
    as_of: Standing,
}

described!(KrateAdvisories as Serialize, AdvisoriesAnswer as Serialize, VersionsAnswer as Serialize);

/// What is known against a crate
#[utoipa::path(
    get, path = "/api/v1/crates/{name}/advisories", operation_id = "crate_advisories", tag = "advisories",
    params(("name" = String, Path, description = "The crate, in any spelling.", pattern = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"), PageQuery),
    responses((status = 200, description = "Its advisories.", body = KrateAdvisories)),
)]
async fn of_krate(
    State(service): State<Arc<Service>>,
    Segments(text): Segments<String>,
    Asked(page): Asked<PageQuery>,
) -> Result<Response, ApiError> {
    let name = krate_name(&text)?;
    let as_of = service.with_advisories().await?;
    let mut stored = service.store.advisories_of(&name.canonical()).await?;
    let known = service.store.versions(&name.canonical()).await?;
    if known.is_none() && stored.is_empty() {
        return Err(service.unknown_krate(&text).await);
    }
    stored.sort_by(|a, b| a.facts.id.cmp(&b.facts.id));
    let (stored, meta) = page.cut(stored, |stored| mark(&stored.facts.id.0))?;
    let ids: Vec<_> = known.iter().flatten().map(|version| version.id).collect();
    let pending = service.store.open_marks(&ids, Step::Match).await?.len();
    let covered = service.covered(&stored).await?;
    let mut advisories = Vec::new();
    for one in &stored {
        let of_this = |rows: &[AffectedRelease]| -> Vec<_> {
            rows.iter().filter(|row| row.advisory == one.facts.id).cloned().collect()
        };
        advisories.push(AdvisoryOfKrate {
            advisory: AdvisoryEntry::new(&service, one)?,
            versions: of_this(&covered.versions),
            near: of_this(&covered.near),
        });
    }
    let published = known.as_ref().and_then(|versions| Some(versions.first()?.name.clone()));
    answer::json(&KrateAdvisories {
        name: published.unwrap_or(name),
        indexed: known.is_some(),
        pending,
        advisories,
        meta,
        as_of,
    })
}

/// The advisories that any id stands for
#[utoipa::path(
    get, path = "/api/v1/advisories/{id}", operation_id = "advisory", tag = "advisories",
    params(("id" = String, Path, description = "RUSTSEC-, CVE-, GHSA- or another alias, in any letter case.")),
    responses((status = 200, description = "The advisories.", body = AdvisoriesAnswer)),
)]
async fn by_id(State(service): State<Arc<Service>>, Segments(id): Segments<String>) -> Result<Response, ApiError> {
    let as_of = service.with_advisories().await?;
    let stored = service.advisories_behind(&id).await?;
    let advisories = stored.iter().map(|stored| AdvisoryEntry::new(&service, stored)).collect::<Result<_, _>>()?;
    answer::json(&AdvisoriesAnswer { query: id, advisories, as_of })
}

/// The releases that the advisories of an id cover
#[utoipa::path(
    get, path = "/api/v1/advisories/{id}/versions", operation_id = "advisory_versions", tag = "advisories",
    params(
        ("id" = String, Path, description = "RUSTSEC-, CVE-, GHSA- or another alias, in any letter case."),
        PageQuery,
    ),
    responses((status = 200, description = "The releases.", body = VersionsAnswer)),
)]
async fn versions(
    State(service): State<Arc<Service>>,
    Segments(id): Segments<String>,
    Asked(page): Asked<PageQuery>,
) -> Result<Response, ApiError> {
    let as_of = service.with_advisories().await?;
    let stored = service.advisories_behind(&id).await?;
    let Covered { versions, near, pending, not_indexed } = service.covered(&stored).await?;
    // By what it is, not by its place: when a match before it is taken back, nothing is passed over.
    let (versions, meta) =
        page.cut(versions, |version| format!("{}.{}", version.release.0, mark(&version.advisory.0)))?;
    answer::json(&VersionsAnswer { query: id, versions, near, pending, not_indexed, meta, as_of })
}

/// What some advisories cover.
#[derive(Default)]
struct Covered {
    versions: Vec<AffectedRelease>,
    near: Vec<AffectedRelease>,
    pending: usize,
    not_indexed: Vec<String>,
}

impl Service {
    /// What answers rest on, when anything can be said about advisories at all.
    pub(crate) async fn with_advisories(&self) -> Result<Standing, ApiError> {
        let standing = self.standing().await?;
        if standing.as_of.advisory_db.is_none() { Err(ApiError::NoAdvisories) } else { Ok(standing) }
    }

    /// The advisories an id stands for; one that nothing is known under is 404.
    async fn advisories_behind(&self, id: &str) -> Result<Vec<StoredAdvisory>, ApiError> {
        let stored = self.store.advisories_by_id(id).await?;
        if stored.is_empty() {
            return Err(ApiError::NotFound(format!("no advisory has the id {id:?}")));
        }
        Ok(stored)
    }

    async fn covered(&self, advisories: &[StoredAdvisory]) -> Result<Covered, ApiError> {
        let krates: BTreeSet<_> = advisories.iter().filter_map(|stored| stored.facts.krate.clone()).collect();
        let (mut covered, mut known) = (Covered::default(), BTreeMap::new());
        for krate in krates {
            let Some(releases) = self.store.releases(&krate).await? else {
                covered.not_indexed.push(krate.to_string());
                continue;
            };
            let all: Vec<_> = releases.iter().map(|release| release.id).collect();
            covered.pending += self.store.open_marks(&all, Step::Match).await?.len();
            known.insert(krate, releases);
        }
        // Read after what waits: what waits no more has its matches by then.
        let ids: Vec<_> = advisories.iter().map(|stored| stored.facts.id.clone()).collect();
        let mut of_krate: BTreeMap<CanonicalName, Vec<MatchRow>> = BTreeMap::new();
        for row in self.store.matched_by(&ids).await? {
            of_krate.entry(row.release.key.name.canonical()).or_default().push(row);
        }
        for (krate, rows) in of_krate {
            let asked: Vec<_> = rows.iter().map(|row| row.release.id).collect();
            let releases = known.get(&krate).map_or(&[][..], Vec::as_slice);
            let ways = self.rules.ways_out(&asked, &self.store.advisories_of(&krate).await?, releases)?;
            for row in rows {
                let list = if row.found.is_affected() { &mut covered.versions } else { &mut covered.near };
                let way_out = ways.get(&row.release.id).cloned();
                list.push(AffectedRelease::new(row, way_out.as_ref()));
            }
        }
        Ok(covered)
    }
}

/// An id as a mark of a page: what is no letter, digit or `-` in it is left out.
fn mark(id: &str) -> String {
    id.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '-').collect()
}
