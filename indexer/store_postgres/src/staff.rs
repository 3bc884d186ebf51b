//! Tokens, reviews, and the record of what was done.

use async_trait::async_trait;
use schema::{ReleaseId, Timestamp};
use sqlx::postgres::PgRow;
use store::{
    Audit, DeedRow, DeedWrite, Outcome, ReviewRow, ReviewWrite, Reviews, StoreError, TokenRow, TokenWrite, Tokens,
};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::{digest, get, json, parsed, text, time, unreadable};
use crate::text::kept;

#[async_trait]
impl Tokens for PostgresStore {
    async fn add_token(&self, token: &TokenWrite, now: Timestamp) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO token (name, digest, scopes, crates, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
             RETURNING id",
        )
        .bind(kept(&token.name))
        .bind(token.digest.as_bytes().as_slice())
        .bind(json(&token.scopes)?)
        .bind(json(&token.crates)?)
        .bind(now.as_micros())
        .bind(token.expires_at.map(Timestamp::as_micros))
        .fetch_one(&self.pool)
        .await
        .failing_on(self, "keep a token")
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM token ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "list the tokens")?;
        rows.iter().map(token).collect()
    }

    async fn token(&self, id: i64) -> Result<Option<TokenRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM token WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .failing_on(self, "look for a token")?;
        row.as_ref().map(token).transpose()
    }

    async fn revoke_token(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        let revoked = sqlx::query("UPDATE token SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
            .bind(now.as_micros())
            .bind(id)
            .execute(&self.pool)
            .await
            .failing_on(self, "take a token back")?;
        Ok(revoked.rows_affected() == 1)
    }

    async fn note_token_used(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE token SET last_used_at = $1 WHERE id = $2")
            .bind(now.as_micros())
            .bind(id)
            .execute(&self.pool)
            .await
            .failing_on(self, "note the use of a token")?;
        Ok(())
    }
}

#[async_trait]
impl Reviews for PostgresStore {
    async fn add_review(&self, review: &ReviewWrite, now: Timestamp) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO review (release_id, finding, state, reason, token_id, at) VALUES ($1, $2, $3, $4, $5, $6)
             RETURNING id",
        )
        .bind(review.release.0)
        .bind(kept(&review.finding))
        .bind(kept(&review.state))
        .bind(kept(&review.reason))
        .bind(review.token)
        .bind(now.as_micros())
        .fetch_one(&self.pool)
        .await
        .failing_on(self, "keep a review")
    }

    async fn reviews(&self, release: ReleaseId) -> Result<Vec<ReviewRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM review WHERE release_id = $1 ORDER BY id")
            .bind(release.0)
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read the reviews of a release")?;
        rows.iter().map(review).collect()
    }
}

#[async_trait]
impl Audit for PostgresStore {
    async fn begin_deed(&self, deed: &DeedWrite, now: Timestamp) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO audit (at, token_id, actor, action, subject, reason, outcome, detail)
             VALUES ($1, $2, $3, $4, $5, $6, 'begun', '{}') RETURNING id",
        )
        .bind(now.as_micros())
        .bind(deed.token)
        .bind(kept(&deed.actor))
        .bind(kept(&deed.action))
        .bind(kept(&deed.subject))
        .bind(kept(&deed.reason))
        .fetch_one(&self.pool)
        .await
        .failing_on(self, "note what is begun")
    }

    async fn end_deed(&self, id: i64, outcome: Outcome, detail: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE audit SET outcome = $1, detail = $2 WHERE id = $3 AND outcome = 'begun'")
            .bind(outcome.as_str())
            .bind(kept(detail))
            .bind(id)
            .execute(&self.pool)
            .await
            .failing_on(self, "note how it ended")?;
        Ok(())
    }

    async fn deeds(&self, after: i64, limit: u32) -> Result<Vec<DeedRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM audit WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read what was done")?;
        rows.iter().map(deed).collect()
    }
}

fn token(row: &PgRow) -> Result<TokenRow, StoreError> {
    Ok(TokenRow {
        id: get(row, "id")?,
        token: TokenWrite {
            name: text(row, "name")?,
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

fn review(row: &PgRow) -> Result<ReviewRow, StoreError> {
    Ok(ReviewRow {
        id: get(row, "id")?,
        review: ReviewWrite {
            release: ReleaseId(get(row, "release_id")?),
            finding: text(row, "finding")?,
            state: text(row, "state")?,
            reason: text(row, "reason")?,
            token: get(row, "token_id")?,
        },
        at: Timestamp::from_micros(get(row, "at")?),
    })
}

fn deed(row: &PgRow) -> Result<DeedRow, StoreError> {
    let outcome: String = get(row, "outcome")?;
    Ok(DeedRow {
        id: get(row, "id")?,
        deed: DeedWrite {
            token: get(row, "token_id")?,
            actor: text(row, "actor")?,
            action: text(row, "action")?,
            subject: text(row, "subject")?,
            reason: text(row, "reason")?,
        },
        at: Timestamp::from_micros(get(row, "at")?),
        outcome: Outcome::from_word(&outcome).ok_or_else(|| unreadable("outcome", &outcome))?,
        detail: text(row, "detail")?,
    })
}
