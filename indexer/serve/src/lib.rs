//! Answers questions over HTTP: the API, badges, the drop-in for advisory pages, health. It reads, and writes nothing.
#![doc = include_str!("../README.md")]

mod answer;
mod api;
mod error;
mod extract;
mod health;
mod limits;
mod listen;
mod listing;
mod options;
mod rooms;
mod service;
mod standing;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;

pub use error::{ApiError, ServeError};
pub use listen::Listener;
pub use options::{Secret, ServeOptions};
pub use rooms::{AdvisoryReading, Graphs, HeldGraph, Nudge, RoomError, Rules};
pub use service::{Parts, Service};
pub use standing::Standing;

/// Everything this room answers, as one router. A new kind of page is a file with its own `router`, merged here.
///
/// The limits around it hold for all of it: the length of an address, the time an answer may take, how many are under way.
pub fn router(service: &Arc<Service>) -> Router {
    let routes = Router::new().merge(api::router()).merge(health::router());
    routes
        .fallback(error::no_such_page)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(service), limits::guard))
        .with_state(Arc::clone(service))
}
