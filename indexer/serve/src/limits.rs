//! The limits that hold for every answer: the length of its address, the time it takes, how many are under way.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::{ApiError, Service};

/// Refuses what is too long or too much, and gives up on what takes too long.
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
    let Ok(_answer) = service.answers.try_acquire() else { return Err(ApiError::Busy) };
    let answer = tokio::time::timeout(service.options.answer_time, next.run(request)).await;
    answer.map_err(|_| ApiError::TooSlow)
}
