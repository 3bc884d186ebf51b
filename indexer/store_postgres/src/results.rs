//! Outcomes of downloads and inspections.

use async_trait::async_trait;
use schema::{ReleaseId, Sha256, Step, Timestamp};
use sqlx::postgres::PgRow;
use store::{ArchiveRow, ArchiveState, InspectionRow, Mark, Results, StoreError};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::{digest, get, ids, json, optional_digest, optional_text, parsed, unreadable, unsigned};
use crate::text::kept;

#[async_trait]
impl Results for PostgresStore {
    async fn finish_download(
        &self,
        mark: Mark,
        row: &ArchiveRow,
        next: &[Step],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let cleared = self.clear_in(&mut transaction, std::iter::once(mark), Step::Download).await?;
        if cleared.is_empty() {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO archive (release_id, state, found, size, origin, http_status, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (release_id) DO UPDATE SET state = excluded.state, found = excluded.found,
                 size = excluded.size, origin = excluded.origin, http_status = excluded.http_status, at = excluded.at",
        )
        .bind(mark.release.0)
        .bind(row.state.as_str())
        .bind(row.found.map(|found| found.as_bytes().to_vec()))
        .bind(row.size.map(u64::cast_signed))
        .bind(row.origin.as_deref().map(kept))
        .bind(row.http_status.map(i32::from))
        .bind(row.at.as_micros())
        .execute(&mut *transaction)
        .await
        .failing_on(self, "store the outcome of a download")?;
        self.mark_next(&mut transaction, &cleared, next, now).await?;
        self.commit(transaction).await?;
        Ok(true)
    }

    async fn finish_inspection(
        &self,
        mark: Mark,
        row: &InspectionRow,
        entries: &[u8],
        next: &[Step],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let cleared = self.clear_in(&mut transaction, std::iter::once(mark), Step::Inspect).await?;
        if cleared.is_empty() {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO inspection (release_id, checksum, compressed_size, unpacked_size, n_files, manifest, claim,
                 findings, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (release_id) DO UPDATE SET checksum = excluded.checksum,
                 compressed_size = excluded.compressed_size, unpacked_size = excluded.unpacked_size,
                 n_files = excluded.n_files, manifest = excluded.manifest, claim = excluded.claim,
                 findings = excluded.findings, at = excluded.at",
        )
        .bind(mark.release.0)
        .bind(row.checksum.as_bytes().to_vec())
        .bind(row.compressed_size.cast_signed())
        .bind(row.unpacked_size.cast_signed())
        .bind(row.n_files.cast_signed())
        .bind(row.manifest.as_ref().map(json).transpose()?)
        .bind(row.claim.as_ref().map(json).transpose()?)
        .bind(json(&row.findings)?)
        .bind(row.at.as_micros())
        .execute(&mut *transaction)
        .await
        .failing_on(self, "store an inspection")?;
        sqlx::query(
            "INSERT INTO entry_document (checksum, document) VALUES ($1, $2)
             ON CONFLICT (checksum) DO UPDATE SET document = excluded.document",
        )
        .bind(row.checksum.as_bytes().to_vec())
        .bind(entries)
        .execute(&mut *transaction)
        .await
        .failing_on(self, "store the entries of an archive")?;
        self.mark_next(&mut transaction, &cleared, next, now).await?;
        self.commit(transaction).await?;
        Ok(true)
    }

    async fn archive(&self, release: ReleaseId) -> Result<Option<ArchiveRow>, StoreError> {
        Ok(self.archives_of(&[release]).await?.pop().map(|(_, row)| row))
    }

    async fn inspection(&self, release: ReleaseId) -> Result<Option<InspectionRow>, StoreError> {
        Ok(self.inspections_of(&[release]).await?.pop().map(|(_, row)| row))
    }

    async fn entries(&self, checksum: Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        sqlx::query_scalar("SELECT document FROM entry_document WHERE checksum = $1")
            .bind(checksum.as_bytes().to_vec())
            .fetch_optional(&self.pool)
            .await
            .failing_on(self, "read the entries of an archive")
    }

    async fn archive_states(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, ArchiveState)>, StoreError> {
        let archives = self.archives_of(releases).await?;
        Ok(archives.into_iter().map(|(release, row)| (release, row.state)).collect())
    }
}

impl PostgresStore {
    pub(crate) async fn archives_of(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, ArchiveRow)>, StoreError> {
        let rows = sqlx::query("SELECT * FROM archive WHERE release_id = ANY($1) ORDER BY release_id")
            .bind(ids(releases))
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read the outcome of downloads")?;
        rows.iter().map(|row| Ok((ReleaseId(get(row, "release_id")?), archive_row(row)?))).collect()
    }

    pub(crate) async fn inspections_of(
        &self,
        releases: &[ReleaseId],
    ) -> Result<Vec<(ReleaseId, InspectionRow)>, StoreError> {
        let rows = sqlx::query("SELECT * FROM inspection WHERE release_id = ANY($1) ORDER BY release_id")
            .bind(ids(releases))
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read inspections")?;
        rows.iter().map(|row| Ok((ReleaseId(get(row, "release_id")?), inspection_row(row)?))).collect()
    }
}

fn archive_row(row: &PgRow) -> Result<ArchiveRow, StoreError> {
    let state: String = get(row, "state")?;
    let status: Option<i32> = get(row, "http_status")?;
    Ok(ArchiveRow {
        state: ArchiveState::from_word(&state).ok_or_else(|| unreadable("archive state", &state))?,
        found: optional_digest(row, "found")?,
        size: get::<Option<i64>>(row, "size")?.map(i64::cast_unsigned),
        origin: optional_text(row, "origin")?,
        http_status: status.map(u16::try_from).transpose().map_err(|why| unreadable("http_status", &why))?,
        at: Timestamp::from_micros(get(row, "at")?),
    })
}

fn inspection_row(row: &PgRow) -> Result<InspectionRow, StoreError> {
    let manifest: Option<String> = get(row, "manifest")?;
    let claim: Option<String> = get(row, "claim")?;
    Ok(InspectionRow {
        checksum: digest(row, "checksum")?,
        compressed_size: unsigned(row, "compressed_size")?,
        unpacked_size: unsigned(row, "unpacked_size")?,
        n_files: unsigned(row, "n_files")?,
        manifest: manifest.map(|text| parsed(&text, "manifest")).transpose()?,
        claim: claim.map(|text| parsed(&text, "claim")).transpose()?,
        findings: parsed(&get::<String>(row, "findings")?, "list of findings")?,
        at: Timestamp::from_micros(get(row, "at")?),
    })
}
