//! What three roles may do: the owner of the tables everything, a worker only with rows, a reader only with the contract's view.

use sqlx::{AssertSqlSafe, Executor as _};
use store::StoreError;

use crate::PostgresStore;
use crate::error::Failing;

impl PostgresStore {
    /// Lets a role do what `run`, `work`, `index` and `follow` do: read and write rows, and make no tables. The role must
    /// exist; whoever calls this owns the tables.
    ///
    /// # Errors
    /// When there is no such role, or this user does not own the tables.
    pub async fn grant_worker(&self, role: &str) -> Result<(), StoreError> {
        let role = quoted(role);
        let schema = self.schema().await?;
        let mut statements = vec![format!("REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC")];
        let mut schemas = vec![schema.clone()];
        if !self.job_tables().await?.is_empty() {
            schemas.push("apalis".to_owned());
        }
        for schema in &schemas {
            statements.extend([
                format!("GRANT USAGE ON SCHEMA {schema} TO {role}"),
                format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"),
                format!("REVOKE INSERT, UPDATE, DELETE ON {schema}._sqlx_migrations FROM {role}"),
                format!("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"),
                format!("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}"),
                // What later migrations make is the worker's to use as well.
                format!(
                    "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}"
                ),
                format!("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {role}"),
            ]);
        }
        self.grant(&statements).await
    }

    /// Lets a role read the view `provenance_v1` and nothing else. Listening on `provenance_changed` needs no grant.
    ///
    /// # Errors
    /// As [`PostgresStore::grant_worker`].
    pub async fn grant_reader(&self, role: &str) -> Result<(), StoreError> {
        let (role, schema) = (quoted(role), self.schema().await?);
        self.grant(&[
            format!("REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"),
            format!("REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}"),
            format!("GRANT USAGE ON SCHEMA {schema} TO {role}"),
            format!("GRANT SELECT ON {schema}.provenance_v1 TO {role}"),
        ])
        .await
    }

    async fn schema(&self) -> Result<String, StoreError> {
        sqlx::query_scalar("SELECT quote_ident(current_schema())")
            .fetch_one(&self.pool)
            .await
            .failing_on(self, "look for its tables")
    }

    async fn job_tables(&self) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'apalis'")
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "look for the job queue")
    }

    /// A server only warns a user who may not grant, and grants nothing; here it is an error.
    async fn grant(&self, statements: &[String]) -> Result<(), StoreError> {
        let is_owner: bool =
            sqlx::query_scalar("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'release'::regclass")
                .fetch_one(&self.pool)
                .await
                .failing_on(self, "ask who owns the tables")?;
        if !is_owner {
            let reason = "only the owner of its tables may grant rights to them".to_owned();
            return Err(StoreError::Denied { address: self.address(), reason });
        }
        let mut transaction = self.begin().await?;
        for statement in statements {
            transaction.execute(AssertSqlSafe(statement.clone())).await.failing_on(self, "grant rights")?;
        }
        self.commit(transaction).await
    }
}

/// A name as SQL takes it, whatever it holds.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(quoted("worker"), "\"worker\"");
        assert_eq!(quoted("a\"; DROP TABLE release; --"), "\"a\"\"; DROP TABLE release; --\"");
    }
}
