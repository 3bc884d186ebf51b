//! Bringing the tables up to date, one process at a time, and saying what is missing.

use std::time::Duration;

use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
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
        // An index on a large table may take as long as it takes.
        connection.execute("SET lock_timeout = 0; SET statement_timeout = 0").await.failing_on(self, action)?;
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
        self.drop_broken_indexes(connection).await?;
        let mut alone = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
        alone.set_locking(false);
        match alone.run_direct(None, connection, false).await {
            Ok(()) => Ok(()),
            Err(MigrateError::VersionMissing(found)) => Err(self.newer(found)),
            Err(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => {
                Err(error::mapped(&self.address, action, source))
            }
            Err(other) => Err(StoreError::Query { action, source: Box::new(other) }),
        }
    }

    /// An index whose concurrent building was cut short is there and good for nothing; its migration makes it again.
    async fn drop_broken_indexes(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let action = "look for indexes that were not finished";
        connection
            .ensure_migrations_table("_sqlx_migrations")
            .await
            .map_err(|source| StoreError::Query { action, source: Box::new(source) })?;
        let broken: Vec<String> = sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
             WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace",
        )
        .fetch_all(&mut *connection)
        .await
        .failing_on(self, action)?;
        let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(&mut *connection)
            .await
            .failing_on(self, action)?;
        for migration in MIGRATIONS.iter().filter(|migration| !applied.contains(&migration.version)) {
            for name in broken.iter().filter(|name| migration.sql.as_str().contains(&format!(" {name} "))) {
                connection
                    .execute(AssertSqlSafe(format!("DROP INDEX {name}")))
                    .await
                    .failing_on(self, "drop an index that was not finished")?;
            }
        }
        Ok(())
    }

    fn newer(&self, found: i64) -> StoreError {
        let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        StoreError::Newer { address: self.address(), found, known }
    }
}
