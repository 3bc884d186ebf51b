//! `GET /packages/NAME.json`: what the registry's own pages fetch for their security tab and the banner of unmaintained crates,
//! an array of OSV records, here with the ranges and the versions that the original leaves out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::get;
use export::{PackageAdvisory, VersionState};
use schema::{AdvisoryMatch, AdvisoryState, CanonicalName, ReleaseId, Step};
use serde_json::Value;
use store::{Store, VersionRow};

use crate::api::reported;
use crate::extract::{Segments, krate_name};
use crate::{ApiError, Rules, Service, answer};

/// Whether what the answer rests on is older than its limit; the array has no room for it.
const STALE: HeaderName = HeaderName::from_static("provenance-stale");
/// The commit of the advisory database.
const COMMIT: HeaderName = HeaderName::from_static("provenance-advisory-db");

/// The routes of this file.
pub(crate) fn router() -> Router<Arc<Service>> {
    Router::new().route("/packages/{file}", get(package))
}

/// 404 only where the registry's pages may read it as "no advisories": a crate that is not known here and has none. A crate
/// that is known and has none is an empty array.
async fn package(State(service): State<Arc<Service>>, Segments(file): Segments<String>) -> Result<Response, ApiError> {
    let Some(text) = file.strip_suffix(".json") else {
        return Err(ApiError::NotFound("a package is NAME.json".to_owned()));
    };
    let name = krate_name(text)?;
    let standing = service.with_advisories().await?;
    let Some(records) = package_records(service.store.as_ref(), service.rules.as_ref(), &name.canonical()).await?
    else {
        return Err(service.unknown_krate(text).await);
    };
    let mut response = answer::json(&records)?;
    let headers = response.headers_mut();
    headers.insert(STALE, HeaderValue::from_static(if standing.stale { "true" } else { "false" }));
    let commit = standing.as_of.advisory_db.and_then(|db| HeaderValue::from_str(&db.commit).ok());
    headers.extend(commit.map(|commit| (COMMIT, commit)));
    Ok(response)
}

/// The records of a crate, by advisory; `None` for a crate that is not known and that no advisory names. The static export
/// writes the same.
///
/// # Errors
/// When the store fails or a stored text cannot be read.
pub async fn package_records(
    store: &dyn Store,
    rules: &dyn Rules,
    canonical: &CanonicalName,
) -> Result<Option<Vec<Value>>, ApiError> {
    let mut stored = store.advisories_of(canonical).await?;
    let versions = store.versions(canonical).await?;
    if stored.is_empty() && versions.is_none() {
        return Ok(None);
    }
    stored.sort_by(|a, b| a.facts.id.cmp(&b.facts.id));
    let versions = versions.unwrap_or_default();
    let ids: Vec<_> = versions.iter().map(|version| version.id).collect();
    let open: HashSet<_> = store.open_marks(&ids, Step::Match).await?.iter().map(|mark| mark.release).collect();
    let matches = store.matches(&ids).await?;
    let records = stored.iter().map(|one| {
        let found: HashMap<_, _> =
            matches.iter().filter(|found| found.advisory == one.facts.id).map(|found| (found.release, found)).collect();
        let states = versions.iter().map(|version| state_of(version, found.get(&version.id).copied(), &open)).collect();
        let description = rules.reading(one)?.description;
        let advisory = reported(rules, one, Vec::new())?;
        Ok(export::package_osv(&PackageAdvisory { advisory, description, states }))
    });
    records.collect::<Result<_, ApiError>>().map(Some)
}

fn state_of(version: &VersionRow, found: Option<&AdvisoryMatch>, open: &HashSet<ReleaseId>) -> VersionState {
    let state = match found {
        // What covered it stands until another match says otherwise; only that nothing does is not said while it waits.
        Some(found) if found.is_affected() => AdvisoryState::Affected,
        _ if open.contains(&version.id) => AdvisoryState::Pending,
        None if version.num.semver().is_none() => AdvisoryState::Unknown,
        Some(_) | None => AdvisoryState::NoneKnown,
    };
    VersionState {
        num: version.num.clone(),
        generation: version.generation,
        state,
        yanked: version.yanked,
        deleted_at: version.deleted_at,
        flags: found.map(|found| found.flags.clone()).unwrap_or_default(),
    }
}
