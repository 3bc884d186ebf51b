//! What came of looking at a finding: said by somebody, kept beside the finding, which stays what it is.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use schema::{KrateName, Release, Scope, VersionNum};
use serde::Deserialize;
use serde_json::json;
use store::ReviewWrite;

use super::access::Staff;
use super::{Deed, Done, read, reason, unkept};
use crate::extract::{Body, Segments, krate_name, version_num};
use crate::{ApiError, Service};

/// What can be said of a finding.
const STATES: [&str; 4] = ["open", "accepted", "rejected", "watching"];

pub(super) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/api/v1/actions/review", post(review))
        .route("/api/v1/actions/reviews/{name}/{version}", get(reviews))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    name: String,
    num: String,
    finding: String,
    state: String,
    reason: String,
}

async fn review(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let said: Said = read(&body)?;
    let (name, num) = (krate_name(&said.name)?, version_num(&said.num)?);
    if !STATES.contains(&said.state.as_str()) {
        return Err(ApiError::BadRequest(format!("`state` is one of {}", STATES.join(", "))));
    }
    let krate = name.canonical();
    let deed = Deed {
        action: "review",
        scope: Scope::Advisory,
        krate: Some(&krate),
        subject: format!("{name}@{num} {}", said.finding),
        reason: reason(&said.reason)?,
    };
    let act = async |staff: &Staff| {
        let release = service.last(&name, &num).await?;
        let rows = service.store.rows_of(&[release.id]).await?;
        let has = rows.iter().any(|(_, row)| {
            row.finding_codes.contains(&said.finding)
                || row.source.reasons.iter().any(|reason| reason.code == said.finding)
        });
        if !has {
            let finding = &said.finding;
            return Err(ApiError::NotFound(format!("{} has no finding or reason `{finding}`", release.key)));
        }
        let review = ReviewWrite {
            release: release.id,
            finding: said.finding.clone(),
            state: said.state.clone(),
            reason: said.reason.trim().to_owned(),
            token: staff.id,
        };
        let id = service.store.add_review(&review, service.now()).await?;
        Ok(Done::done(json!({ "review": id, "state": said.state })))
    };
    service.deed(&headers, deed, act).await
}

/// Everything that was said of the findings of a release.
async fn reviews(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Segments((name, num)): Segments<(String, String)>,
) -> Result<Response, ApiError> {
    let (name, num) = (krate_name(&name)?, version_num(&num)?);
    Staff::allowed(&service, &headers, Scope::Read, Some(&name.canonical())).await?;
    let release = service.last(&name, &num).await?;
    let reviews: Vec<_> = service
        .store
        .reviews(release.id)
        .await?
        .into_iter()
        .map(|row| {
            json!({ "id": row.id, "finding": row.review.finding, "state": row.review.state,
                    "reason": row.review.reason, "token": row.review.token, "at": row.at })
        })
        .collect();
    Ok(unkept(StatusCode::OK, &json!({ "reviews": reviews })))
}

impl Service {
    /// The archive that bears a number now, or else the last one that did.
    async fn last(&self, name: &KrateName, num: &VersionNum) -> Result<Release, ApiError> {
        let releases = self.store.releases(&name.canonical()).await?.unwrap_or_default();
        let of_num = releases.into_iter().filter(|release| release.key.num == *num);
        let last = of_num.max_by_key(|release| (release.deleted_at.is_none(), release.key.generation));
        last.ok_or_else(|| ApiError::NotFound(format!("{name}@{num} was never seen here")))
    }
}
