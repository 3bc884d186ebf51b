//! Having releases looked at again, and what was given up tried again. Both only mark.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use schema::{Priority, ReleaseId, Scope, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::ArchiveState;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Known;
use super::{Deed, Done, Noted, read, reason_if_any, subject};
use crate::extract::Body;
use crate::openapi::described;
use crate::{ApiError, Service};

pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(recheck)).routes(routes!(retry))
}

/// Why nothing is tried again where there is something: work that waits for its time needs no asking for.
pub const NOTHING_GIVEN_UP: &str = "nothing of it was given up";

/// Why nothing is marked where no release is left.
const GONE: &str = "it is gone from the index, and what is gone is not looked at again";

/// Which releases are meant, and why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReleasesMeant {
    /// The crate, in any spelling.
    name: String,
    /// The version; without it every release of the crate.
    num: Option<String>,
    /// Why, for the record; at most 1,000 characters.
    #[serde(default)]
    reason: String,
}

/// What was marked to be looked at again.
#[derive(Serialize, JsonSchema)]
struct Rechecked {
    /// Releases marked, by step.
    marked: Marked,
    /// Why none was; `null` where some were.
    why_none: Option<&'static str>,
}

/// Releases marked, by step.
#[derive(Serialize, JsonSchema)]
struct Marked {
    /// For a source check.
    verify: usize,
    /// For a download first: their archives were never fetched.
    download: usize,
}

/// What is tried again.
#[derive(Serialize, JsonSchema)]
struct Retried {
    /// Steps that had been given up and are due again.
    revived: u64,
    /// Why there are none; `null` where there are some.
    why_none: Option<&'static str>,
}

type RecheckAnswer = Noted<Rechecked>;
type RetryAnswer = Noted<Retried>;

described!(ReleasesMeant as Deserialize, RecheckAnswer as Serialize, RetryAnswer as Serialize);

/// Has releases looked at again
///
/// Marks their source check due; what was never fetched is fetched first. Needs a token with the scope `recheck` for the crate.
#[utoipa::path(
    post, path = "/api/v1/actions/recheck", operation_id = "recheck", tag = "staff", request_body = ReleasesMeant,
    security(("token" = [])),
    responses((status = 200, description = "How many were marked.", body = RecheckAnswer)),
)]
pub(crate) async fn recheck(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    _: Known,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let wanted: ReleasesMeant = read(&body)?;
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
        let marked = Marked { verify: checked.len(), download: fetched.len() };
        Ok(Done::told(Rechecked { marked, why_none: ids.is_empty().then_some(GONE) }))
    };
    service.deed(&headers, deed, act).await
}

/// Tries again what was given up
///
/// Needs a token with the scope `recheck` for the crate.
#[utoipa::path(
    post, path = "/api/v1/actions/retry", operation_id = "retry", tag = "staff", request_body = ReleasesMeant,
    security(("token" = [])),
    responses((status = 200, description = "How much is due again.", body = RetryAnswer)),
)]
pub(crate) async fn retry(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    _: Known,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let wanted: ReleasesMeant = read(&body)?;
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
        let why_none = match revived {
            0 if ids.is_empty() => Some(GONE),
            0 => Some(NOTHING_GIVEN_UP),
            _ => None,
        };
        Ok(Done::told(Retried { revived, why_none }))
    };
    service.deed(&headers, deed, act).await
}

fn words(wanted: &ReleasesMeant) -> String {
    match &wanted.num {
        Some(num) => format!("{}@{num}", wanted.name),
        None => wanted.name.clone(),
    }
}
