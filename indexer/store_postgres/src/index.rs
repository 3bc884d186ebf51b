//! Sources, crates, releases, changes and quarantine: the reading side.

use std::collections::HashMap;

use async_trait::async_trait;
use schema::{CanonicalName, Change, ChangeKind, Release, ReleaseId, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;
use store::{
    AppliedKrate, ChangeRow, Index, KrateWrite, QuarantineWrite, Quarantined, Reading, SourceState, StoreError,
    StoredKrate, StoredRelease,
};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::{
    RELEASE, digest, get, ids, key, name, num, optional_digest, optional_text, parsed, release, text, time, unreadable,
};
use crate::text::{kept, told};

#[async_trait]
impl Index for PostgresStore {
    async fn source(&self, address: &str) -> Result<Option<SourceState>, StoreError> {
        let row = sqlx::query("SELECT * FROM source WHERE address = $1")
            .bind(kept(address))
            .fetch_optional(&self.pool)
            .await
            .failing_on(self, "read a source")?;
        row.as_ref().map(source_state).transpose()
    }

    async fn sources(&self) -> Result<Vec<SourceState>, StoreError> {
        let rows = sqlx::query("SELECT * FROM source ORDER BY address")
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read the sources")?;
        rows.iter().map(source_state).collect()
    }

    async fn note_source(&self, state: &SourceState) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO source (address, download, cursor_commit, complete_since, last_success_at, last_error, looked_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (address) DO UPDATE SET download = excluded.download, cursor_commit = excluded.cursor_commit,
                 complete_since = excluded.complete_since, last_success_at = excluded.last_success_at,
                 last_error = excluded.last_error, looked_at = excluded.looked_at
             RETURNING id",
        )
        .bind(kept(&state.address))
        .bind(state.download.as_deref().map(kept))
        .bind(state.cursor_commit.as_deref().map(kept))
        .bind(state.complete_since.map(Timestamp::as_micros))
        .bind(state.last_success_at.map(Timestamp::as_micros))
        .bind(state.last_error.as_deref().map(kept))
        .bind(state.looked_at.map(Timestamp::as_micros))
        .fetch_one(&self.pool)
        .await
        .failing_on(self, "note how a source was read")
    }

    async fn krates(&self, source: i64, names: &[CanonicalName]) -> Result<Vec<StoredKrate>, StoreError> {
        let names: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
        let krates = sqlx::query(
            "SELECT k.id, k.canonical, k.name, k.revision, g.etag, g.last_modified, g.doubtful_since, g.read_at
             FROM krate AS k LEFT JOIN reading AS g ON g.krate_id = k.id AND g.source_id = $2
             WHERE k.canonical = ANY($1) ORDER BY k.canonical",
        )
        .bind(&names)
        .bind(source)
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read crates")?;
        let releases = sqlx::query(
            "SELECT r.krate_id, r.id, k.name, r.num, r.generation, r.checksum, r.deleted_at, r.line
             FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE k.canonical = ANY($1) ORDER BY r.id",
        )
        .bind(&names)
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read the releases of crates")?;
        let mut by_krate: HashMap<i64, Vec<StoredRelease>> = HashMap::new();
        for row in &releases {
            by_krate.entry(get(row, "krate_id")?).or_default().push(stored_release(row)?);
        }
        let duplicates: Vec<(String, String)> =
            sqlx::query_as("SELECT name, line_after FROM change WHERE kind = 'duplicate_line'")
                .fetch_all(&self.pool)
                .await
                .failing_on(self, "read overruled lines")?;
        krates.iter().map(|row| stored_krate(row, &mut by_krate, &duplicates)).collect()
    }

    async fn apply(&self, source: i64, writes: &[KrateWrite], now: Timestamp) -> Result<Vec<AppliedKrate>, StoreError> {
        self.apply_writes(source, writes, now).await
    }

    async fn releases(&self, canonical: &CanonicalName) -> Result<Option<Vec<Release>>, StoreError> {
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM krate WHERE canonical = $1")
            .bind(canonical.as_str())
            .fetch_optional(&self.pool)
            .await
            .failing_on(self, "look for a crate")?;
        let Some(krate) = known else { return Ok(None) };
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE} FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE r.krate_id = $1 ORDER BY r.semver_ord NULLS FIRST, r.num, r.generation"
        )))
        .bind(krate)
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read the releases of a crate")?;
        rows.iter().map(release).collect::<Result<_, _>>().map(Some)
    }

    async fn releases_of_krates(&self, names: &[CanonicalName]) -> Result<Vec<Release>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE} FROM krate AS k JOIN release AS r ON r.krate_id = k.id
             WHERE k.canonical = ANY($1) ORDER BY k.canonical, r.semver_ord NULLS FIRST, r.num, r.generation"
        )))
        .bind(names.iter().map(CanonicalName::as_str).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read the releases of crates")?;
        rows.iter().map(release).collect()
    }

    async fn releases_of(&self, releases: &[ReleaseId]) -> Result<Vec<Release>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE} FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE r.id = ANY($1) ORDER BY r.id"
        )))
        .bind(ids(releases))
        .fetch_all(&self.pool)
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
            None => "SELECT * FROM change WHERE seq > $1 AND $2::text IS NULL ORDER BY seq LIMIT $3",
            Some(_) => {
                "SELECT * FROM change WHERE seq > $1 AND release_id IN (
                     SELECT r.id FROM release AS r JOIN krate AS k ON k.id = r.krate_id WHERE k.canonical = $2)
                 ORDER BY seq + 0 LIMIT $3"
            }
        };
        let rows = sqlx::query(statement)
            .bind(after)
            .bind(krate.map(CanonicalName::as_str))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read changes")?;
        rows.iter().map(change_row).collect()
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreError> {
        let rows = sqlx::query("SELECT * FROM quarantine ORDER BY first_seen_at, origin, path, line")
            .fetch_all(&self.pool)
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
        .fetch_one(&self.pool)
        .await
        .failing_on(self, "count what is remembered")?;
        Ok([counts.0, counts.1, counts.2, counts.3].map(i64::unsigned_abs))
    }
}

