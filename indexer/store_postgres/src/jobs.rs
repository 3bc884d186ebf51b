//! The tables of the job queue, in their own schema `apalis`: made by the queue's migrations, kept small from here.

use async_trait::async_trait;
use store::{Jobs, StoreError};

use crate::PostgresStore;
use crate::error::Failing;

/// Jobs under way with a worker that lives are left alone; so is everybody else's queue.
const PRUNE_JOBS: &str = "DELETE FROM apalis.jobs WHERE job_type LIKE 'provenance/%'
     AND coalesce(done_at, lock_at, run_at) < now() - interval '2 hours'
     AND (done_at IS NOT NULL OR lock_by IS NULL
         OR lock_by NOT IN (SELECT id FROM apalis.workers WHERE last_seen > now() - interval '1 hour'))";

const PRUNE_WORKERS: &str = "DELETE FROM apalis.workers AS w WHERE w.worker_type LIKE 'provenance/%'
     AND w.last_seen < now() - interval '1 day' AND NOT EXISTS (SELECT 1 FROM apalis.jobs AS j WHERE j.lock_by = w.id)";

#[async_trait]
impl Jobs for PostgresStore {
    async fn job_migrations(&self) -> Result<Vec<i64>, StoreError> {
        if !self.has_jobs("apalis._sqlx_migrations").await? {
            return Ok(Vec::new());
        }
        sqlx::query_scalar("SELECT version FROM apalis._sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read the migrations of the job queue")
    }

    async fn prune_jobs(&self) -> Result<u64, StoreError> {
        if !self.has_jobs("apalis.jobs").await? {
            return Ok(0);
        }
        let pruned = sqlx::query(PRUNE_JOBS).execute(&self.pool).await.failing_on(self, "prune the job queue")?;
        sqlx::query(PRUNE_WORKERS).execute(&self.pool).await.failing_on(self, "prune the job queue")?;
        Ok(pruned.rows_affected())
    }
}

impl PostgresStore {
    async fn has_jobs(&self, table: &str) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(table)
            .fetch_one(&self.pool)
            .await
            .failing_on(self, "look for the job queue")
    }
}
