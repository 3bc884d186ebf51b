//! What came of looking at a finding: said by somebody, kept beside the finding, which stays what it is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schema::{KrateName, Release, Scope, Timestamp, VersionNum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{ReviewRow, ReviewWrite};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Known, Staff};
use super::{Deed, Done, Noted, read, reason, unkept};
use crate::extract::{Body, Segments, krate_name, version_num};
use crate::openapi::described;
use crate::{ApiError, Service};

/// What can be said of a finding.
const STATES: [&str; 4] = ["open", "accepted", "rejected", "watching"];

/// The longest code of a finding that is looked for, in bytes; those there are have some dozen.
const MAX_FINDING: usize = 200;

pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(review)).routes(routes!(reviews))
}

/// What is said of a finding.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReviewWanted {
    /// The crate, in any spelling.
    name: String,
    /// The version.
    num: String,
    /// The code of the finding, or of the reason for the verdict.
    finding: String,
    /// `open`, `accepted`, `rejected` or `watching`.
    state: String,
    /// Why; 1 to 1,000 characters.
    reason: String,
}

/// What was said.
#[derive(Serialize, JsonSchema)]
struct Reviewed {
    /// The number of the review.
    review: i64,
    /// The state that was said.
    state: String,
}

/// Everything that was said of the findings of a release.
#[derive(Serialize, JsonSchema)]
struct ReviewsAnswer {
    /// The reviews, oldest first: the last of each finding stands.
    reviews: Vec<ReviewEntry>,
}

/// What somebody said of a finding.
#[derive(Serialize, JsonSchema)]
struct ReviewEntry {
    /// Its number.
    id: i64,
    /// The code of the finding.
    finding: String,
    /// `open`, `accepted`, `rejected` or `watching`.
    state: String,
    /// Why. Other people's text.
    reason: String,
    /// The number of the token it was said with.
    token: i64,
    /// When.
    at: Timestamp,
}

impl From<ReviewRow> for ReviewEntry {
    fn from(row: ReviewRow) -> Self {
        let ReviewWrite { finding, state, reason, token, .. } = row.review;
        Self { id: row.id, finding, state, reason, token, at: row.at }
    }
}

type ReviewAnswer = Noted<Reviewed>;

described!(ReviewWanted as Deserialize, ReviewAnswer as Serialize, ReviewsAnswer as Serialize);

/// Says what came of looking at a finding
///
/// It is kept beside the finding, which stays what it is. Needs a token with the scope `advisory` for the crate.
#[utoipa::path(
    post, path = "/api/v1/actions/review", operation_id = "review", tag = "staff", request_body = ReviewWanted,
    security(("token" = [])),
    responses((status = 200, description = "It is kept.", body = ReviewAnswer)),
)]
async fn review(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    _: Known,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let said: ReviewWanted = read(&body)?;
    let (name, num) = (krate_name(&said.name)?, version_num(&said.num)?);
    if !STATES.contains(&said.state.as_str()) {
        return Err(ApiError::BadRequest(format!("`state` is one of {}", STATES.join(", "))));
    }
    if said.finding.len() > MAX_FINDING {
        return Err(ApiError::BadRequest(format!("`finding` is the code of one, at most {MAX_FINDING} bytes")));
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
        Ok(Done::told(Reviewed { review: id, state: said.state.clone() }))
    };
    service.deed(&headers, deed, act).await
}

/// Everything that was said of the findings of a release
///
/// Needs a token with the scope `read` for the crate.
#[utoipa::path(
    get, path = "/api/v1/actions/reviews/{name}/{version}", operation_id = "reviews", tag = "staff",
    params(
        ("name" = String, Path, description = "The crate, in any spelling.", pattern = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
        ("version" = String, Path, description = "The version number."),
    ),
    security(("token" = [])),
    responses((status = 200, description = "The reviews.", body = ReviewsAnswer)),
)]
async fn reviews(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Segments((name, num)): Segments<(String, String)>,
) -> Result<Response, ApiError> {
    let (name, num) = (krate_name(&name)?, version_num(&num)?);
    Staff::allowed(&service, &headers, Scope::Read, Some(&name.canonical())).await?;
    let release = service.last(&name, &num).await?;
    let reviews = service.store.reviews(release.id).await?.into_iter().map(ReviewEntry::from).collect();
    Ok(unkept(StatusCode::OK, &ReviewsAnswer { reviews }))
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