fn source_state(row: &PgRow) -> Result<SourceState, StoreError> {
    Ok(SourceState {
        id: get(row, "id")?,
        address: text(row, "address")?,
        download: optional_text(row, "download")?,
        cursor_commit: optional_text(row, "cursor_commit")?,
        complete_since: time(row, "complete_since")?,
        last_success_at: time(row, "last_success_at")?,
        last_error: optional_text(row, "last_error")?,
        cursor_at: time(row, "cursor_at")?,
        head_commit: optional_text(row, "head_commit")?,
        looked_at: time(row, "looked_at")?,
        behind_since: time(row, "behind_since")?,
        compared_at: time(row, "compared_at")?,
        drift: get::<Option<i64>>(row, "drift")?.map(i64::unsigned_abs),
    })
}

fn stored_krate(
    row: &PgRow,
    releases: &mut HashMap<i64, Vec<StoredRelease>>,
    duplicates: &[(String, String)],
) -> Result<StoredKrate, StoreError> {
    let name = name(row)?;
    let read: Option<i64> = get(row, "read_at")?;
    let reading = Reading {
        etag: optional_text(row, "etag")?,
        last_modified: optional_text(row, "last_modified")?,
        doubtful_since: time(row, "doubtful_since")?,
    };
    let overruled: Vec<String> =
        duplicates.iter().filter(|(of, _)| *of == name.as_str()).map(|(_, line)| told(line.clone())).collect();
    Ok(StoredKrate {
        canonical: name.canonical(),
        name,
        revision: get(row, "revision")?,
        reading: read.map(|_| reading),
        releases: releases.remove(&get::<i64>(row, "id")?).unwrap_or_default(),
        duplicates: overruled,
    })
}

fn stored_release(row: &PgRow) -> Result<StoredRelease, StoreError> {
    let key = key(row)?;
    Ok(StoredRelease {
        id: ReleaseId(get(row, "id")?),
        num: key.num,
        generation: key.generation,
        checksum: digest(row, "checksum")?,
        deleted: get::<Option<i64>>(row, "deleted_at")?.is_some(),
        line: text(row, "line")?,
    })
}

pub(crate) fn change_row(row: &PgRow) -> Result<ChangeRow, StoreError> {
    let kind: String = get(row, "kind")?;
    Ok(ChangeRow {
        seq: get(row, "seq")?,
        release: get::<Option<i64>>(row, "release_id")?.map(ReleaseId),
        change: Change {
            kind: ChangeKind::from_code(&kind).ok_or_else(|| unreadable("change kind", &kind))?,
            name: get::<Option<&str>>(row, "name")?.map(|_| name(row)).transpose()?,
            num: get::<Option<&str>>(row, "num")?.map(|_| num(row)).transpose()?,
            checksum: optional_digest(row, "checksum")?,
            fields: parsed(&get::<String>(row, "fields")?, "list of fields")?,
            commit: optional_text(row, "index_commit")?,
            at: Timestamp::from_micros(get(row, "at")?),
            line_before: optional_text(row, "line_before")?,
            line_after: optional_text(row, "line_after")?,
        },
    })
}

fn quarantined(row: &PgRow) -> Result<Quarantined, StoreError> {
    Ok(Quarantined {
        origin: get(row, "origin")?,
        entry: QuarantineWrite {
            path: text(row, "path")?,
            line: u32::try_from(get::<i64>(row, "line")?).map_err(|why| unreadable("line", &why))?,
            raw: text(row, "raw")?,
            reason: text(row, "reason")?,
        },
        first_seen_at: Timestamp::from_micros(get(row, "first_seen_at")?),
    })
}
