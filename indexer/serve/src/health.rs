//! `/livez`, `/readyz`, `/status`: is the process there, are its answers to be relied on, how far is everything.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::{ApiError, Service};

/// The routes of this file.
pub(crate) fn router() -> Router<Arc<Service>> {
    Router::new().route("/livez", get(livez)).route("/readyz", get(readyz)).route("/status", get(status))
}

/// The process answers; nothing else is asked.
async fn livez() -> Response {
    unkept(StatusCode::OK, &json!({ "alive": true }))
}

/// 503 when the database is away, or an index is not followed: what `status --check` says. Old advisories are told of, here and in
/// every answer, and take no server away.
async fn readyz(State(service): State<Arc<Service>>) -> Response {
    let moment = match service.moment().await {
        Ok(moment) => moment,
        Err(error) => return ApiError::from(error).into_response(),
    };
    let ready = moment.standing.ready;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    unkept(status, &json!({ "ready": ready, "troubles": moment.standing.troubles, "as_of": moment.standing }))
}

/// What waits, what was given up, what cannot be read.
async fn status(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    let moment = service.moment().await?;
    let work: Vec<_> = service
        .store
        .counts()
        .await?
        .iter()
        .map(|count| {
            json!({ "step": count.step, "waiting": count.waiting, "retrying": count.retrying, "dead": count.dead })
        })
        .collect();
    let last = service.store.last_number().await?;
    let document = json!({
        "as_of": moment.standing, "work": work, "last_event": last,
        "quarantined": service.store.quarantined().await?.len(),
    });
    Ok(unkept(StatusCode::OK, &document))
}

/// An answer about this very moment, which nobody may keep.
fn unkept(status: StatusCode, document: &serde_json::Value) -> Response {
    let keep = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, keep, axum::Json(document)).into_response()
}
