//! Tokens, reviews, and the record of what was done. Small writes, which need no lock of the whole file: they deliver nothing.

use async_trait::async_trait;
use schema::{ReleaseId, Timestamp};
use sqlx::sqlite::SqliteRow;
use store::{
    Audit, DeedRow, DeedWrite, Outcome, ReviewRow, ReviewWrite, Reviews, StoreError, TokenRow, TokenWrite, Tokens,
};

use crate::SqliteStore;
use crate::error::Failing;
use crate::row::{digest, get, json, parsed, time, unreadable};

#[async_trait]
impl Tokens for SqliteStore {
    async fn add_token(&self, token: &TokenWrite, now: Timestamp) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO token (name, digest, scopes, crates, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
             RETURNING id",
        )
        .bind(&token.name)
        .bind(token.digest.as_bytes().as_slice())
        .bind(json(&token.scopes)?)
        .bind(json(&token.crates)?)
        .bind(now.as_micros())
        .bind(token.expires_at.map(Timestamp::as_micros))
        .fetch_one(&self.writer)
        .await
        .failing_on(self, "keep a token")
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM token ORDER BY id")
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "list the tokens")?;
        rows.iter().map(token).collect()
    }

    async fn token(&self, id: i64) -> Result<Option<TokenRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM token WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .failing_on(self, "look for a token")?;
        row.as_ref().map(token).transpose()
    }

    async fn revoke_token(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        let revoked = sqlx::query("UPDATE token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL")
            .bind(now.as_micros())
            .bind(id)
            .execute(&self.writer)
            .await
            .failing_on(self, "take a token back")?;
        Ok(revoked.rows_affected() == 1)
    }

    async fn note_token_used(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE token SET last_used_at = ? WHERE id = ?")
            .bind(now.as_micros())
            .bind(id)
            .execute(&self.writer)
            .await
            .failing_on(self, "note the use of a token")?;
        Ok(())
    }
}

#[async_trait]
impl Reviews for SqliteStore {
    async fn add_review(&self, review: &ReviewWrite, now: Timestamp) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO review (release_id, finding, state, reason, token_id, at) VALUES (?, ?, ?, ?, ?, ?)
             RETURNING id",
        )
        .bind(review.release.0)
        .bind(&review.finding)
        .bind(&review.state)
        .bind(&review.reason)
        .bind(review.token)
        .bind(now.as_micros())
        .fetch_one(&self.writer)
        .await
        .failing_on(self, "keep a review")
    }

    async fn reviews(&self, release: ReleaseId) -> Result<Vec<ReviewRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM review WHERE release_id = ? ORDER BY id")
            .bind(release.0)
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "read the reviews of a release")?;
        rows.iter().map(review).collect()
    }
}

#[async_trait]
impl Audit for SqliteStore {
    async fn begin_deed(&self, deed: &DeedWrite, now: Timestamp) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO audit (at, token_id, actor, action, subject, reason, outcome, detail)
             VALUES (?, ?, ?, ?, ?, ?, 'begun', '{}') RETURNING id",
        )
        .bind(now.as_micros())
        .bind(deed.token)
        .bind(&deed.actor)
        .bind(&deed.action)
        .bind(&deed.subject)
        .bind(&deed.reason)
        .fetch_one(&self.writer)
        .await
        .failing_on(self, "note what is begun")
    }

    async fn end_deed(&self, id: i64, outcome: Outcome, detail: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE audit SET outcome = ?, detail = ? WHERE id = ? AND outcome = 'begun'")
            .bind(outcome.as_str())
            .bind(detail)
            .bind(id)
            .execute(&self.writer)
            .await
            .failing_on(self, "note how it ended")?;
        Ok(())
    }

    async fn deeds(&self, after: i64, limit: u32) -> Result<Vec<DeedRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM audit WHERE id > ? ORDER BY id LIMIT ?")
            .bind(after)
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "read what was done")?;
        rows.iter().map(deed).collect()
    }
}

fn token(row: &SqliteRow) -> Result<TokenRow, StoreError> {
    Ok(TokenRow {
        id: get(row, "id")?,
        token: TokenWrite {
            name: get(row, "name")?,
            digest: digest(row, "digest")?,
            scopes: parsed(&get::<String>(row, "scopes")?, "list of scopes")?,
            crates: parsed(&get::<String>(row, "crates")?, "list of patterns")?,
            expires_at: time(row, "expires_at")?,
        },
        created_at: Timestamp::from_micros(get(row, "created_at")?),
        revoked_at: time(row, "revoked_at")?,
        last_used_at: time(row, "last_used_at")?,
    })
}

fn review(row: &SqliteRow) -> Result<ReviewRow, StoreError> {
    Ok(ReviewRow {
        id: get(row, "id")?,
        review: ReviewWrite {
            release: ReleaseId(get(row, "release_id")?),
            finding: get(row, "finding")?,
            state: get(row, "state")?,
            reason: get(row, "reason")?,
            token: get(row, "token_id")?,
        },
        at: Timestamp::from_micros(get(row, "at")?),
    })
}

fn deed(row: &SqliteRow) -> Result<DeedRow, StoreError> {
    let outcome: String = get(row, "outcome")?;
    Ok(DeedRow {
        id: get(row, "id")?,
        deed: DeedWrite {
            token: get(row, "token_id")?,
            actor: get(row, "actor")?,
            action: get(row, "action")?,
            subject: get(row, "subject")?,
            reason: get(row, "reason")?,
        },
        at: Timestamp::from_micros(get(row, "at")?),
        outcome: Outcome::from_word(&outcome).ok_or_else(|| unreadable("outcome", &outcome))?,
        detail: get(row, "detail")?,
    })
}
