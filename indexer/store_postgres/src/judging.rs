//! Judging stored facts again.

use async_trait::async_trait;
use schema::{Priority, ReleaseId, Step, Timestamp};
use sqlx::postgres::PgRow;
use store::{HeldCheck, Judging, JudgingCursor, JudgingWrite, StoreError};

use crate::PostgresStore;
use crate::checks::{check_row, insert_check};
use crate::error::Failing;
use crate::row::get;

#[async_trait]
impl Judging for PostgresStore {
    async fn judging(&self) -> Result<Option<JudgingCursor>, StoreError> {
        let row = sqlx::query("SELECT version, release_id, finished_at FROM judging WHERE rule = 'verify'")
            .fetch_optional(&self.pool)
            .await
            .failing_on(self, "read how far the rule has come")?;
        let cursor = |row: &PgRow| {
            Ok(JudgingCursor {
                version: get(row, "version")?,
                after: ReleaseId(get(row, "release_id")?),
                is_finished: get::<Option<i64>>(row, "finished_at")?.is_some(),
            })
        };
        row.as_ref().map(cursor).transpose()
    }

    async fn last_checks(&self, after: ReleaseId, limit: u32) -> Result<Vec<HeldCheck>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM source_check WHERE id IN (
                 SELECT max(id) FROM source_check WHERE release_id > $1 GROUP BY release_id
                 ORDER BY release_id LIMIT $2)
             ORDER BY release_id",
        )
        .bind(after.0)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read the last source checks")?;
        let held = |row: &PgRow| {
            Ok(HeldCheck { id: get(row, "id")?, release: ReleaseId(get(row, "release_id")?), row: check_row(row)? })
        };
        rows.iter().map(held).collect()
    }

    async fn finish_judging(&self, write: &JudgingWrite, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let releases: Vec<_> = write.judged.iter().map(|new| new.release).collect();
        self.hold_checks(&mut transaction, &releases).await?;
        let mut judged = Vec::new();
        for new in &write.judged {
            let last: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM source_check WHERE release_id = $1")
                .bind(new.release.0)
                .fetch_one(&mut *transaction)
                .await
                .failing_on(self, "look for a later source check")?;
            if last == Some(new.id) {
                insert_check(self, &mut transaction, new.release, &new.row).await?;
                judged.push(new.release);
            }
        }
        self.mark_in(&mut transaction, &write.unreadable, Step::Verify, Priority::RESCAN, now).await?;
        self.mark_in(&mut transaction, &judged, Step::Publish, Priority::RESCAN, now).await?;
        let cursor = &write.cursor;
        sqlx::query(
            "INSERT INTO judging (rule, version, release_id, finished_at) VALUES ('verify', $1, $2, $3)
             ON CONFLICT (rule) DO UPDATE SET version = excluded.version, release_id = excluded.release_id,
                 finished_at = excluded.finished_at",
        )
        .bind(&cursor.version)
        .bind(cursor.after.0)
        .bind(cursor.is_finished.then_some(now.as_micros()))
        .execute(&mut *transaction)
        .await
        .failing_on(self, "note how far the rule has come")?;
        self.commit(transaction).await
    }
}
