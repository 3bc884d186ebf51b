//! The JSON API, version 1: one file per resource, each with its routes and their description.

mod advisories;
mod checksums;
mod dependents;
mod entries;
mod events;
mod krates;
mod osv;
mod purl;
mod releases;
mod source;
mod summary;

use std::sync::Arc;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;

use crate::{ApiError, Service};

pub(crate) use events::{ADDRESS as EVENTS, wants_stream};
pub(crate) use krates::default_version;
pub(crate) use osv::reported;
pub(crate) use purl::Purl;
pub(crate) use releases::current;

/// The routes of the API.
pub(crate) fn router() -> Router<Arc<Service>> {
    described().into()
}

/// The routes with their description: one list, so that neither lacks what the other has.
pub(crate) fn described() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default()
        .merge(krates::router())
        .merge(releases::router())
        .merge(source::router())
        .merge(advisories::router())
        .merge(dependents::router())
        .merge(checksums::router())
        .merge(purl::router())
        .merge(summary::router())
        .merge(events::router())
        .merge(osv::router())
}

impl Service {
    /// The error for a crate that is not known here, which says what is.
    pub(crate) async fn unknown_krate(&self, name: &str) -> ApiError {
        let known = async { Ok::<_, store::StoreError>((self.standing().await?, self.totals().await?[0])) };
        match known.await {
            Ok((standing, n_krates)) => {
                ApiError::UnknownKrate { name: name.to_owned(), n_krates, standing: Box::new(standing) }
            }
            Err(error) => error.into(),
        }
    }
}
