//! Answers questions over HTTP: the API, badges, the drop-in for advisory pages, health. It reads, and writes nothing.
#![doc = include_str!("../README.md")]

mod actions;
mod answer;
mod api;
mod badges;
mod cache;
mod console;
mod error;
mod extract;
mod health;
mod hooks;
mod limits;
mod listen;
mod listing;
mod metrics;
mod openapi;
mod options;
mod packages;
mod rooms;
mod service;
mod standing;
mod unstuck;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};

pub use actions::{
    NOTHING_GIVEN_UP, NewToken, TokenText, WebhookError, checked_after, checked_webhook, new_webhook_secret, shown_url,
};
pub use error::{ApiError, ServeError};
pub use listen::Listener;
pub use openapi::document as openapi;
pub use options::ServeOptions;
pub use packages::package_records;
pub use rooms::{AdvisoryReading, Graphs, HeldGraph, Nudge, Registry, RegistryError, RoomError, Rules};
pub use service::{Parts, Service};
pub use standing::{Known, Standing, Troubles};

/// Everything this room answers, as one router. A new kind of page is a file with its own `router`, merged here: into `kept` what
/// anybody may read, beside it what is about this moment or changes something.
///
/// What stands around it holds for all of it, from the outside in: requests are counted, bounds are kept, a panic is an answer, and
/// unchanged answers are not sent again.
pub fn router(service: &Arc<Service>) -> Router {
    let with = || Arc::clone(service);
    let kept =
        Router::new().merge(api::router()).merge(openapi::router()).merge(packages::router()).merge(badges::router());
    let kept = kept.layer(CompressionLayer::new()).layer(from_fn_with_state(with(), cache::keep));
    let as_pages = || from_fn_with_state(with(), console::errors_as_pages);
    let pages = console::router().layer(as_pages()).layer(CompressionLayer::new());
    let routes = Router::new().merge(kept).merge(pages).merge(health::router()).merge(hooks::router());
    let routes = routes.merge(Router::from(actions::described()));
    routes
        .fallback(error::no_such_page)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(DefaultBodyLimit::max(service.options.max_body))
        .layer(from_fn(cache::conditional))
        .layer(from_fn_with_state(with(), limits::in_place))
        .layer(CatchPanicLayer::custom(limits::panicked))
        .layer(from_fn_with_state(with(), limits::guard))
        .layer(from_fn(limits::unguessed))
        // What the bounds say, and that there is no such page.
        .layer(as_pages())
        .layer(cross_origin())
        .layer(from_fn_with_state(with(), metrics::measure))
        .with_state(with())
}

/// The router of the other listener: figures for Prometheus, which are not for everybody.
pub fn metrics_router(service: &Arc<Service>) -> Router {
    metrics::router(service)
}

/// What may be read by everybody may be read by every page, refusals included. Who acts sends `Authorization`, and no page of
/// another origin may.
fn cross_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([header::ACCEPT, header::CONTENT_TYPE, header::IF_NONE_MATCH])
        .expose_headers([header::ETAG, header::RETRY_AFTER])
}
