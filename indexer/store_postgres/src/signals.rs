//! What signals are judged by, and how long releases took to be seen: questions about the recent past.

use schema::{CanonicalName, ChangeKind, KrateName, Timestamp, VersionNum};
use sqlx::postgres::PgRow;
use store::{Latency, RecentChange, SignalFacts, StoreError};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::{get, time, unreadable};

/// When a release was published as far as it is known: by its line, else by the change that brought it. One that was met
/// in a baseline without a time gives NULL.
const PUBLISHED: &str = "coalesce(r.published_at, (SELECT min(c.at) FROM change AS c WHERE c.release_id = r.id))";

impl PostgresStore {
    pub(crate) async fn facts_for_signals(
        &self,
        krates: &[CanonicalName],
        dependencies: &[CanonicalName],
        since: Timestamp,
    ) -> Result<SignalFacts, StoreError> {
        let mut facts = SignalFacts::default();
        if !krates.is_empty() {
            facts.recent = self.recent_changes(krates, since).await?;
            facts.last_published = self.last_published(krates).await?;
        }
        if !dependencies.is_empty() {
            facts.began = self.began_after(dependencies, since).await?;
        }
        Ok(facts)
    }

    async fn recent_changes(
        &self,
        krates: &[CanonicalName],
        since: Timestamp,
    ) -> Result<Vec<RecentChange>, StoreError> {
        let rows = sqlx::query(
            "SELECT k.canonical, c.kind, c.num, c.at FROM krate AS k
             JOIN release AS r ON r.krate_id = k.id JOIN change AS c ON c.release_id = r.id
             WHERE k.canonical = ANY($1) AND c.at > $2
             AND c.kind IN ('added', 'added_yanked', 'checksum_changed', 'yanked', 'unyanked') ORDER BY c.seq",
        )
        .bind(names(krates))
        .bind(since.as_micros())
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read recent changes")?;
        rows.iter().map(recent_change).collect()
    }

    /// The release with the highest number is the last one published, but for a baseline, where the file's order stands.
    async fn last_published(&self, krates: &[CanonicalName]) -> Result<Vec<(CanonicalName, Timestamp)>, StoreError> {
        let statement = format!(
            "SELECT k.canonical, (SELECT {PUBLISHED} FROM release AS r WHERE r.krate_id = k.id
                 ORDER BY r.id DESC LIMIT 1) AS at
             FROM krate AS k WHERE k.canonical = ANY($1)"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(names(krates))
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read last publications")?;
        dated(&rows)
    }

    /// What was deleted before that day does not make a crate old: a name that was given up is anybody's.
    async fn began_after(
        &self,
        krates: &[CanonicalName],
        since: Timestamp,
    ) -> Result<Vec<(CanonicalName, Timestamp)>, StoreError> {
        let statement = format!(
            "SELECT k.canonical, (SELECT min({PUBLISHED}) FROM release AS r
                 WHERE r.krate_id = k.id AND (r.deleted_at IS NULL OR r.deleted_at > $2)) AS at
             FROM krate AS k WHERE k.canonical = ANY($1)
             AND NOT EXISTS (SELECT 1 FROM release AS r WHERE r.krate_id = k.id AND coalesce({PUBLISHED}, 0) <= $2
                 AND (r.deleted_at IS NULL OR r.deleted_at > $2))"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(names(krates))
            .bind(since.as_micros())
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "look for young crates")?;
        dated(&rows)
    }

    /// Of the last changes only, so that the question costs the same when the record is long.
    pub(crate) async fn recent_latencies(&self, since: Timestamp, limit: u32) -> Result<Vec<Latency>, StoreError> {
        let rows = sqlx::query(
            "SELECT r.published_at, r.first_seen_at,
                 (SELECT min(e.at) FROM event AS e WHERE e.release_id = r.id AND e.kind = 'provenance_changed') AS row_at
             FROM (SELECT * FROM change ORDER BY seq DESC LIMIT 5 * $2::bigint) AS c JOIN release AS r ON r.id = c.release_id
             WHERE c.kind IN ('added', 'added_yanked', 'checksum_changed') AND c.observed_at > $1
             AND r.published_at IS NOT NULL ORDER BY c.seq DESC LIMIT $2::bigint",
        )
        .bind(since.as_micros())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "measure how long releases took to be seen")?;
        rows.iter()
            .map(|row| {
                Ok(Latency {
                    published_at: Timestamp::from_micros(get(row, "published_at")?),
                    first_seen_at: Timestamp::from_micros(get(row, "first_seen_at")?),
                    row_at: time(row, "row_at")?,
                })
            })
            .collect()
    }
}

fn recent_change(row: &PgRow) -> Result<RecentChange, StoreError> {
    let kind: String = get(row, "kind")?;
    Ok(RecentChange {
        canonical: canonical(row)?,
        kind: ChangeKind::from_code(&kind).ok_or_else(|| unreadable("change kind", &kind))?,
        num: VersionNum::parse(&get::<String>(row, "num")?).map_err(|why| unreadable("version", &why))?,
        at: Timestamp::from_micros(get(row, "at")?),
    })
}

/// Crates with a time; those without are left out.
fn dated(rows: &[PgRow]) -> Result<Vec<(CanonicalName, Timestamp)>, StoreError> {
    let mut dated = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(at) = time(row, "at")? {
            dated.push((canonical(row)?, at));
        }
    }
    Ok(dated)
}

fn names(krates: &[CanonicalName]) -> Vec<String> {
    krates.iter().map(|krate| krate.as_str().to_owned()).collect()
}

fn canonical(row: &PgRow) -> Result<CanonicalName, StoreError> {
    let name: String = get(row, "canonical")?;
    KrateName::parse(&name).map(|name| name.canonical()).map_err(|why| unreadable("crate name", &why))
}
