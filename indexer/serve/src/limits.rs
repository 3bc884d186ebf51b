//! The limits that hold for every answer: the length of its address, the time it takes, how many are under way.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use store::StoreError;

use crate::api::EVENTS;
use crate::{ApiError, Service};

/// Refuses what is too long or too much, and gives up on what takes too long. Events may take long; they have bounds of their own.
pub(crate) async fn guard(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let limit = service.options.max_uri;
    let length = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if length > limit {
        return Err(ApiError::UriTooLong(limit));
    }
    if request.uri().path() == EVENTS {
        return Ok(next.run(request).await);
    }
    service.bounded(async { Ok(next.run(request).await) }).await
}

/// What is answered without the database, or says in its own way that it is away.
const WITHOUT_DATABASE: [&str; 5] = ["/livez", "/assets/", "/favicon.svg", "/api/v1/docs", "/badges/"];

/// Refuses everything while the file of the database is gone from its place. What is open of it would go on answering.
pub(crate) async fn in_place(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let path = request.uri().path();
    if !WITHOUT_DATABASE.iter().any(|beginning| path.starts_with(beginning))
        && let Err(gone @ StoreError::Gone { .. }) = service.moment().await
    {
        return Err(gone.into());
    }
    Ok(next.run(request).await)
}

/// No answer is to be taken for another kind of thing than it says it is.
pub(crate) async fn unguessed(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A panic is ours to be ashamed of, and one request's only.
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("an answer panicked");
    ApiError::Internal.into_response()
}
