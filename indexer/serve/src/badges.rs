//! Badges: an image or a document that says in one line what the row says, word for word.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use schema::{Badge, KrateName, Tone, VersionNum};
use serde_json::json;

use crate::api::{current, default_version};
use crate::extract::Segments;
use crate::{ApiError, Service, answer};

const SVG: HeaderValue = HeaderValue::from_static("image/svg+xml;charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// A badge stands on pages that are kept by others; so long they may keep it.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=60");
/// The same for readers that are told in the document: the least that shields takes.
const KEPT_SECONDS: u32 = 300;
const LABEL: &str = "provenance";

/// The routes of this file.
pub(crate) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/badges/{file}", get(of_krate))
        .route("/badges/{name}/{file}", get(of_release))
        .route("/badges/{name}/{version}/badge.json", get(document_of_release))
}

/// `NAME.svg`: the release that stands for the crate.
async fn of_krate(State(service): State<Arc<Service>>, Segments(file): Segments<String>) -> Result<Response, ApiError> {
    let Some(name) = file.strip_suffix(".svg") else { return Err(no_badge()) };
    Ok(image(service.badge(name, None).await))
}

/// `VERSION.svg`, or `badge.json` of the crate.
async fn of_release(
    State(service): State<Arc<Service>>,
    Segments((name, file)): Segments<(String, String)>,
) -> Result<Response, ApiError> {
    if file == "badge.json" {
        return document(service.badge(&name, None).await);
    }
    let Some(version) = file.strip_suffix(".svg") else { return Err(no_badge()) };
    Ok(image(service.badge(&name, Some(version)).await))
}

async fn document_of_release(
    State(service): State<Arc<Service>>,
    Segments((name, version)): Segments<(String, String)>,
) -> Result<Response, ApiError> {
    document(service.badge(&name, Some(&version)).await)
}

fn no_badge() -> ApiError {
    ApiError::NotFound("badges are NAME.svg, NAME/VERSION.svg, NAME/badge.json and NAME/VERSION/badge.json".to_owned())
}

/// What a badge shows.
enum Shown {
    /// What a row says.
    Row(Badge),
    /// There is no such crate or release here.
    Unknown(&'static str),
}

impl Service {
    async fn badge(&self, name: &str, version: Option<&str>) -> Result<Shown, ApiError> {
        // The moment is known before anything is said: a database that is gone says nothing.
        self.moment().await?;
        let Ok(name) = KrateName::parse(name) else { return Ok(Shown::Unknown("no such crate")) };
        let num = match version.map(VersionNum::parse).transpose() {
            Ok(Some(num)) => num,
            Ok(None) => {
                let versions = self.store.versions(&name.canonical()).await?.unwrap_or_default();
                let Some(standing) = default_version(&versions) else {
                    return Ok(Shown::Unknown("crate not known here"));
                };
                standing.num.clone()
            }
            Err(_) => return Ok(Shown::Unknown("no such version")),
        };
        let rows = self.rows_of_number(&name, &num).await?;
        Ok(current(&rows).map_or(Shown::Unknown("version not known here"), |row| Shown::Row(row.badge.clone())))
    }
}

/// An image always has a body that is one, so that a page shows words and no broken picture. What is not known is 200 all the
/// same: proxies of pictures pass nothing else on. Only a database that is away keeps its status.
fn image(shown: Result<Shown, ApiError>) -> Response {
    let mut response = drawn(shown);
    // A picture that is opened as a page is still no page.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn drawn(shown: Result<Shown, ApiError>) -> Response {
    match shown {
        Ok(Shown::Row(badge)) => answer::bytes(export::badge_svg(&badge).into_bytes(), SVG, KEPT),
        Ok(Shown::Unknown(words)) => answer::bytes(export::badge_svg(&saying(words)).into_bytes(), SVG, KEPT),
        Err(error) => {
            let refused = error.into_response();
            let (mut parts, _) = refused.into_parts();
            parts.headers.insert(header::CONTENT_TYPE, SVG);
            parts.headers.remove(header::CONTENT_LENGTH);
            let body = export::badge_svg(&saying("not available now"));
            Response::from_parts(parts, body.into())
        }
    }
}

/// In the endpoint format of shields.io, <https://shields.io/badges/endpoint-badge>.
fn document(shown: Result<Shown, ApiError>) -> Result<Response, ApiError> {
    let (badge, is_error) = match shown? {
        Shown::Row(badge) => (badge, false),
        Shown::Unknown(words) => (saying(words), true),
    };
    let mut document = export::shields(&badge);
    document["cacheSeconds"] = json!(KEPT_SECONDS);
    if is_error {
        document["isError"] = json!(true);
    }
    let mut response = answer::bytes(document.to_string().into_bytes(), JSON, KEPT);
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

fn saying(words: &str) -> Badge {
    Badge { label: LABEL.to_owned(), message: words.to_owned(), tone: Tone::Neutral }
}
