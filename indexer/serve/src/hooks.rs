//! `POST /hooks/index-change`: somebody says that the index changed. It is a hint: nothing of it is believed or read, the
//! follower looks for itself.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use schema::Secret;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::{ApiError, Service};

/// The routes of this file.
pub(crate) fn router() -> Router<Arc<Service>> {
    Router::new().route("/hooks/index-change", post(index_change))
}

/// When the follower was last nudged, and whether a nudge is on its way.
#[derive(Debug, Default)]
pub(crate) struct Nudges {
    last: Option<Instant>,
    is_waiting: bool,
}

/// 202 for whoever knows the secret. More hints than one in a while are one.
async fn index_change(State(service): State<Arc<Service>>, headers: HeaderMap) -> Result<Response, ApiError> {
    let (Some(secret), Some(nudge)) = (&service.options.hook_secret, &service.nudge) else {
        return Err(ApiError::NotFound("no hints are taken here: nobody in this process follows the index".to_owned()));
    };
    if !knows(&headers, secret) {
        return Err(ApiError::Unauthorized("hints are taken from those who know the secret"));
    }
    let every = service.options.hook_every;
    let now = Instant::now();
    let pause = {
        let mut nudges = service.nudges.lock().unwrap_or_else(PoisonError::into_inner);
        let next = nudges.last.map_or(now, |last| last + every);
        let pause = (!nudges.is_waiting).then(|| next.saturating_duration_since(now));
        nudges.is_waiting = true;
        pause
    };
    if let Some(pause) = pause {
        let (service, nudge) = (Arc::clone(&service), Arc::clone(nudge));
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            *service.nudges.lock().unwrap_or_else(PoisonError::into_inner) =
                Nudges { last: Some(Instant::now()), is_waiting: false };
            nudge.nudge();
        });
    }
    let keep = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::ACCEPTED, keep, axum::Json(json!({ "accepted": true }))).into_response())
}

/// Compares digests, so that the time it takes tells nothing of the secret.
fn knows(headers: &HeaderMap, secret: &Secret) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    !secret.reveal().is_empty() && Sha256::digest(given.trim()) == Sha256::digest(secret.reveal())
}

/// The state of hints as the service holds it.
pub(crate) type HeldNudges = Mutex<Nudges>;
