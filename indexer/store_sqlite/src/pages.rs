//! What pages and answers are made of. `data_version` is the mark of all that is stored: SQLite counts other connections' commits.

use std::collections::HashMap;

use async_trait::async_trait;
use schema::{CanonicalName, ProvenanceRow, ReleaseId, Sha256, VersionNum};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};
use store::{FeedRow, PageRow, Pages, StoreError, VersionRow};

use crate::SqliteStore;
use crate::error::Failing;
use crate::following::event_row;
use crate::index::change_row;
use crate::row::{RELEASE, get, json, key, parsed, release, time};

/// Whether an open mark of a release `r` means that its row is not the last word.
const WAITING: &str = "EXISTS (SELECT 1 FROM due AS d WHERE d.release_id = r.id \
     AND d.step IN ('match', 'publish')) AS is_waiting";

#[async_trait]
impl Pages for SqliteStore {
    async fn revision(&self) -> Result<String, StoreError> {
        self.must_be_in_place()?;
        let version: i64 = sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&self.watcher)
            .await
            .failing_on(self, "ask whether anything changed")?;
        Ok(version.to_string())
    }

    async fn pages(&self, canonical: &CanonicalName, num: &VersionNum) -> Result<Vec<PageRow>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE}, p.document, {WAITING} FROM krate AS k JOIN release AS r ON r.krate_id = k.id
             LEFT JOIN provenance AS p ON p.release_id = r.id
             WHERE k.canonical = ? AND r.num = ? ORDER BY r.generation"
        )))
        .bind(canonical.as_str())
        .bind(num.as_str())
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read a release with its row")?;
        rows.iter().map(page_row).collect()
    }

    async fn pages_of(&self, releases: &[ReleaseId]) -> Result<Vec<PageRow>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE}, p.document, {WAITING} FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             LEFT JOIN provenance AS p ON p.release_id = r.id
             WHERE r.id IN (SELECT value FROM json_each(?))"
        )))
        .bind(json(releases)?)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read releases with their rows")?;
        let mut pages = HashMap::new();
        for row in &rows {
            let page = page_row(row)?;
            pages.insert(page.release.id, page);
        }
        Ok(releases.iter().filter_map(|release| pages.remove(release)).collect())
    }

    async fn versions(&self, canonical: &CanonicalName) -> Result<Option<Vec<VersionRow>>, StoreError> {
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM krate WHERE canonical = ?")
            .bind(canonical.as_str())
            .fetch_optional(&self.readers)
            .await
            .failing_on(self, "look for a crate")?;
        let Some(krate) = known else { return Ok(None) };
        let rows = sqlx::query(
            "SELECT r.id, k.name, r.num, r.generation, r.published_at, r.yanked, r.deleted_at
             FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE r.krate_id = ? ORDER BY r.semver_ord, r.num, r.generation",
        )
        .bind(krate)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "list the versions of a crate")?;
        rows.iter().map(version_row).collect::<Result<_, _>>().map(Some)
    }

    async fn with_checksum(&self, checksum: &Sha256) -> Result<Vec<ReleaseId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM release WHERE checksum = ? ORDER BY id")
            .bind(checksum.as_bytes().as_slice())
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "look for a checksum")?;
        Ok(ids.into_iter().map(ReleaseId).collect())
    }

    async fn feed(&self, after: i64, limit: u32) -> Result<Vec<FeedRow>, StoreError> {
        // One transaction is one moment: nothing can be stored between the two statements. There is one writer, and it
        // takes its numbers inside its transaction, so what is seen has no gaps that are filled later.
        let mut moment = self.readers.begin().await.failing_on(self, "begin to read what happened")?;
        let rows = self.feed_in(&mut moment, after, limit).await;
        moment.rollback().await.failing_on(self, "end to read what happened")?;
        rows
    }

    async fn last_number(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "SELECT max(coalesce((SELECT max(seq) FROM change), 0), coalesce((SELECT max(seq) FROM event), 0))",
        )
        .fetch_one(&self.readers)
        .await
        .failing_on(self, "read the last number")
    }
}

impl SqliteStore {
    async fn feed_in(
        &self,
        moment: &mut Transaction<'static, Sqlite>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<FeedRow>, StoreError> {
        let changes = sqlx::query("SELECT * FROM change WHERE seq > ? ORDER BY seq LIMIT ?")
            .bind(after)
            .bind(limit)
            .fetch_all(&mut **moment)
            .await
            .failing_on(self, "read changes")?;
        let events = sqlx::query("SELECT seq, at, kind, payload FROM event WHERE seq > ? ORDER BY seq LIMIT ?")
            .bind(after)
            .bind(limit)
            .fetch_all(&mut **moment)
            .await
            .failing_on(self, "read events")?;
        let mut feed = Vec::with_capacity(changes.len() + events.len());
        for row in &changes {
            feed.push(FeedRow::Change(change_row(row)?));
        }
        for row in &events {
            feed.push(FeedRow::Event(event_row(row)?));
        }
        // Each list is whole up to its own limit, so the lowest so many of both are whole, too.
        feed.sort_by_key(FeedRow::seq);
        feed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(feed)
    }
}

fn page_row(row: &SqliteRow) -> Result<PageRow, StoreError> {
    let document: Option<String> = get(row, "document")?;
    let held = document.map(|text| parsed::<ProvenanceRow>(&text, "provenance row")).transpose()?;
    Ok(PageRow { release: release(row)?, row: held, is_waiting: get::<i64>(row, "is_waiting")? != 0 })
}

fn version_row(row: &SqliteRow) -> Result<VersionRow, StoreError> {
    let key = key(row)?;
    Ok(VersionRow {
        id: ReleaseId(get(row, "id")?),
        name: key.name,
        num: key.num,
        generation: key.generation,
        published_at: time(row, "published_at")?,
        yanked: get::<i64>(row, "yanked")? != 0,
        deleted_at: time(row, "deleted_at")?,
    })
}
