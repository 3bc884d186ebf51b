//! `GET /packages/NAME.json`: what the registry's own pages fetch for their security tab and the banner of unmaintained crates,
//! an array of OSV records, here with the ranges and the versions that the original leaves out.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::get;
use export::{PackageAdvisory, VersionState};
use schema::{AdvisoryState, Step};

use crate::extract::{Segments, krate_name};
use crate::{ApiError, Service, answer};

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
    let mut stored = service.store.advisories_of(&name.canonical()).await?;
    let versions = service.store.versions(&name.canonical()).await?;
    if stored.is_empty() && versions.is_none() {
        return Err(service.unknown_krate(text).await);
    }
    stored.sort_by(|a, b| a.facts.id.cmp(&b.facts.id));
    let versions = versions.unwrap_or_default();
    let ids: Vec<_> = versions.iter().map(|version| version.id).collect();
    let open: Vec<_> = service.store.open_marks(&ids, Step::Match).await?.iter().map(|mark| mark.release).collect();
    let matches = service.store.matches(&ids).await?;
    let mut records = Vec::new();
    for one in &stored {
        let of_this = matches.iter().filter(|found| found.advisory == one.facts.id);
        let of_this: Vec<_> = of_this.collect();
        let states = versions.iter().map(|version| {
            let found = of_this.iter().find(|found| found.release == version.id);
            let state = match found {
                _ if open.contains(&version.id) => AdvisoryState::Pending,
                None if version.num.semver().is_none() => AdvisoryState::Unknown,
                Some(found) if found.is_affected() => AdvisoryState::Affected,
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
        });
        let advisory = service.reported(one, Vec::new())?;
        let description = service.rules.reading(one)?.description;
        let states = states.collect();
        records.push(export::package_osv(&PackageAdvisory { advisory, description, states }));
    }
    let mut response = answer::json(&records)?;
    let headers = response.headers_mut();
    headers.insert(STALE, HeaderValue::from_static(if standing.stale { "true" } else { "false" }));
    let commit = standing.as_of.advisory_db.and_then(|db| HeaderValue::from_str(&db.commit).ok());
    headers.extend(commit.map(|commit| (COMMIT, commit)));
    Ok(response)
}
