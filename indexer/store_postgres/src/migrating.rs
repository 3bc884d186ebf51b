//! Bringing the tables up to date, one process at a time, and saying what is missing.

use std::time::Duration;

use sqlx::migrate::{Migrate as _, MigrateError, Migration, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use store::StoreError;

use crate::error::Failing;
use crate::{PostgresStore, error};

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("../../schema/migrations/postgres");

/// Key of the lock that whoever migrates holds: "provmigr" in ASCII.
const LOCK: i64 = 0x7072_6f76_6d69_6772;
/// Between two tries to get it. One that waits inside the server would hold a snapshot, for which an index that is built
/// concurrently waits in turn.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a migration waits for the lock on a table that somebody reads for long, how long it lets others through then, and how
/// often it comes back: some minutes in all.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_secs(1);
const LOCK_TRIES: u32 = 100;

impl PostgresStore {
    pub(crate) async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let known: Option<String> = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations')::text")
            .fetch_one(&self.pool)
            .await
            .failing_on(self, "read its tables")?;
        let applied: Vec<i64> = if known.is_none() {
            Vec::new()
        } else {
            sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version")
                .fetch_all(&self.pool)
                .await
                .failing_on(self, "read its migrations")?
        };
        if let Some(newest) = applied.last().filter(|version| !MIGRATIONS.version_exists(**version)) {
            return Err(self.newer(*newest));
        }
        let pending = MIGRATIONS.iter().filter(|migration| !applied.contains(&migration.version));
        Ok(pending.map(|migration| format!("{:04} {}", migration.version, migration.description)).collect())
    }

    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        if self.pending_migrations().await?.is_empty() {
            return Ok(());
        }
        // Out of the pool for good: the lock goes with the connection, whatever happens.
        let connection = self.pool.acquire().await.failing_on(self, "bring its tables up to date")?;
        let mut connection = connection.detach();
        let outcome = self.migrate_alone(&mut connection).await;
        let closed = connection.close().await.failing_on(self, "bring its tables up to date");
        outcome.and(closed)
    }

    async fn migrate_alone(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let action = "bring its tables up to date";
        connection.execute("SET statement_timeout = 0").await.failing_on(self, action)?;
        loop {
            let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(LOCK)
                .fetch_one(&mut *connection)
                .await
                .failing_on(self, action)?;
            if is_ours {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        connection
            .ensure_migrations_table("_sqlx_migrations")
            .await
            .map_err(|source| StoreError::Query { action, source: Box::new(source) })?;
        let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(&mut *connection)
            .await
            .failing_on(self, action)?;
        for migration in MIGRATIONS.iter().filter(|migration| !applied.contains(&migration.version)) {
            match self.apply(connection, migration).await {
                Ok(()) => {}
                Err(MigrateError::VersionMissing(found)) => return Err(self.newer(found)),
                Err(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => {
                    return Err(error::mapped(&self.address, action, source));
                }
                Err(other) => return Err(StoreError::Query { action, source: Box::new(other) }),
            }
        }
        Ok(())
    }

    /// Applies one migration, after all before it. An index that is built concurrently is in nobody's way and takes as long as it
    /// takes; anything else waits for its lock briefly and again, because whoever reads would wait behind it.
    async fn apply(&self, connection: &mut PgConnection, migration: &Migration) -> Result<(), MigrateError> {
        let until_here = MIGRATIONS.iter().filter(|other| other.version <= migration.version);
        let mut migrator = Migrator::with_migrations(until_here.cloned().collect());
        migrator.set_locking(false);
        if migration.no_tx {
            connection.execute("SET lock_timeout = 0").await?;
            // It is there before it is noted, whole or in part, when whoever migrated was cut short; it would be in the way.
            for name in built_concurrently(migration.sql.as_str()) {
                connection.execute(AssertSqlSafe(format!("DROP INDEX IF EXISTS {name}"))).await?;
            }
            return migrator.run_direct(None, connection, false).await;
        }
        connection.execute(AssertSqlSafe(format!("SET lock_timeout = '{}s'", LOCK_TIMEOUT.as_secs()))).await?;
        let mut tries = 1;
        loop {
            match migrator.run_direct(None, connection, false).await {
                Err(error) if tries < LOCK_TRIES && is_locked(&error) => tries += 1,
                outcome => return outcome,
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
    }

    fn newer(&self, found: i64) -> StoreError {
        let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        StoreError::Newer { address: self.address(), found, known }
    }
}

/// The names of the indexes that a migration builds concurrently.
fn built_concurrently(sql: &str) -> impl Iterator<Item = &str> {
    sql.split("INDEX CONCURRENTLY ").skip(1).filter_map(|rest| rest.split_whitespace().next())
}

/// Whether a lock was not to be had in time (SQLSTATE 55P03).
fn is_locked(error: &MigrateError) -> bool {
    let (MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) = error else { return false };
    source.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "55P03")
}
