//! Who depends on whom, in pages: now, or as it was at a time.

use std::collections::HashMap;

use async_trait::async_trait;
use schema::{CanonicalName, DependencyKind, KrateName, ReleaseId, Timestamp};
use serde::Deserialize;
use sqlx::postgres::PgRow;
use store::{DependencyRow, Exposure, ExposurePage, KrateRevision, PastDependency, ReleaseRow, StoreError};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::{get, name, num, text, time, unreadable};
use crate::text::told;

/// `$3` is the time asked about, NULL for now. Of deletions and returns the last one before the time counts. Since when a
/// release was there is as `schema::Past` has it for one release. Whether it was yanked then stands in [`YANKED`].
const RELEASES: &str = "SELECT r.id, k.name, r.num, r.yanked,
         CASE WHEN $3::bigint IS NULL THEN r.deleted_at
              WHEN r.deleted_at <= $3 THEN r.deleted_at
              ELSE (SELECT CASE WHEN c.kind IN ('version_deleted', 'crate_deleted') THEN c.at END
                    FROM change AS c WHERE c.release_id = r.id AND c.at <= $3
                    AND c.kind IN ('version_deleted', 'crate_deleted', 're_added') ORDER BY c.seq DESC LIMIT 1)
         END AS deleted_at,
         coalesce($3 >= coalesce(
             (SELECT CASE WHEN c.index_commit IS NOT NULL OR c.kind = 'checksum_changed' THEN c.at
                          ELSE least(c.at, r.published_at) END
              FROM change AS c WHERE c.release_id = r.id AND c.kind IN ('added', 'added_yanked', 'checksum_changed')
              ORDER BY c.seq LIMIT 1),
             CASE WHEN NOT EXISTS (SELECT 1 FROM change AS c WHERE c.release_id = r.id AND c.fields LIKE '%pubtime%')
                  THEN r.published_at END), true) AS present
     FROM release AS r JOIN krate AS k ON k.id = r.krate_id
     WHERE r.id > $1 ORDER BY r.id LIMIT $2";

/// Later changes that tell what was before them; the first of a release that can be read tells how it was. Read here, not by
/// the server: its JSON functions refuse what an index line may hold.
const YANKED: &str = "SELECT c.release_id, c.line_before FROM change AS c
     WHERE c.release_id > $1 AND c.release_id <= $2 AND c.at > $3 AND c.line_before IS NOT NULL
     ORDER BY c.release_id, c.seq";

/// A row stood from the change that opened it until the one that closed it.
const DEPENDENCIES: &str = "SELECT d.release_id, d.canonical, d.req, d.kind, d.optional
     FROM dependency AS d
     LEFT JOIN change AS opened ON opened.seq = d.from_seq
     LEFT JOIN change AS closed ON closed.seq = d.to_seq
     WHERE d.release_id > $1 AND d.release_id <= $2 AND d.registry IS NULL
     AND CASE WHEN $3::bigint IS NULL THEN d.to_seq IS NULL
         ELSE (opened.at IS NULL OR opened.at <= $3) AND (d.to_seq IS NULL OR closed.at > $3) END
     ORDER BY d.release_id, d.from_seq, d.ordinal";

const RELEASES_OF: &str = "SELECT r.id, k.name, r.num, r.yanked, r.deleted_at
     FROM release AS r JOIN krate AS k ON k.id = r.krate_id
     WHERE k.id = ANY($1) ORDER BY r.id";

const DEPENDENCIES_OF: &str = "SELECT d.release_id, d.canonical, d.req, d.kind, d.optional
     FROM dependency AS d JOIN release AS r ON r.id = d.release_id
     WHERE r.krate_id = ANY($1) AND d.registry IS NULL AND d.to_seq IS NULL
     ORDER BY d.release_id, d.from_seq, d.ordinal";

#[async_trait]
impl Exposure for PostgresStore {
    async fn exposure_page(
        &self,
        after: ReleaseId,
        limit: u32,
        at: Option<Timestamp>,
    ) -> Result<ExposurePage, StoreError> {
        let at = at.map(Timestamp::as_micros);
        let rows = sqlx::query(RELEASES)
            .bind(after.0)
            .bind(i64::from(limit))
            .bind(at)
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read the releases of the index")?;
        let mut page = ExposurePage::default();
        for row in &rows {
            page.last = Some(ReleaseId(get(row, "id")?));
            if get(row, "present")? {
                page.releases.push(release_row(row)?);
            }
        }
        let Some(last) = page.last else { return Ok(page) };
        if let Some(at) = at {
            self.yanked_then(&mut page.releases, after, last, at).await?;
        }
        let rows = sqlx::query(DEPENDENCIES)
            .bind(after.0)
            .bind(last.0)
            .bind(at)
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read the dependencies of the index")?;
        for row in &rows {
            page.dependencies.extend(dependency_row(row)?);
        }
        Ok(page)
    }

