//! A document as an answer: JSON, with a validator and how long it may be kept.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::ApiError;

/// So long a copy may be shown without asking: what is known may be different a moment later.
pub(crate) const SHORT: HeaderValue = HeaderValue::from_static("public, max-age=10");

/// A document as an answer.
///
/// # Errors
/// When it cannot be written as JSON, which no type of ours does.
pub(crate) fn json<T: Serialize>(document: &T) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(document).map_err(|error| {
        tracing::error!(error = error.to_string(), "a document could not be written");
        ApiError::Internal
    })?;
    Ok(bytes(body, HeaderValue::from_static("application/json"), SHORT))
}

/// Bytes of a kind as an answer.
pub(crate) fn bytes(body: Vec<u8>, kind: HeaderValue, keep: HeaderValue) -> Response {
    let tag = etag(&body);
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, keep);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// A weak validator: the same text compressed is the same answer.
fn etag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("W/\"{}\"", hex::encode(&digest[..16]))
}
