//! Subscriptions and how far each is.

use async_trait::async_trait;
use schema::{Secret, Timestamp};
use sqlx::sqlite::SqliteRow;
use store::{StoreError, WebhookProgress, WebhookRow, WebhookWrite, Webhooks};

use crate::SqliteStore;
use crate::error::Failing;
use crate::row::{get, json, parsed, time, unreadable};

#[async_trait]
impl Webhooks for SqliteStore {
    async fn add_webhook(&self, webhook: &WebhookWrite, cursor: i64, now: Timestamp) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO webhook (url, secret, types, crates, private, created_at, cursor, next_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6) RETURNING id",
        )
        .bind(&webhook.url)
        .bind(webhook.secret.reveal())
        .bind(json(&webhook.types)?)
        .bind(json(&webhook.crates)?)
        .bind(i64::from(webhook.private))
        .bind(now.as_micros())
        .bind(cursor)
        .fetch_one(&self.writer)
        .await
        .failing_on(self, "keep a subscription")
    }

    async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM webhook ORDER BY id")
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "list the subscriptions")?;
        rows.iter().map(webhook).collect()
    }

    async fn remove_webhook(&self, id: i64) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM webhook WHERE id = ?")
            .bind(id)
            .execute(&self.writer)
            .await
            .failing_on(self, "forget a subscription")?;
        Ok(removed.rows_affected() == 1)
    }

    async fn take_webhooks(
        &self,
        now: Timestamp,
        until: Timestamp,
        after: i64,
        limit: u32,
    ) -> Result<Vec<WebhookRow>, StoreError> {
        let rows = sqlx::query(
            "UPDATE webhook SET held_until = ?2 WHERE id IN (
                 SELECT id FROM webhook WHERE id > ?3 AND disabled_at IS NULL AND next_at <= ?1 AND held_until <= ?1
                 ORDER BY id LIMIT ?4) RETURNING *",
        )
        .bind(now.as_micros())
        .bind(until.as_micros())
        .bind(after)
        .bind(limit)
        .fetch_all(&self.writer)
        .await
        .failing_on(self, "take the subscriptions that are due")?;
        let mut taken = rows.iter().map(webhook).collect::<Result<Vec<_>, _>>()?;
        taken.sort_by_key(|row| row.id);
        Ok(taken)
    }

    async fn note_webhook(&self, id: i64, held: Timestamp, progress: &WebhookProgress) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE webhook SET cursor = max(cursor, ?2), tries = ?3, next_at = ?4, last_error = ?5,
                 last_success_at = ?6, disabled_at = ?7, disabled_reason = ?8, held_until = 0 WHERE id = ?1 AND held_until = ?9",
        )
        .bind(id)
        .bind(progress.cursor)
        .bind(progress.tries)
        .bind(progress.next_at.as_micros())
        .bind(&progress.last_error)
        .bind(progress.last_success_at.map(Timestamp::as_micros))
        .bind(progress.disabled.as_ref().map(|(at, _)| at.as_micros()))
        .bind(progress.disabled.as_ref().map(|(_, reason)| reason))
        .bind(held.as_micros())
        .execute(&self.writer)
        .await
        .failing_on(self, "note how far a subscription is")?;
        Ok(())
    }

    async fn resume_webhook(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        let resumed = sqlx::query(
            "UPDATE webhook SET disabled_at = NULL, disabled_reason = NULL, tries = 0, next_at = ?2
             WHERE id = ?1 AND disabled_at IS NOT NULL",
        )
        .bind(id)
        .bind(now.as_micros())
        .execute(&self.writer)
        .await
        .failing_on(self, "have a subscription go on")?;
        Ok(resumed.rows_affected() == 1)
    }
}

fn webhook(row: &SqliteRow) -> Result<WebhookRow, StoreError> {
    let tries: i64 = get(row, "tries")?;
    let disabled_at = time(row, "disabled_at")?;
    let reason: Option<String> = get(row, "disabled_reason")?;
    Ok(WebhookRow {
        id: get(row, "id")?,
        webhook: WebhookWrite {
            url: get(row, "url")?,
            secret: Secret::new(get::<String>(row, "secret")?),
            types: parsed(&get::<String>(row, "types")?, "list of types")?,
            crates: parsed(&get::<String>(row, "crates")?, "list of patterns")?,
            private: get::<i64>(row, "private")? != 0,
        },
        created_at: Timestamp::from_micros(get(row, "created_at")?),
        progress: WebhookProgress {
            cursor: get(row, "cursor")?,
            tries: u32::try_from(tries).map_err(|why| unreadable("number of tries", &why))?,
            next_at: Timestamp::from_micros(get(row, "next_at")?),
            last_error: get(row, "last_error")?,
            last_success_at: time(row, "last_success_at")?,
            disabled: disabled_at.map(|at| (at, reason.unwrap_or_default())),
        },
    })
}
