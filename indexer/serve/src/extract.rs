//! Names, numbers and queries as they come in: any spelling is taken, and what cannot be one is refused in our own words.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use schema::{KrateName, VersionNum};
use serde::de::DeserializeOwned;

use crate::{ApiError, Service};

/// Parts of the path, or 400 in our own shape.
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let taken: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        taken.map(|Path(segments)| Self(segments)).map_err(|why| ApiError::BadRequest(why.body_text()))
    }
}

/// The query, or 400 in our own shape.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let taken: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        taken.map(|Query(query)| Self(query)).map_err(|why| ApiError::BadRequest(why.body_text()))
    }
}

/// The bytes of a body, up to the limit of the options.
pub(crate) struct Body(pub(crate) Bytes);

/// Why a body is not taken.
pub(crate) enum BodyRefused {
    /// Larger than the limit, in bytes.
    TooLarge(usize),
    /// It broke off, or is none.
    Unreadable(String),
}

impl IntoResponse for BodyRefused {
    fn into_response(self) -> Response {
        match self {
            Self::TooLarge(limit) => ApiError::BodyTooLarge(limit).into_response(),
            Self::Unreadable(why) => ApiError::BadRequest(why).into_response(),
        }
    }
}

impl FromRequest<Arc<Service>> for Body {
    type Rejection = BodyRefused;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, BodyRefused> {
        let limit = service.options.max_body;
        let promised = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        // What says that it is too large is not read at all.
        if promised.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
            return Err(BodyRefused::TooLarge(limit));
        }
        let read = Bytes::from_request(request, service).await;
        read.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => BodyRefused::TooLarge(limit),
            _ => BodyRefused::Unreadable(rejection.body_text()),
        })
    }
}

/// A crate's name, in any spelling. What cannot be the name of a crate is no crate that we know: 404.
pub(crate) fn krate_name(text: &str) -> Result<KrateName, ApiError> {
    KrateName::parse(text).map_err(|why| ApiError::NotFound(format!("there is no such crate: {why}")))
}

/// A version number; what cannot be one is 400.
pub(crate) fn version_num(text: &str) -> Result<VersionNum, ApiError> {
    VersionNum::parse(text).map_err(|why| ApiError::BadRequest(why.to_string()))
}
