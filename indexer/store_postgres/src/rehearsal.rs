//! A copy of all tables in a schema of its own: what is tried there changes nothing, and it goes away again.

use sqlx::AssertSqlSafe;
use store::StoreError;

use crate::PostgresStore;
use crate::error::Failing;

/// Begins the name of the schema; then comes the number of the process it belongs to.
const PREFIX: &str = "provenance_rehearsal_";

impl PostgresStore {
    /// Opens a copy of everything that is stored; [`PostgresStore::end_rehearsal`] drops it. One of a process that died is
    /// dropped by the next. It takes as much room as the original.
    ///
    /// # Errors
    /// When this user may not create schemas, or the copy fails.
    pub async fn rehearse(&self) -> Result<Self, StoreError> {
        self.drop_lost_rehearsals().await?;
        let own = self.membership.with(async |member| Ok(member.number)).await;
        let schema = format!("{PREFIX}{}", own.failing_on(self, "number a copy")?);
        let home: String = sqlx::query_scalar("SELECT current_schema()::text")
            .fetch_one(&self.pool)
            .await
            .failing_on(self, "look for its tables")?;
        execute(self, &self.pool, format!("CREATE SCHEMA {schema}")).await?;
        let copy = Self::over(self.membership.options().options([("search_path", &schema)]), &self.address);
        copy.migrate().await?;
        copy.fill_from(&home).await?;
        Ok(copy)
    }

    /// Closes a copy and drops it.
    ///
    /// # Errors
    /// When it cannot be dropped; the next rehearsal tries again.
    pub async fn end_rehearsal(&self, copy: &Self) -> Result<(), StoreError> {
        let schema: String = sqlx::query_scalar("SELECT current_schema()::text")
            .fetch_one(&copy.pool)
            .await
            .failing_on(self, "look for a copy")?;
        copy.close().await;
        if !schema.starts_with(PREFIX) {
            return Ok(());
        }
        execute(self, &self.pool, format!("DROP SCHEMA {schema} CASCADE")).await
    }

    async fn fill_from(&self, home: &str) -> Result<(), StoreError> {
        // In the order they were made: what is referred to comes first.
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = current_schema()::regnamespace
             AND relkind = 'r' AND relname <> '_sqlx_migrations' ORDER BY oid",
        )
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "look for its tables")?;
        let sequences: Vec<String> = sqlx::query_scalar(
            "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = current_schema()::regnamespace
             AND relkind = 'S'",
        )
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "look for its sequences")?;
        let mut transaction = self.begin().await?;
        execute(self, &mut *transaction, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ".to_owned()).await?;
        execute(self, &mut *transaction, "DELETE FROM sequence".to_owned()).await?;
        for table in tables {
            let copy = format!("INSERT INTO {table} SELECT * FROM \"{home}\".{table}");
            execute(self, &mut *transaction, copy).await?;
        }
        for sequence in sequences {
            let set = format!("SELECT setval('{sequence}', (SELECT last_value FROM \"{home}\".{sequence}))");
            execute(self, &mut *transaction, set).await?;
        }
        self.commit(transaction).await
    }

    async fn drop_lost_rehearsals(&self) -> Result<(), StoreError> {
        let lost: Vec<String> = sqlx::query_scalar(
            "SELECT nspname::text FROM pg_namespace WHERE nspname ~ ('^' || $1 || '[0-9]+$')
             AND substr(nspname, length($1) + 1)::bigint NOT IN (SELECT number FROM living_process)",
        )
        .bind(PREFIX)
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "look for copies left behind")?;
        for schema in lost {
            execute(self, &self.pool, format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await?;
        }
        Ok(())
    }
}

/// Runs a statement made of names the catalog gave.
async fn execute<'e, E>(store: &PostgresStore, on: E, statement: String) -> Result<(), StoreError>
where
    E: sqlx::Executor<'e, Database = sqlx::Postgres>,
{
    on.execute(AssertSqlSafe(statement)).await.failing_on(store, "make a copy of its tables")?;
    Ok(())
}
