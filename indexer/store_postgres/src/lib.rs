//! The memory on a PostgreSQL server: opening, migrating. The statements stand in one file per noun.
#![doc = include_str!("../README.md")]

mod address;
mod advisories;
mod apply;
mod batch;
mod checks;
mod copy;
mod error;
mod exposure;
mod following;
mod index;
mod jobs;
mod judging;
mod membership;
mod migrating;
mod numbers;
mod pages;
mod quarantine;
mod rehearsal;
mod results;
mod revisions;
mod roles;
mod row;
mod rows;
#[cfg(any(test, feature = "scratch"))]
pub mod scratch;
mod signals;
mod staff;
mod surveys;
#[cfg(test)]
mod tests;
mod text;
mod webhooks;
mod work;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Executor as _, Postgres, Transaction};
use store::StoreError;

pub use address::{is_postgres, without_password};

use crate::error::Failing;
use crate::membership::Membership;

/// Connections of one process; with many workers, the server's `max_connections` must hold them all.
const CONNECTIONS: u32 = 8;
/// How long a caller waits for one of them before it is told that the database is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// What every connection is told first. Nobody waits for a lock for ever, a transaction whose client is gone ends, and a
/// machine that vanished without a word is noticed within a minute.
const SESSION: &str = "SET default_transaction_isolation = 'read committed'; SET lock_timeout = '30s';
     SET idle_in_transaction_session_timeout = '5min';
     SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 4";

/// An open database.
#[derive(Clone)]
pub struct PostgresStore {
    address: Arc<str>,
    pool: PgPool,
    membership: Arc<Membership>,
}

impl PostgresStore {
    /// Connects to the database and brings its tables up to date.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses this user, or the database belongs to a newer program.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Connects to a database whose tables are up to date, without changing them.
    ///
    /// # Errors
    /// As [`PostgresStore::open`], and when the tables are older than this program.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        let pending = store.pending_migrations().await?;
        if pending.is_empty() {
            return Ok(store);
        }
        store.close().await;
        Err(StoreError::Open {
            address: store.address(),
            reason: format!("{} migrations are missing; run `provenance migrate`", pending.len()),
        })
    }

    /// Names of the migrations that are not applied yet to a database, which is not changed.
    ///
    /// # Errors
    /// When the database cannot be read or is newer than this program.
    pub async fn missing_migrations(url: &str) -> Result<Vec<String>, StoreError> {
        let store = Self::connect(url).await?;
        let pending = store.pending_migrations().await;
        store.close().await;
        pending
    }

    /// Its address, without the password.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Closes every connection; what was delivered to this process is free for others at once.
    pub async fn close(&self) {
        self.membership.end().await;
        // What a silent server was asked is not waited for: nobody keeps a process that was told to end.
        let _ = tokio::time::timeout(membership::GOODBYE, self.pool.close()).await;
    }

    async fn connect(url: &str) -> Result<Self, StoreError> {
        let shown = without_password(url);
        let options: PgConnectOptions = url.parse().map_err(|source: sqlx::Error| error::opening(&shown, &source))?;
        let options = options.application_name("provenance");
        // The pool would try again and again until its time-out; the first connection says at once what is wrong.
        let probe = membership::connect(&options).await.map_err(|source| error::opening(&shown, &source))?;
        let encoding = membership::encoding(probe).await.map_err(|source| error::opening(&shown, &source))?;
        if encoding != "UTF8" {
            let reason = format!("its encoding is {encoding}; make it anew with ENCODING 'UTF8'");
            return Err(StoreError::Open { address: shown, reason });
        }
        Ok(Self::over(options, &shown))
    }

    /// Connects when it is first asked for something.
    fn over(options: PgConnectOptions, address: &str) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(|connection, _| Box::pin(async move { connection.execute(SESSION).await.map(|_| ()) }))
            .connect_lazy_with(options.clone());
        Self { address: address.into(), pool, membership: Arc::new(Membership::new(options)) }
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.pool.begin().await.failing_on(self, "begin a transaction")
    }

    async fn commit(&self, transaction: Transaction<'static, Postgres>) -> Result<(), StoreError> {
        transaction.commit().await.failing_on(self, "commit a transaction")
    }
}

/// Without the options of its connections, among which is the password.
impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("address", &self.address).finish_non_exhaustive()
    }
}
