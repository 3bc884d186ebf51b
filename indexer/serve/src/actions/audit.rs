//! The record of what staff did and tried, for staff.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schema::{Scope, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::DeedRow;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Staff;
use super::unkept;
use crate::extract::Asked;
use crate::openapi::described;
use crate::{ApiError, Service};

/// Deeds of one answer.
const PAGE: u32 = 100;

pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(audit))
}

/// Which deeds are wanted.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// Only those with a higher number; 0 when not given.
    #[serde(default)]
    after: i64,
}

/// A piece of the record.
#[derive(Serialize, JsonSchema)]
struct AuditAnswer {
    /// Deeds by number, a hundred at most; ask on with the last number as `after`.
    audit: Vec<DeedEntry>,
}

/// Something that somebody did or tried.
#[derive(Serialize, JsonSchema)]
struct DeedEntry {
    /// Its number; grows.
    id: i64,
    /// When it began.
    at: Timestamp,
    /// The number of the token; `null`: at the command line.
    token: Option<i64>,
    /// The token's name.
    actor: String,
    /// What.
    action: String,
    /// With what.
    subject: String,
    /// Why, in their words. Other people's text.
    reason: String,
    /// `begun` (nobody said how it ended), `done`, `planned`, `refused` or `failed`.
    outcome: &'static str,
    /// More about it.
    detail: Value,
}

impl From<DeedRow> for DeedEntry {
    fn from(row: DeedRow) -> Self {
        let detail = serde_json::from_str(&row.detail).unwrap_or_default();
        let store::DeedWrite { token, actor, action, subject, reason } = row.deed;
        Self { id: row.id, at: row.at, token, actor, action, subject, reason, outcome: row.outcome.as_str(), detail }
    }
}

described!(AuditAnswer as Serialize);

/// What staff did and tried
///
/// Needs a token with the scope `read`.
#[utoipa::path(
    get, path = "/api/v1/actions/audit", operation_id = "audit", tag = "staff", params(Page),
    security(("token" = [])),
    responses((status = 200, description = "A piece of the record.", body = AuditAnswer)),
)]
async fn audit(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Asked(page): Asked<Page>,
) -> Result<Response, ApiError> {
    Staff::allowed(&service, &headers, Scope::Read, None).await?;
    let audit = service.store.deeds(page.after, PAGE).await?.into_iter().map(DeedEntry::from).collect();
    Ok(unkept(StatusCode::OK, &AuditAnswer { audit }))
}
