//! Sources, crates, releases, changes and quarantine: the reading side, and the small writes.

use std::collections::HashMap;

use async_trait::async_trait;
use schema::{CanonicalName, Change, ChangeKind, KrateName, Release, ReleaseId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};
use store::{
    AppliedKrate, ChangeRow, Index, KrateWrite, QuarantineWrite, Quarantined, Reading, SourceState, StoreError,
    StoredKrate, StoredRelease,
};

use crate::SqliteStore;
use crate::error::Failing;
use crate::row::{RELEASE, get, json, key, optional_digest, parsed, release, time, unreadable};

#[async_trait]
impl Index for SqliteStore {
    async fn source(&self, address: &str) -> Result<Option<SourceState>, StoreError> {
        let row = sqlx::query("SELECT * FROM source WHERE address = ?")
            .bind(address)
            .fetch_optional(&self.readers)
            .await
            .failing_on(self, "read a source")?;
        row.as_ref().map(source_state).transpose()
    }

    async fn sources(&self) -> Result<Vec<SourceState>, StoreError> {
        let rows = sqlx::query("SELECT * FROM source ORDER BY address")
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "read the sources")?;
        rows.iter().map(source_state).collect()
    }

    async fn note_source(&self, state: &SourceState) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO source (address, download, cursor_commit, complete_since, last_success_at, last_error, looked_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (address) DO UPDATE SET download = excluded.download, cursor_commit = excluded.cursor_commit,
                 complete_since = excluded.complete_since, last_success_at = excluded.last_success_at,
                 last_error = excluded.last_error, looked_at = excluded.looked_at
             RETURNING id",
        )
        .bind(&state.address)
        .bind(&state.download)
        .bind(&state.cursor_commit)
        .bind(state.complete_since.map(Timestamp::as_micros))
        .bind(state.last_success_at.map(Timestamp::as_micros))
        .bind(&state.last_error)
        .bind(state.looked_at.map(Timestamp::as_micros))
        .fetch_one(&self.writer)
        .await
        .failing_on(self, "note how a source was read")
    }

    async fn krates(&self, source: i64, names: &[CanonicalName]) -> Result<Vec<StoredKrate>, StoreError> {
        let names = json(names)?;
        let krates = sqlx::query(
            "SELECT k.id, k.canonical, k.name, k.revision, g.etag, g.last_modified, g.doubtful_since, g.read_at
             FROM krate AS k LEFT JOIN reading AS g ON g.krate_id = k.id AND g.source_id = ?2
             WHERE k.canonical IN (SELECT value FROM json_each(?1)) ORDER BY k.canonical",
        )
        .bind(&names)
        .bind(source)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read crates")?;
        let releases = sqlx::query(
            "SELECT r.krate_id, r.id, k.name, r.num, r.generation, r.checksum, r.deleted_at, r.line
             FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE k.canonical IN (SELECT value FROM json_each(?)) ORDER BY r.id",
        )
        .bind(&names)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read the releases of crates")?;
        let mut by_krate: HashMap<i64, Vec<StoredRelease>> = HashMap::new();
        for row in &releases {
            by_krate.entry(get(row, "krate_id")?).or_default().push(stored_release(row)?);
        }
        let duplicates: Vec<(String, String)> =
            sqlx::query_as("SELECT name, line_after FROM change WHERE kind = 'duplicate_line'")
                .fetch_all(&self.readers)
                .await
                .failing_on(self, "read overruled lines")?;
        krates.iter().map(|row| stored_krate(row, &mut by_krate, &duplicates)).collect()
    }

    async fn apply(&self, source: i64, writes: &[KrateWrite], now: Timestamp) -> Result<Vec<AppliedKrate>, StoreError> {
        self.apply_writes(source, writes, now).await
    }

    async fn releases(&self, canonical: &CanonicalName) -> Result<Option<Vec<Release>>, StoreError> {
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM krate WHERE canonical = ?")
            .bind(canonical.as_str())
            .fetch_optional(&self.readers)
            .await
            .failing_on(self, "look for a crate")?;
        let Some(krate) = known else { return Ok(None) };
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE} FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE r.krate_id = ? ORDER BY r.semver_ord, r.num, r.generation"
        )))
        .bind(krate)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read the releases of a crate")?;
        rows.iter().map(release).collect::<Result<_, _>>().map(Some)
    }

    async fn releases_of_krates(&self, names: &[CanonicalName]) -> Result<Vec<Release>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE} FROM krate AS k JOIN release AS r ON r.krate_id = k.id
             WHERE k.canonical IN (SELECT value FROM json_each(?))
             ORDER BY k.canonical, r.semver_ord, r.num, r.generation"
        )))
        .bind(json(&names.iter().map(CanonicalName::as_str).collect::<Vec<_>>())?)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read the releases of crates")?;
        rows.iter().map(release).collect()
    }

    async fn releases_of(&self, ids: &[ReleaseId]) -> Result<Vec<Release>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE} FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE r.id IN (SELECT value FROM json_each(?)) ORDER BY r.id"
        )))
        .bind(json(ids)?)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read releases")?;
        rows.iter().map(release).collect()
    }

    async fn changes(
        &self,
        after: i64,
        krate: Option<&CanonicalName>,
        limit: u32,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        // Two statements: a crate's changes are found by its releases, not by walking through everybody's.
        let statement = match krate {
            None => "SELECT * FROM change WHERE seq > ?1 ORDER BY seq LIMIT ?3",
            Some(_) => {
                "SELECT * FROM change WHERE +seq > ?1 AND release_id IN (
                     SELECT r.id FROM release AS r JOIN krate AS k ON k.id = r.krate_id WHERE k.canonical = ?2)
                 ORDER BY +seq LIMIT ?3"
            }
        };
        let rows = sqlx::query(statement)
            .bind(after)
            .bind(krate.map(CanonicalName::as_str))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "read changes")?;
        rows.iter().map(change_row).collect()
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreError> {
        let rows = sqlx::query("SELECT * FROM quarantine ORDER BY first_seen_at, origin, path, line")
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "read the quarantine")?;
        rows.iter().map(quarantined).collect()
    }

    async fn totals(&self) -> Result<[u64; 4], StoreError> {
        let counts: (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM krate), (SELECT count(*) FROM release),
                    (SELECT count(*) FROM release WHERE deleted_at IS NULL),
                    (SELECT count(*) FROM dependency WHERE to_seq IS NULL)",
        )
        .fetch_one(&self.readers)
        .await
        .failing_on(self, "count what is remembered")?;
        Ok([counts.0, counts.1, counts.2, counts.3].map(i64::unsigned_abs))
    }
}

