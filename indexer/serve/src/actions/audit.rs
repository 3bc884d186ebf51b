//! The record of what staff did and tried, for staff.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use schema::Scope;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Staff;
use super::unkept;
use crate::extract::Asked;
use crate::{ApiError, Service};

/// Deeds of one answer.
const PAGE: u32 = 100;

pub(super) fn router() -> Router<Arc<Service>> {
    Router::new().route("/api/v1/actions/audit", get(audit))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: i64,
}

async fn audit(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Asked(page): Asked<Page>,
) -> Result<Response, ApiError> {
    Staff::allowed(&service, &headers, Scope::Read, None).await?;
    let deeds = service.store.deeds(page.after, PAGE).await?;
    let deeds: Vec<_> = deeds
        .into_iter()
        .map(|row| {
            let detail: Value = serde_json::from_str(&row.detail).unwrap_or_default();
            json!({ "id": row.id, "at": row.at, "token": row.deed.token, "actor": row.deed.actor,
                    "action": row.deed.action, "subject": row.deed.subject, "reason": row.deed.reason,
                    "outcome": row.outcome.as_str(), "detail": detail })
        })
        .collect();
    Ok(unkept(StatusCode::OK, &json!({ "audit": deeds })))
}
