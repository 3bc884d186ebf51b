//! The lead of a source, its cursor, and batches stored together with it.

use async_trait::async_trait;
use schema::{CanonicalName, KrateName, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Transaction};
use store::{ComparisonWrite, EventRow, FollowWrite, Following, Latency, Look, SignalFacts, StoreError};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::{get, unreadable};
use crate::text::{kept, told};

#[async_trait]
impl Following for PostgresStore {
    async fn lead(
        &self,
        source: i64,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        // On the connection that proves that this process lives: its lead ends with it.
        let led = self.membership.with(async |member| {
            sqlx::query_scalar(
                "UPDATE source SET fencing = fencing + 1, lease_holder = $2, lease_until = $4, lease_number = $5
                 WHERE id = $1 AND (lease_holder IS NULL OR lease_holder = $2 OR lease_until <= $3
                     OR lease_number <> $5 AND lease_number NOT IN (SELECT number FROM living_process))
                 RETURNING fencing",
            )
            .bind(source)
            .bind(kept(holder))
            .bind(now.as_micros())
            .bind(until.as_micros())
            .bind(member.number)
            .fetch_optional(&mut member.connection)
            .await
        });
        led.await.failing_on(self, "take the lead of a source")
    }

    async fn resign(&self, source: i64, token: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE source SET lease_holder = NULL, lease_until = NULL, lease_number = NULL WHERE id = $1 AND fencing = $2")
            .bind(source)
            .bind(token)
            .execute(&self.pool)
            .await
            .failing_on(self, "let go of the lead of a source")?;
        Ok(())
    }

    async fn cursor(&self, source: i64) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT cursor FROM source WHERE id = $1")
            .bind(source)
            .fetch_optional(&self.pool)
            .await
            .failing_on(self, "read the cursor of a source")
            .map(|held: Option<Option<String>>| held.flatten().map(told))
    }

    async fn note_look(&self, source: i64, token: i64, look: &Look, now: Timestamp) -> Result<(), StoreError> {
        let noted = sqlx::query(
            "UPDATE source SET looked_at = $3, head_commit = coalesce($4, head_commit), download = coalesce($5, download),
                 behind_since = CASE WHEN $4::text IS NULL OR $4 = cursor_commit THEN NULL ELSE coalesce(behind_since, $3) END
             WHERE id = $1 AND fencing = $2",
        )
        .bind(source)
        .bind(token)
        .bind(now.as_micros())
        .bind(look.head.as_deref().map(kept))
        .bind(look.download.as_deref().map(kept))
        .execute(&self.pool)
        .await
        .failing_on(self, "note a look at a source")?;
        led(noted.rows_affected())
    }

    async fn comparison(&self, source: i64) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT comparison FROM source WHERE id = $1")
            .bind(source)
            .fetch_optional(&self.pool)
            .await
            .failing_on(self, "read the comparison under way")
            .map(|held: Option<Option<String>>| held.flatten().map(told))
    }

    async fn signal_facts(
        &self,
        krates: &[CanonicalName],
        dependencies: &[CanonicalName],
        since: Timestamp,
    ) -> Result<SignalFacts, StoreError> {
        self.facts_for_signals(krates, dependencies, since).await
    }

    async fn latencies(&self, since: Timestamp, limit: u32) -> Result<Vec<Latency>, StoreError> {
        self.recent_latencies(since, limit).await
    }

    async fn live_krates(&self) -> Result<Vec<KrateName>, StoreError> {
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM krate WHERE EXISTS (
                 SELECT 1 FROM release WHERE release.krate_id = krate.id AND release.deleted_at IS NULL)
             ORDER BY canonical",
        )
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "list the crates")?;
        names.iter().map(|name| KrateName::parse(name).map_err(|why| unreadable("crate name", &why))).collect()
    }

    async fn apply_batch(&self, write: &FollowWrite, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        self.move_cursor(&mut transaction, write, now).await?;
        self.apply_in(&mut transaction, write.source, &write.changes, &write.krates, now).await?;
        if !write.quarantine.is_empty() {
            let paths: Vec<_> = write.quarantine.iter().map(|bad| bad.path.clone()).collect();
            let bad: Vec<_> = write.quarantine.iter().collect();
            self.replace_quarantine(&mut transaction, "index", Some(&paths), &bad, now).await?;
        }
        self.commit(transaction).await
    }

    async fn note_round(
        &self,
        source: i64,
        token: i64,
        failure: Option<&str>,
        read: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let noted = sqlx::query(
            "UPDATE source SET last_error = $3, last_success_at = coalesce($4, last_success_at),
                 behind_since = CASE WHEN $4::bigint IS NULL THEN behind_since END
             WHERE id = $1 AND fencing = $2",
        )
        .bind(source)
        .bind(token)
        .bind(failure.map(kept))
        .bind(read.map(Timestamp::as_micros))
        .execute(&self.pool)
        .await
        .failing_on(self, "note how a round went")?;
        led(noted.rows_affected())
    }

    async fn events(&self, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let rows = sqlx::query("SELECT seq, at, kind, payload FROM event WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read events")?;
        rows.iter().map(event_row).collect()
    }
}

pub(crate) fn event_row(row: &PgRow) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        seq: get(row, "seq")?,
        at: Timestamp::from_micros(get(row, "at")?),
        kind: get(row, "kind")?,
        payload: get(row, "payload")?,
    })
}

impl PostgresStore {
    /// Checks the token and moves the cursor by one statement, first of the transaction: who lost the lead stores nothing.
    async fn move_cursor(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        write: &FollowWrite,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (comparing, drift) = match &write.comparison {
            None => (None, None),
            Some(ComparisonWrite::UnderWay(text)) => (Some(kept(text)), None),
            Some(ComparisonWrite::Done { drift }) => (None, Some(drift.cast_signed())),
        };
        let moved = sqlx::query(
            "UPDATE source SET cursor = $3, cursor_commit = $4, cursor_at = $7, lease_until = $5,
                 complete_since = coalesce($6, complete_since),
                 comparison = CASE WHEN $8 THEN $9 ELSE comparison END,
                 compared_at = CASE WHEN $10::bigint IS NULL THEN compared_at ELSE $11 END, drift = coalesce($10, drift)
             WHERE id = $1 AND fencing = $2",
        )
        .bind(write.source)
        .bind(write.token)
        .bind(kept(&write.cursor))
        .bind(write.commit.as_deref().map(kept))
        .bind(write.lead_until.as_micros())
        .bind(write.complete_since.map(Timestamp::as_micros))
        .bind(write.commit_at.map(Timestamp::as_micros))
        .bind(write.comparison.is_some())
        .bind(comparing)
        .bind(drift)
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await
        .failing_on(self, "move the cursor of a source")?;
        led(moved.rows_affected())
    }
}

fn led(rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::Conflict { what: "the lead of the source".to_owned() }) }
}
