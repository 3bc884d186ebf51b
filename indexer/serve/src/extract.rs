//! Names, numbers and queries as they come in: any spelling is taken, and what cannot be one is refused in our own words.

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use bytes::Bytes;
use schema::{KrateName, VersionNum};
use serde::de::DeserializeOwned;

use crate::ApiError;

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

/// The bytes of a body up to the limit of the options.
pub(crate) struct Body(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = BytesRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, BytesRejection> {
        Bytes::from_request(request, state).await.map(Self)
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