impl SqliteStore {
    /// Replaces the quarantine of these files (all of an origin, when `paths` is `None`); an entry that was there keeps its time.
    pub(crate) async fn replace_quarantine(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        origin: &str,
        paths: Option<&[String]>,
        bad: &[&QuarantineWrite],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = bad.iter().map(|bad| (&bad.path, bad.line, &bad.raw, &bad.reason)).collect();
        let rows = json(&rows)?;
        sqlx::query(
            "DELETE FROM quarantine WHERE origin = ?1 AND (?2 IS NULL OR path IN (SELECT value FROM json_each(?2)))
             AND (path, line) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3))",
        )
        .bind(origin)
        .bind(paths.map(json).transpose()?)
        .bind(&rows)
        .execute(&mut **transaction)
        .await
        .failing_on(self, "clear the quarantine")?;
        sqlx::query(
            "INSERT INTO quarantine (origin, path, line, raw, reason, first_seen_at)
             SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?3 FROM json_each(?2) WHERE true
             ON CONFLICT (origin, path, line) DO UPDATE SET raw = excluded.raw, reason = excluded.reason",
        )
        .bind(origin)
        .bind(rows)
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store the quarantine")?;
        Ok(())
    }
}

fn source_state(row: &SqliteRow) -> Result<SourceState, StoreError> {
    Ok(SourceState {
        id: get(row, "id")?,
        address: get(row, "address")?,
        download: get(row, "download")?,
        cursor_commit: get(row, "cursor_commit")?,
        complete_since: time(row, "complete_since")?,
        last_success_at: time(row, "last_success_at")?,
        last_error: get(row, "last_error")?,
        cursor_at: time(row, "cursor_at")?,
        head_commit: get(row, "head_commit")?,
        looked_at: time(row, "looked_at")?,
        behind_since: time(row, "behind_since")?,
        compared_at: time(row, "compared_at")?,
        drift: get::<Option<i64>>(row, "drift")?.map(i64::unsigned_abs),
    })
}

