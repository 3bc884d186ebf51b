//! The JSON API, version 1: one file per resource, each with its routes and their description.

mod releases;

use std::sync::Arc;

use axum::Router;

use crate::{ApiError, Service};

/// The routes of the API.
pub(crate) fn router() -> Router<Arc<Service>> {
    releases::router()
}

impl Service {
    /// The error for a crate that is not known here, which says what is.
    pub(crate) async fn unknown_krate(&self, name: &str) -> ApiError {
        let known = async { Ok::<_, store::StoreError>((self.standing().await?, self.store.totals().await?[0])) };
        match known.await {
            Ok((standing, n_krates)) => {
                ApiError::UnknownKrate { name: name.to_owned(), n_krates, standing: Box::new(standing) }
            }
            Err(error) => error.into(),
        }
    }
}
