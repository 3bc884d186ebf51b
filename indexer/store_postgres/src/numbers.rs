//! The numbers of changes and events, and the word to listeners that there are new ones.

use sqlx::{Postgres, Transaction};
use store::StoreError;

use crate::PostgresStore;
use crate::error::Failing;

/// Where listeners hear the highest number stored; they read on from the one they know.
const CHANNEL: &str = "provenance_changed";

impl PostgresStore {
    /// Takes `count` numbers of the one sequence and returns the first. Nobody else gets any until the transaction ends.
    pub(crate) async fn reserve(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        count: i64,
    ) -> Result<i64, StoreError> {
        let last: i64 = sqlx::query_scalar("UPDATE sequence SET last = last + $1 RETURNING last")
            .bind(count)
            .fetch_one(&mut **transaction)
            .await
            .failing_on(self, "take sequence numbers")?;
        Ok(last - count + 1)
    }

    /// Says at the commit that everything up to `last` is there.
    pub(crate) async fn tell(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        last: i64,
    ) -> Result<(), StoreError> {
        sqlx::query("SELECT pg_notify($1, $2::text)")
            .bind(CHANNEL)
            .bind(last.to_string())
            .execute(&mut **transaction)
            .await
            .failing_on(self, "tell listeners of events")?;
        Ok(())
    }
}
