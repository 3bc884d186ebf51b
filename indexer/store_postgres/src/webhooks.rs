//! Subscriptions and how far each is.

use async_trait::async_trait;
use schema::{Secret, Timestamp};
use sqlx::postgres::PgRow;
use store::{StoreError, WebhookProgress, WebhookRow, WebhookWrite, Webhooks};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::{get, json, optional_text, parsed, small, text, time};
use crate::text::kept;

#[async_trait]
impl Webhooks for PostgresStore {
    async fn add_webhook(&self, webhook: &WebhookWrite, cursor: i64, now: Timestamp) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO webhook (url, secret, types, crates, private, created_at, cursor, next_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $6) RETURNING id",
        )
        .bind(kept(&webhook.url))
        .bind(kept(webhook.secret.reveal()))
        .bind(json(&webhook.types)?)
        .bind(json(&webhook.crates)?)
        .bind(webhook.private)
        .bind(now.as_micros())
        .bind(cursor)
        .fetch_one(&self.pool)
        .await
        .failing_on(self, "keep a subscription")
    }

    async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM webhook ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "list the subscriptions")?;
        rows.iter().map(webhook).collect()
    }

    async fn remove_webhook(&self, id: i64) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM webhook WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
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
            "WITH next AS (
                 SELECT id FROM webhook WHERE id > $3 AND disabled_at IS NULL AND next_at <= $1 AND held_until <= $1
                 ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED)
             UPDATE webhook SET held_until = $2 FROM next WHERE webhook.id = next.id RETURNING webhook.*",
        )
        .bind(now.as_micros())
        .bind(until.as_micros())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "take the subscriptions that are due")?;
        let mut taken = rows.iter().map(webhook).collect::<Result<Vec<_>, _>>()?;
        taken.sort_by_key(|row| row.id);
        Ok(taken)
    }

    async fn note_webhook(&self, id: i64, held: Timestamp, progress: &WebhookProgress) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE webhook SET cursor = greatest(cursor, $2), tries = $3, next_at = $4, last_error = $5,
                 last_success_at = $6, disabled_at = $7, disabled_reason = $8, held_until = 0 WHERE id = $1 AND held_until = $9",
        )
        .bind(id)
        .bind(progress.cursor)
        .bind(i32::try_from(progress.tries).unwrap_or(i32::MAX))
        .bind(progress.next_at.as_micros())
        .bind(progress.last_error.as_deref().map(kept))
        .bind(progress.last_success_at.map(Timestamp::as_micros))
        .bind(progress.disabled.as_ref().map(|(at, _)| at.as_micros()))
        .bind(progress.disabled.as_ref().map(|(_, reason)| kept(reason)))
        .bind(held.as_micros())
        .execute(&self.pool)
        .await
        .failing_on(self, "note how far a subscription is")?;
        Ok(())
    }

    async fn resume_webhook(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        let resumed = sqlx::query(
            "UPDATE webhook SET disabled_at = NULL, disabled_reason = NULL, tries = 0, next_at = $2
             WHERE id = $1 AND disabled_at IS NOT NULL",
        )
        .bind(id)
        .bind(now.as_micros())
        .execute(&self.pool)
        .await
        .failing_on(self, "have a subscription go on")?;
        Ok(resumed.rows_affected() == 1)
    }
}

fn webhook(row: &PgRow) -> Result<WebhookRow, StoreError> {
    let disabled_at = time(row, "disabled_at")?;
    let reason = optional_text(row, "disabled_reason")?;
    Ok(WebhookRow {
        id: get(row, "id")?,
        webhook: WebhookWrite {
            url: text(row, "url")?,
            secret: Secret::new(text(row, "secret")?),
            types: parsed(&get::<String>(row, "types")?, "list of types")?,
            crates: parsed(&get::<String>(row, "crates")?, "list of patterns")?,
            private: get(row, "private")?,
        },
        created_at: Timestamp::from_micros(get(row, "created_at")?),
        progress: WebhookProgress {
            cursor: get(row, "cursor")?,
            tries: small(row, "tries")?,
            next_at: Timestamp::from_micros(get(row, "next_at")?),
            last_error: optional_text(row, "last_error")?,
            last_success_at: time(row, "last_success_at")?,
            disabled: disabled_at.map(|at| (at, reason.unwrap_or_default())),
        },
    })
}
