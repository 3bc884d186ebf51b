//! The console for staff: pages made here as HTML, without a script. They show what the memory holds and decide nothing.

mod about;
mod act;
mod advisories;
mod assets;
mod changes;
mod chart;
mod compare;
mod dependents;
mod evidence;
mod files;
mod findings;
mod frame;
mod jobs;
mod krate;
mod overview;
mod past;
mod release;
mod search;
mod table;
mod text;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{get, post};

use crate::Service;

/// What these begin with is read by programs: an error there stays JSON, whoever asks.
const FOR_PROGRAMS: [&str; 8] =
    ["/api/", "/packages/", "/badges/", "/hooks/", "/livez", "/readyz", "/status", "/metrics"];
/// The largest error that is read again to be shown.
const LARGEST_ERROR: usize = 64 << 10;

/// The routes of the console.
pub(crate) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/", get(overview::page))
        .route("/search", get(search::page))
        .route("/crates/{name}", get(krate::page))
        .route("/crates/{name}/dependents", get(dependents::page))
        .route("/crates/{name}/diff", get(compare::page))
        .route("/crates/{name}/{version}", get(release::page))
        .route("/crates/{name}/{version}/recheck", post(act::look_again))
        .route("/crates/{name}/{version}/retry", post(act::try_again))
        .route("/advisories", get(advisories::list))
        .route("/advisories/{id}", get(advisories::one))
        .route("/changes", get(changes::page))
        .route("/jobs", get(jobs::page))
        .route("/about", get(about::page))
        .route("/favicon.svg", get(assets::sign))
        .route("/assets/console.css", get(assets::style))
}

/// Shows an error as a page to those who asked for one.
pub(crate) async fn errors_as_pages(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let wants = wants_page(request.headers()) && !FOR_PROGRAMS.iter().any(|program| path.starts_with(program));
    let response = next.run(request).await;
    let status = response.status();
    if !wants || !(status.is_client_error() || status.is_server_error()) || !is_json(response.headers()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, LARGEST_ERROR).await.unwrap_or_default();
    let document: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let sentence = document["errors"][0]["detail"].as_str().unwrap_or("something went wrong here; it is recorded");
    let mut page = frame::error_page(&service, status, sentence).await;
    for name in [header::RETRY_AFTER, header::ALLOW] {
        if let Some(value) = parts.headers.get(&name) {
            page.headers_mut().insert(name, value.clone());
        }
    }
    page
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.into_iter().any(|text| text.contains("text/html"))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.contains("json"))
}
