//! Source checks and the refs that were seen.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schema::{Priority, ReleaseId, Sha256, SourceSummary, Step, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, Transaction};
use store::{CheckRow, Checks, Mark, StoreError};

use crate::SqliteStore;
use crate::error::Failing;
use crate::row::{digest, get, json, parsed, time};

#[async_trait]
impl Checks for SqliteStore {
    async fn finish_check(
        &self,
        mark: Mark,
        row: &CheckRow,
        refs: &[(String, String)],
        recheck_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        if self.clear_in(&mut transaction, std::iter::once(mark), Step::Verify).await?.is_empty() {
            return Ok(false);
        }
        insert_check(self, &mut transaction, mark.release, row).await?;
        sqlx::query(
            "INSERT INTO ref_observation (repository, name, commit_id, first_seen_at, last_seen_at)
             SELECT ?2, value ->> 0, value ->> 1, ?3, ?3 FROM json_each(?1) WHERE ?2 IS NOT NULL
             ON CONFLICT (repository, name, commit_id) DO UPDATE SET last_seen_at = excluded.last_seen_at",
        )
        .bind(json(refs)?)
        .bind(&row.repository)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await
        .failing_on(self, "store the refs seen")?;
        self.mark_in(&mut transaction, &[mark.release], Step::Publish, Priority::FRESH, now).await?;
        self.mark_in(&mut transaction, &[mark.release], Step::Verify, Priority::RESCAN, recheck_at).await?;
        self.commit(transaction).await?;
        Ok(true)
    }

    async fn checks(&self, release: ReleaseId) -> Result<Vec<CheckRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM source_check WHERE release_id = ? ORDER BY id")
            .bind(release.0)
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "read source checks")?;
        rows.iter().map(check_row).collect()
    }

    async fn summaries(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, SourceSummary)>, StoreError> {
        let rows = sqlx::query(
            "SELECT release_id, summary FROM source_check WHERE id IN (
                 SELECT max(id) FROM source_check
                 WHERE release_id IN (SELECT value FROM json_each(?)) GROUP BY release_id)",
        )
        .bind(json(releases)?)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read the last source checks")?;
        rows.iter()
            .map(|row| {
                let summary = parsed(&get::<String>(row, "summary")?, "source summary")?;
                Ok((ReleaseId(get(row, "release_id")?), summary))
            })
            .collect()
    }

    async fn repositories(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, Option<String>)>, StoreError> {
        let rows: Vec<(i64, Option<String>)> = sqlx::query_as(
            "SELECT release_id, manifest ->> 'repository' FROM inspection
             WHERE release_id IN (SELECT value FROM json_each(?)) ORDER BY release_id",
        )
        .bind(json(releases)?)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read the repositories that manifests name")?;
        Ok(rows.into_iter().map(|(id, repository)| (ReleaseId(id), repository)).collect())
    }

    async fn never_checked(&self, releases: &[ReleaseId]) -> Result<Vec<ReleaseId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT release_id FROM inspection WHERE release_id IN (SELECT value FROM json_each(?))
             AND release_id NOT IN (SELECT release_id FROM source_check) ORDER BY release_id",
        )
        .bind(json(releases)?)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "look for releases never checked")?;
        Ok(ids.into_iter().map(ReleaseId).collect())
    }

    async fn refs_seen(&self, repository: &str) -> Result<BTreeMap<String, String>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT name, commit_id FROM ref_observation WHERE repository = ? ORDER BY name, last_seen_at",
        )
        .bind(repository)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read the refs seen")?;
        // In order of time: the last one of a name stays.
        Ok(rows.into_iter().collect())
    }

    async fn promised(&self, name: &str, num: &str) -> Result<Option<(Sha256, Option<Timestamp>)>, StoreError> {
        let row = sqlx::query(
            "SELECT r.checksum, r.published_at FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE k.canonical = ? AND r.num = ? AND r.deleted_at IS NULL ORDER BY r.generation DESC LIMIT 1",
        )
        .bind(name.to_ascii_lowercase().replace('-', "_"))
        .bind(num)
        .fetch_optional(&self.readers)
        .await
        .failing_on(self, "look for a promised checksum")?;
        row.as_ref().map(|row| Ok((digest(row, "checksum")?, time(row, "published_at")?))).transpose()
    }

    async fn neighbours(&self, release: ReleaseId) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT i.manifest ->> 'repository' AS named FROM release AS own
             JOIN release AS other ON other.krate_id = own.krate_id AND other.id != own.id
             JOIN inspection AS i ON i.release_id = other.id
             WHERE own.id = ? AND named IS NOT NULL GROUP BY named ORDER BY count(*) DESC, named LIMIT 5",
        )
        .bind(release.0)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read what neighbouring versions name as their repository")
    }
}

pub(crate) async fn insert_check(
    store: &SqliteStore,
    transaction: &mut Transaction<'static, Sqlite>,
    release: ReleaseId,
    row: &CheckRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO source_check (release_id, at, cause, repository, verdict, rules, summary, document)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(release.0)
    .bind(row.at.as_micros())
    .bind(&row.cause)
    .bind(&row.repository)
    .bind(row.summary.verdict.as_str())
    .bind(row.summary.rules.as_deref().unwrap_or_default())
    .bind(json(&row.summary)?)
    .bind(&row.document)
    .execute(&mut **transaction)
    .await
    .failing_on(store, "store a source check")?;
    Ok(())
}

pub(crate) fn check_row(row: &SqliteRow) -> Result<CheckRow, StoreError> {
    Ok(CheckRow {
        at: Timestamp::from_micros(get(row, "at")?),
        cause: get(row, "cause")?,
        repository: get(row, "repository")?,
        summary: parsed(&get::<String>(row, "summary")?, "source summary")?,
        document: get(row, "document")?,
    })
}