fn stored_krate(
    row: &SqliteRow,
    releases: &mut HashMap<i64, Vec<StoredRelease>>,
    duplicates: &[(String, String)],
) -> Result<StoredKrate, StoreError> {
    let name = KrateName::parse(&get::<String>(row, "name")?).map_err(|why| unreadable("crate name", &why))?;
    let read: Option<i64> = get(row, "read_at")?;
    let reading = Reading {
        etag: get(row, "etag")?,
        last_modified: get(row, "last_modified")?,
        doubtful_since: time(row, "doubtful_since")?,
    };
    let overruled: Vec<String> =
        duplicates.iter().filter(|(of, _)| *of == name.as_str()).map(|(_, line)| line.clone()).collect();
    Ok(StoredKrate {
        canonical: name.canonical(),
        name,
        revision: get(row, "revision")?,
        reading: read.map(|_| reading),
        releases: releases.remove(&get::<i64>(row, "id")?).unwrap_or_default(),
        duplicates: overruled,
    })
}

fn stored_release(row: &SqliteRow) -> Result<StoredRelease, StoreError> {
    let key = key(row)?;
    Ok(StoredRelease {
        id: ReleaseId(get(row, "id")?),
        num: key.num,
        generation: key.generation,
        checksum: crate::row::digest(row, "checksum")?,
        deleted: get::<Option<i64>>(row, "deleted_at")?.is_some(),
        line: get(row, "line")?,
    })
}

pub(crate) fn change_row(row: &SqliteRow) -> Result<ChangeRow, StoreError> {
    let kind: String = get(row, "kind")?;
    let name: Option<String> = get(row, "name")?;
    let num: Option<String> = get(row, "num")?;
    Ok(ChangeRow {
        seq: get(row, "seq")?,
        release: get::<Option<i64>>(row, "release_id")?.map(ReleaseId),
        change: Change {
            kind: ChangeKind::from_code(&kind).ok_or_else(|| unreadable("change kind", &kind))?,
            name: name.map(|name| KrateName::parse(&name)).transpose().map_err(|why| unreadable("crate name", &why))?,
            num: num
                .map(|num| schema::VersionNum::parse(&num))
                .transpose()
                .map_err(|why| unreadable("version", &why))?,
            checksum: optional_digest(row, "checksum")?,
            fields: parsed(&get::<String>(row, "fields")?, "list of fields")?,
            commit: get(row, "index_commit")?,
            at: Timestamp::from_micros(get(row, "at")?),
            line_before: get(row, "line_before")?,
            line_after: get(row, "line_after")?,
        },
    })
}

fn quarantined(row: &SqliteRow) -> Result<Quarantined, StoreError> {
    Ok(Quarantined {
        origin: get(row, "origin")?,
        entry: QuarantineWrite {
            path: get(row, "path")?,
            line: get(row, "line")?,
            raw: get(row, "raw")?,
            reason: get(row, "reason")?,
        },
        first_seen_at: Timestamp::from_micros(get(row, "first_seen_at")?),
    })
}
