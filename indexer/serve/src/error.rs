//! What can go wrong: the room's own error, and what a client is told. Texts are JSON in the registry's own shape.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schema::{KrateName, VersionNum};
use serde_json::json;
use store::StoreError;

use crate::{RoomError, Standing};

/// A failure of the server itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The figures for Prometheus cannot be set up.
    #[error("cannot set up the figures")]
    Figures {
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a request has no answer; each is a status and a sentence.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: the request cannot be understood.
    #[error("{0}")]
    BadRequest(String),
    /// 401: whoever asks did not say who they are.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403: whoever asks may not.
    #[error("{0}")]
    Forbidden(String),
    /// 404: there is nothing under this address.
    #[error("{0}")]
    NotFound(String),
    /// 404: no such crate, with what is known instead: the indexes that are followed, and as of when.
    #[error("crate `{name}` is not known here, among {n_krates} crates")]
    UnknownKrate {
        /// As asked.
        name: String,
        /// How many crates are known.
        n_krates: u64,
        /// What is known, as of when.
        standing: Box<Standing>,
    },
    /// 404: the crate is known, and has no such release.
    #[error("crate `{name}` has no release {num} that was ever seen here")]
    UnknownVersion {
        /// The crate, in its published spelling.
        name: KrateName,
        /// The number asked for.
        num: VersionNum,
        /// What is known, as of when.
        standing: Box<Standing>,
    },
    /// 409: it cannot be done as things stand.
    #[error("{0}")]
    Conflict(String),
    /// 413: the body is larger than is taken.
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// 414: the address is longer than is taken.
    #[error("the address is longer than {0} bytes")]
    UriTooLong(usize),
    /// 429: too often.
    #[error("{0}")]
    TooMany(&'static str),
    /// 500: something stored cannot be read, or we failed otherwise.
    #[error("something went wrong here; it is recorded")]
    Internal,
    /// 503: the database does not answer. It is never an empty list.
    #[error("the database does not answer; ask again")]
    Away,
    /// 503: the database's file was taken from its place, so that nothing here is of the present.
    #[error("the database file is gone; nothing is answered until it is back")]
    FileGone,
    /// 503: no advisory database is loaded, so that nothing can be said about advisories.
    #[error("no advisory database is loaded, so nothing can be said about advisories")]
    NoAdvisories,
    /// 503: too much at once.
    #[error("too much is asked at once; ask again")]
    Busy,
    /// 503: the answer took too long.
    #[error("the answer took too long; ask again")]
    TooSlow,
}

/// Seconds after which to ask again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

impl ApiError {
    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::UnknownKrate { .. } | Self::UnknownVersion { .. } => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong(_) => StatusCode::URI_TOO_LONG,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Away | Self::FileGone | Self::NoAdvisories | Self::Busy | Self::TooSlow => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    const fn standing(&self) -> Option<&Standing> {
        match self {
            Self::UnknownKrate { standing, .. } | Self::UnknownVersion { standing, .. } => Some(standing),
            _ => None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut document = json!({ "errors": [{ "detail": self.to_string() }] });
        if let Some(standing) = self.standing() {
            document["as_of"] = json!(standing);
        }
        let mut response = (self.status(), axum::Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(error = in_one_line(&error), "the database failed to answer a request");
        match error {
            // What is stored and cannot be read will be no better the next time.
            StoreError::Unreadable { .. } => Self::Internal,
            StoreError::Gone { .. } => Self::FileGone,
            _ => Self::Away,
        }
    }
}

impl From<RoomError> for ApiError {
    fn from(error: RoomError) -> Self {
        tracing::warn!(error = in_one_line(&error), "another room failed to answer a request");
        match error {
            RoomError::Away(_) => Self::Away,
            RoomError::Busy => Self::Busy,
            RoomError::Unreadable { .. } => Self::Internal,
        }
    }
}

pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line = format!("{line}: {cause}");
        next = cause.source();
    }
    line
}

/// Nothing is under this address.
pub(crate) async fn no_such_page() -> ApiError {
    ApiError::NotFound("there is nothing under this address; /api/v1/openapi.json lists what there is".to_owned())
}

/// The address is one, but not for this method; the header `Allow` lists those it is for.
pub(crate) async fn method_not_allowed() -> Response {
    let document = json!({ "errors": [{ "detail": "this address does not take this method" }] });
    (StatusCode::METHOD_NOT_ALLOWED, axum::Json(document)).into_response()
}