    async fn dependencies_ever(&self, on: &CanonicalName) -> Result<Vec<PastDependency>, StoreError> {
        let rows = sqlx::query(
            "SELECT r.id, k.name, r.num, r.yanked, r.deleted_at, d.release_id, d.canonical, d.req, d.kind, d.optional,
                 coalesce(opened.at, r.published_at) AS from_at, closed.at AS until_at
             FROM dependency AS d JOIN release AS r ON r.id = d.release_id JOIN krate AS k ON k.id = r.krate_id
             LEFT JOIN change AS opened ON opened.seq = d.from_seq LEFT JOIN change AS closed ON closed.seq = d.to_seq
             WHERE d.canonical = $1 AND octet_length(d.canonical) <= 64 AND d.registry IS NULL
             ORDER BY k.canonical, r.semver_ord NULLS FIRST, r.id, d.from_seq, d.ordinal",
        )
        .bind(on.as_str())
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read who ever depended on a crate")?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(dependency) = dependency_row(row)? else { continue };
            let (from, until) = (time(row, "from_at")?, time(row, "until_at")?);
            found.push(PastDependency { release: release_row(row)?, dependency, from, until });
        }
        Ok(found)
    }

    async fn krate_revisions(&self) -> Result<Vec<KrateRevision>, StoreError> {
        let rows = sqlx::query("SELECT id, name, revision FROM krate")
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read the revisions of the crates")?;
        rows.iter().map(krate_revision).collect()
    }

    async fn exposure_of(&self, krates: &[i64]) -> Result<ExposurePage, StoreError> {
        let releases = sqlx::query(RELEASES_OF)
            .bind(krates)
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read the releases of crates")?;
        let dependencies = sqlx::query(DEPENDENCIES_OF)
            .bind(krates)
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read the dependencies of crates")?;
        let mut page = ExposurePage::default();
        for row in &releases {
            page.releases.push(release_row(row)?);
        }
        for row in &dependencies {
            page.dependencies.extend(dependency_row(row)?);
        }
        Ok(page)
    }
}

impl PostgresStore {
    /// Puts releases back to how they were, where a later change tells it.
    async fn yanked_then(
        &self,
        releases: &mut [ReleaseRow],
        after: ReleaseId,
        last: ReleaseId,
        at: i64,
    ) -> Result<(), StoreError> {
        #[derive(Deserialize)]
        struct Line {
            yanked: Option<bool>,
        }
        let lines: Vec<(i64, String)> = sqlx::query_as(YANKED)
            .bind(after.0)
            .bind(last.0)
            .bind(at)
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read how the releases of the index were")?;
        let mut then: HashMap<i64, bool> = HashMap::new();
        for (release, line) in lines {
            if let Ok(line) = serde_json::from_str::<Line>(&told(line)) {
                then.entry(release).or_insert(line.yanked.unwrap_or_default());
            }
        }
        for release in releases {
            if let Some(yanked) = then.get(&release.id.0) {
                release.yanked = *yanked;
            }
        }
        Ok(())
    }
}

fn krate_revision(row: &PgRow) -> Result<KrateRevision, StoreError> {
    Ok(KrateRevision { krate: get(row, "id")?, canonical: name(row)?.canonical(), revision: get(row, "revision")? })
}

fn release_row(row: &PgRow) -> Result<ReleaseRow, StoreError> {
    Ok(ReleaseRow {
        id: ReleaseId(get(row, "id")?),
        name: name(row)?,
        num: num(row)?,
        yanked: get(row, "yanked")?,
        deleted_at: time(row, "deleted_at")?,
    })
}

/// `None` for a dependency on what cannot be the name of a crate: nothing can ever resolve it.
fn dependency_row(row: &PgRow) -> Result<Option<DependencyRow>, StoreError> {
    let Ok(name) = KrateName::parse(&text(row, "canonical")?) else { return Ok(None) };
    let kind: String = get(row, "kind")?;
    Ok(Some(DependencyRow {
        release: ReleaseId(get(row, "release_id")?),
        canonical: name.canonical(),
        req: text(row, "req")?,
        kind: kind.parse::<DependencyKind>().map_err(|why| unreadable("dependency kind", &why))?,
        optional: get(row, "optional")?,
    }))
}
