//! The two files a page loads: one style sheet, one sign. Both are part of the program.

use std::sync::LazyLock;

use axum::http::HeaderValue;
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use crate::answer;

const STYLE: &str = include_str!("style.css");
const SIGN: &str = include_str!("favicon.svg");

/// The address changes with the content, so that a copy may be kept for ever.
static STYLE_ADDRESS: LazyLock<String> =
    LazyLock::new(|| format!("/assets/console.css?v={}", hex::encode(&Sha256::digest(STYLE)[..6])));
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const A_DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");

/// Where the style sheet is.
pub(super) fn style_address() -> &'static str {
    &STYLE_ADDRESS
}

pub(super) async fn style() -> Response {
    answer::bytes(STYLE.into(), HeaderValue::from_static("text/css; charset=utf-8"), FOR_EVER)
}

pub(super) async fn sign() -> Response {
    answer::bytes(SIGN.into(), HeaderValue::from_static("image/svg+xml"), A_DAY)
}
