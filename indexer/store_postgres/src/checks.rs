//! Source checks and the refs that were seen.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schema::{Priority, ReleaseId, Sha256, SourceSummary, Step, Timestamp};
use serde::Deserialize;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Transaction};
use store::{CheckRow, Checks, Mark, StoreError};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::{digest, get, ids, json, optional_text, parsed, time};
use crate::text::{kept, told};

/// How many neighbours' repositories are named.
const NEIGHBOURS: usize = 5;

#[async_trait]
impl Checks for PostgresStore {
    async fn finish_check(
        &self,
        mark: Mark,
        row: &CheckRow,
        refs: &[(String, String)],
        recheck_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        self.hold_checks(&mut transaction, &[mark.release]).await?;
        if self.clear_in(&mut transaction, std::iter::once(mark), Step::Verify).await?.is_empty() {
            return Ok(false);
        }
        insert_check(self, &mut transaction, mark.release, row).await?;
        if let Some(repository) = &row.repository {
            self.write_refs(&mut transaction, repository, refs, now).await?;
        }
        self.mark_in(&mut transaction, &[mark.release], Step::Verify, Priority::RESCAN, recheck_at).await?;
        self.mark_in(&mut transaction, &[mark.release], Step::Publish, Priority::FRESH, now).await?;
        self.commit(transaction).await?;
        Ok(true)
    }

    async fn checks(&self, release: ReleaseId) -> Result<Vec<CheckRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM source_check WHERE release_id = $1 ORDER BY id")
            .bind(release.0)
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read source checks")?;
        rows.iter().map(check_row).collect()
    }

    async fn summaries(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, SourceSummary)>, StoreError> {
        let rows = sqlx::query(
            "SELECT release_id, summary FROM source_check WHERE id IN (
                 SELECT max(id) FROM source_check WHERE release_id = ANY($1) GROUP BY release_id)
             ORDER BY release_id",
        )
        .bind(ids(releases))
        .fetch_all(&self.pool)
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
            "SELECT release_id, manifest FROM inspection WHERE release_id = ANY($1) ORDER BY release_id",
        )
        .bind(ids(releases))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read the repositories that manifests name")?;
        rows.into_iter().map(|(id, manifest)| Ok((ReleaseId(id), named(manifest.as_deref())?))).collect()
    }

    async fn never_checked(&self, releases: &[ReleaseId]) -> Result<Vec<ReleaseId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT i.release_id FROM inspection AS i WHERE i.release_id = ANY($1)
             AND NOT EXISTS (SELECT 1 FROM source_check AS c WHERE c.release_id = i.release_id) ORDER BY i.release_id",
        )
        .bind(ids(releases))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "look for releases never checked")?;
        Ok(ids.into_iter().map(ReleaseId).collect())
    }

    async fn refs_seen(&self, repository: &str) -> Result<BTreeMap<String, String>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT name, commit_id FROM ref_observation
             WHERE left(repository, 256) = left($1, 256) AND repository = $1 ORDER BY name, last_seen_at",
        )
        .bind(kept(repository))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read the refs seen")?;
        // In order of time: the last one of a name stays.
        Ok(rows.into_iter().map(|(name, commit)| (told(name), told(commit))).collect())
    }

    async fn promised(&self, name: &str, num: &str) -> Result<Option<(Sha256, Option<Timestamp>)>, StoreError> {
        let row = sqlx::query(
            "SELECT r.checksum, r.published_at FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE k.canonical = $1 AND r.num = $2 AND r.deleted_at IS NULL ORDER BY r.generation DESC LIMIT 1",
        )
        .bind(kept(&name.to_ascii_lowercase().replace('-', "_")))
        .bind(kept(num))
        .fetch_optional(&self.pool)
        .await
        .failing_on(self, "look for a promised checksum")?;
        row.as_ref().map(|row| Ok((digest(row, "checksum")?, time(row, "published_at")?))).transpose()
    }

    async fn neighbours(&self, release: ReleaseId) -> Result<Vec<String>, StoreError> {
        let manifests: Vec<String> = sqlx::query_scalar(
            "SELECT i.manifest FROM release AS own
             JOIN release AS other ON other.krate_id = own.krate_id AND other.id <> own.id
             JOIN inspection AS i ON i.release_id = other.id WHERE own.id = $1 AND i.manifest IS NOT NULL",
        )
        .bind(release.0)
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read what neighbouring versions name as their repository")?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for manifest in &manifests {
            if let Some(repository) = named(Some(manifest))? {
                *counts.entry(repository).or_default() += 1;
            }
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|(one, n), (other, m)| m.cmp(n).then_with(|| one.cmp(other)));
        Ok(counts.into_iter().take(NEIGHBOURS).map(|(repository, _)| repository).collect())
    }
}

/// What a manifest names as its repository. Read here: PostgreSQL's own JSON functions refuse an escaped U+0000.
fn named(manifest: Option<&str>) -> Result<Option<String>, StoreError> {
    #[derive(Deserialize)]
    struct Named {
        repository: Option<String>,
    }
    let Some(manifest) = manifest else { return Ok(None) };
    Ok(parsed::<Named>(manifest, "manifest")?.repository)
}

impl PostgresStore {
    /// Lets nobody else add a check to these releases until the transaction ends.
    pub(crate) async fn hold_checks(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        releases: &[ReleaseId],
    ) -> Result<(), StoreError> {
        sqlx::query("SELECT 1 FROM release WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
            .bind(ids(releases))
            .execute(&mut **transaction)
            .await
            .failing_on(self, "hold the checks of releases")?;
        Ok(())
    }

    async fn write_refs(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        repository: &str,
        refs: &[(String, String)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut refs: Vec<_> = refs.iter().map(|(name, commit)| (kept(name), kept(commit))).collect();
        refs.sort();
        refs.dedup();
        let (names, commits): (Vec<_>, Vec<_>) = refs.into_iter().unzip();
        sqlx::query(
            "INSERT INTO ref_observation (repository, name, commit_id, first_seen_at, last_seen_at, digest)
             SELECT $3, seen.name, seen.commit_id, $4, $4,
                 sha256(convert_to(concat_ws(chr(10), $3, seen.name, seen.commit_id), 'UTF8'))
             FROM unnest($1::text[], $2::text[]) AS seen (name, commit_id)
             ON CONFLICT (digest) DO UPDATE SET last_seen_at = excluded.last_seen_at",
        )
        .bind(names)
        .bind(commits)
        .bind(kept(repository))
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store the refs seen")?;
        Ok(())
    }
}

pub(crate) async fn insert_check(
    store: &PostgresStore,
    transaction: &mut Transaction<'static, Postgres>,
    release: ReleaseId,
    row: &CheckRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO source_check (release_id, at, cause, repository, verdict, rules, summary, document)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(release.0)
    .bind(row.at.as_micros())
    .bind(&row.cause)
    .bind(row.repository.as_deref().map(kept))
    .bind(row.summary.verdict.as_str())
    .bind(row.summary.rules.as_deref().unwrap_or_default())
    .bind(json(&row.summary)?)
    .bind(kept(&row.document))
    .execute(&mut **transaction)
    .await
    .failing_on(store, "store a source check")?;
    Ok(())
}

pub(crate) fn check_row(row: &PgRow) -> Result<CheckRow, StoreError> {
    Ok(CheckRow {
        at: Timestamp::from_micros(get(row, "at")?),
        cause: get(row, "cause")?,
        repository: optional_text(row, "repository")?,
        summary: parsed(&get::<String>(row, "summary")?, "source summary")?,
        document: crate::row::text(row, "document")?,
    })
}
