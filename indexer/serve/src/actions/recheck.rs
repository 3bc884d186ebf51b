//! Having releases looked at again, and what was given up tried again. Both only mark.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use schema::{Priority, ReleaseId, Scope, Step};
use serde::Deserialize;
use serde_json::json;
use store::ArchiveState;

use super::{Deed, Done, read, reason_if_any, subject};
use crate::extract::Body;
use crate::{ApiError, Service};

pub(super) fn router() -> Router<Arc<Service>> {
    Router::new().route("/api/v1/actions/recheck", post(recheck)).route("/api/v1/actions/retry", post(retry))
}

/// Why nothing is marked where no release is left.
const GONE: &str = "it is gone from the index, and what is gone is not looked at again";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    num: Option<String>,
    #[serde(default)]
    reason: String,
}

/// Marks the source check of releases due; what was never fetched is fetched first.
pub(crate) async fn recheck(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let wanted: Wanted = read(&body)?;
    let (name, num) = subject(&wanted.name, wanted.num.as_deref())?;
    let krate = name.canonical();
    let deed = Deed {
        action: "recheck",
        scope: Scope::Recheck,
        krate: Some(&krate),
        subject: words(&wanted),
        reason: reason_if_any(&wanted.reason)?,
    };
    let act = async |_: &_| {
        let releases = service.meant(&name, num.as_ref()).await?;
        let ids: Vec<_> = releases.iter().map(|release| release.id).collect();
        let states = service.store.archive_states(&ids).await?;
        let held: HashSet<_> =
            states.into_iter().filter(|(_, state)| *state == ArchiveState::Ok).map(|(id, _)| id).collect();
        let (checked, fetched): (Vec<ReleaseId>, Vec<ReleaseId>) =
            ids.iter().copied().partition(|id| held.contains(id));
        let now = service.now();
        service.store.mark(&checked, Step::Verify, Priority::FRESH, now).await?;
        service.store.mark(&fetched, Step::Download, Priority::FRESH, now).await?;
        // The row says that it waits.
        service.store.mark(&ids, Step::Publish, Priority::FRESH, now).await?;
        let why = ids.is_empty().then_some(GONE);
        Ok(Done::told(json!({ "marked": { "verify": checked.len(), "download": fetched.len() }, "why_none": why })))
    };
    service.deed(&headers, deed, act).await
}

/// Revives what was given up.
pub(crate) async fn retry(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let wanted: Wanted = read(&body)?;
    let (name, num) = subject(&wanted.name, wanted.num.as_deref())?;
    let krate = name.canonical();
    let deed = Deed {
        action: "retry",
        scope: Scope::Recheck,
        krate: Some(&krate),
        subject: words(&wanted),
        reason: reason_if_any(&wanted.reason)?,
    };
    let act = async |_: &_| {
        let releases = service.meant(&name, num.as_ref()).await?;
        let ids: Vec<_> = releases.iter().map(|release| release.id).collect();
        let revived = service.store.revive(Some(&ids), service.now()).await?;
        let why = match revived {
            0 if ids.is_empty() => Some(GONE),
            0 => Some("nothing of it was given up"),
            _ => None,
        };
        Ok(Done::told(json!({ "revived": revived, "why_none": why })))
    };
    service.deed(&headers, deed, act).await
}

fn words(wanted: &Wanted) -> String {
    match &wanted.num {
        Some(num) => format!("{}@{num}", wanted.name),
        None => wanted.name.clone(),
    }
}
