//! Jobs on the PostgreSQL server, in apalis' own schema. Each process has queues of its own and takes marks only for itself:
//! sharing happens where marks are taken (`Work::deliver`), and what a dead process had is given to others there, at once.
//! Its jobs stay behind without harm, since the marks have other deliveries by then, and are pruned.

use std::sync::Arc;

use apalis_postgres::{Config, PgConnectOptions, PgPool, PostgresStorage};
use schema::Step;
use store::Store;

use super::{HEARTBEAT, Lane, MISSED_HEARTBEATS, failed};
use crate::QueueError;
use crate::job::Job;

/// Connections beside the store's own.
const CONNECTIONS: u32 = 4;

/// The queues of one process.
#[derive(Clone, Debug)]
pub(crate) struct ServerQueues {
    pool: PgPool,
    /// Unique for each start of a process: what a dead one had locked is never taken for this one's.
    process: Arc<str>,
}

impl ServerQueues {
    /// Opens them; makes apalis' tables where they are missing, for which this user must be allowed to create them.
    pub(super) async fn open(url: &str, store: &dyn Store, process: &str) -> Result<Self, QueueError> {
        let pool = prepare(url, store).await?;
        store.prune_jobs().await?;
        Ok(Self { pool, process: process.into() })
    }

    pub(super) fn storage(&self, lane: Lane) -> PostgresStorage<Job> {
        let config = Config::default()
            .queue(self.worker(lane.step))
            .batch_size(lane.fetched)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED_HEARTBEATS);
        PostgresStorage::new(&self.pool).with_config(config)
    }

    /// The name of a lane's queue, and of the one worker on it.
    pub(super) fn worker(&self, step: Step) -> String {
        format!("provenance/{step}/{}", self.process)
    }
}

/// Makes apalis' tables, or brings them up to date.
pub(crate) async fn prepare(url: &str, store: &dyn Store) -> Result<PgPool, QueueError> {
    // The address is not repeated: it may hold a password.
    let options: PgConnectOptions =
        url.parse().map_err(|_| failed("open its tables", &"the address of the database cannot be read"))?;
    let options = options.application_name("provenance jobs");
    // apalis names the pool's type and not its options': those of a pool that never connects are as good.
    let defaults = PgPool::connect_lazy_with(options.clone()).options().clone();
    let pool = defaults
        .max_connections(CONNECTIONS)
        .connect_with(options)
        .await
        .map_err(|error| failed("open its tables", &error))?;
    let migrations = PostgresStorage::<()>::migrations();
    let applied = store.job_migrations().await?;
    // Asking for nothing new needs no right to make tables.
    if migrations.iter().any(|migration| !applied.contains(&migration.version)) {
        migrations.run(&pool).await.map_err(|error| failed("make its tables", &error))?;
    }
    Ok(pool)
}
