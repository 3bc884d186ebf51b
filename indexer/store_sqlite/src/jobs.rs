//! The job queue has a file of its own, made anew at every start: nothing of it is here.

use async_trait::async_trait;
use store::{Jobs, StoreError};

use crate::SqliteStore;

#[async_trait]
impl Jobs for SqliteStore {
    async fn job_migrations(&self) -> Result<Vec<i64>, StoreError> {
        Ok(Vec::new())
    }

    async fn prune_jobs(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}
