//! The tables of the job queue, where it lives in the same database: the only SQL on them.

use async_trait::async_trait;

use crate::StoreError;

/// The job queue's own tables. They hold deliveries, never the truth: losing them loses nothing.
#[async_trait]
pub trait Jobs {
    /// Versions of the queue's own migrations that are applied; none where it keeps its jobs in a file of its own.
    async fn job_migrations(&self) -> Result<Vec<i64>, StoreError>;

    /// Forgets jobs that came to an end an hour ago, jobs that nobody took for so long, and workers not seen since yesterday.
    /// Says how many jobs they were.
    async fn prune_jobs(&self) -> Result<u64, StoreError>;
}
