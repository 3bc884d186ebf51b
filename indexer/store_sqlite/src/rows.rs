//! The published rows, the facts they are made of, and the events they raise.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use schema::{CanonicalName, ProvenanceRow, ReleaseId, Step, Timestamp};
use serde_json::json as document;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};
use store::{Advisories as _, Checks as _, PublishFacts, RowWrite, Rows, StoreError};

use crate::SqliteStore;
use crate::error::Failing;
use crate::row::{RELEASE, get, json, parsed, release};

/// `none-known` of a release that waits to be matched or published anew is `pending` wherever it is counted, as the contract's view
/// has it (0015). Counted from what is due, which is little beside the rows.
pub(crate) const WAITING_ROWS: &str = "WITH waiting AS (SELECT p.verdict, p.worst_kind, p.checksum_state, count(*) AS n
     FROM (SELECT DISTINCT release_id FROM due WHERE step IN ('match', 'publish')) AS d
     JOIN provenance AS p ON p.release_id = d.release_id
     WHERE p.advisory_state = 'none-known' GROUP BY p.verdict, p.worst_kind, p.checksum_state)";

#[async_trait]
impl Rows for SqliteStore {
    async fn publish_facts(&self, releases: &[ReleaseId]) -> Result<Vec<PublishFacts>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE}, r.index_commit FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE r.id IN (SELECT value FROM json_each(?)) ORDER BY r.id"
        )))
        .bind(json(releases)?)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read releases")?;
        let mut archives: HashMap<_, _> = self.archives_of(releases).await?.into_iter().collect();
        let mut inspections: HashMap<_, _> = self.inspections_of(releases).await?.into_iter().collect();
        let mut previous: HashMap<_, _> = self.rows_of(releases).await?.into_iter().collect();
        let mut sources: HashMap<_, _> = self.summaries(releases).await?.into_iter().collect();
        let mut open: HashMap<_, Vec<_>> = HashMap::new();
        for mark in self.open_marks_of(releases).await? {
            if mark.step != Step::Publish {
                open.entry(mark.release).or_default().push(mark);
            }
        }
        let mut matches: HashMap<_, Vec<_>> = HashMap::new();
        for found in self.matches(releases).await? {
            matches.entry(found.release).or_default().push(found);
        }
        rows.iter()
            .map(|row| {
                let release = release(row)?;
                let id = release.id;
                Ok(PublishFacts {
                    release,
                    index_commit: get(row, "index_commit")?,
                    archive: archives.remove(&id),
                    inspection: inspections.remove(&id),
                    source: sources.remove(&id),
                    open: open.remove(&id).unwrap_or_default(),
                    matches: matches.remove(&id).unwrap_or_default(),
                    previous: previous.remove(&id),
                })
            })
            .collect()
    }

    async fn finish_rows(&self, writes: &[RowWrite], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let cleared = self.clear_in(&mut transaction, writes.iter().map(|write| write.mark), Step::Publish).await?;
        let cleared: HashSet<_> = cleared.into_iter().map(|(release, _)| release).collect();
        let held: Vec<_> = writes.iter().filter(|write| cleared.contains(&write.mark.release)).collect();
        self.write_rows(&mut transaction, &held).await?;
        self.write_events(&mut transaction, &held, now).await?;
        self.commit(transaction).await
    }

    async fn rows(&self, canonical: &CanonicalName) -> Result<Vec<ProvenanceRow>, StoreError> {
        let documents: Vec<String> = sqlx::query_scalar(
            "SELECT p.document FROM provenance AS p JOIN release AS r ON r.id = p.release_id
             JOIN krate AS k ON k.id = r.krate_id WHERE k.canonical = ?
             ORDER BY r.semver_ord, r.num, r.generation",
        )
        .bind(canonical.as_str())
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read the rows of a crate")?;
        documents.iter().map(|text| parsed(text, "provenance row")).collect()
    }

    async fn said(&self, releases: &[ReleaseId], at: Timestamp) -> Result<Vec<(ReleaseId, String)>, StoreError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT e.release_id, e.payload FROM event AS e WHERE e.seq IN (
                 SELECT max(seq) FROM event WHERE release_id IN (SELECT value FROM json_each(?1))
                 AND kind = 'provenance_changed' AND at <= ?2 GROUP BY release_id)",
        )
        .bind(json(releases)?)
        .bind(at.as_micros())
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read what rows said at a time")?;
        Ok(rows.into_iter().map(|(release, payload)| (ReleaseId(release), payload)).collect())
    }

    async fn rows_of(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, ProvenanceRow)>, StoreError> {
        let rows = sqlx::query(
            "SELECT release_id, document FROM provenance WHERE release_id IN (SELECT value FROM json_each(?))",
        )
        .bind(json(releases)?)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read rows")?;
        rows.iter()
            .map(|row| {
                Ok((ReleaseId(get(row, "release_id")?), parsed(&get::<String>(row, "document")?, "provenance row")?))
            })
            .collect()
    }

    async fn row_counts(&self) -> Result<Vec<(String, String, u64)>, StoreError> {
        let counts: Vec<(String, String, i64)> = sqlx::query_as(AssertSqlSafe(format!(
            "{WAITING_ROWS}
             SELECT verdict, state, sum(n) FROM (
                 SELECT verdict, advisory_state AS state, count(*) AS n FROM provenance GROUP BY 1, 2
                 UNION ALL SELECT verdict, 'none-known', -n FROM waiting
                 UNION ALL SELECT verdict, 'pending', n FROM waiting
             ) AS counted GROUP BY 1, 2 HAVING sum(n) > 0 ORDER BY 1, 2"
        )))
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "count rows")?;
        Ok(counts.into_iter().map(|(verdict, state, n)| (verdict, state, n.cast_unsigned())).collect())
    }
}

impl SqliteStore {
    async fn write_rows(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        held: &[&RowWrite],
    ) -> Result<(), StoreError> {
        let rows = held
            .iter()
            .map(|write| {
                let row = &write.row;
                Ok(document!([
                    write.mark.release,
                    row.checksum_state,
                    row.source.verdict,
                    row.advisories.state,
                    row.advisories.worst_kind,
                    row.advisories.worst_severity,
                    row.badge.label,
                    row.badge.message,
                    row.badge.tone,
                    json(row)?,
                    row.rules,
                    row.checked_at.as_micros(),
                    row.changed_at.as_micros(),
                ]))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        sqlx::query(
            "INSERT INTO provenance (release_id, checksum_state, verdict, advisory_state, worst_kind, worst_severity,
                 badge_label, badge_message, badge_tone, document, rules, checked_at, changed_at)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                 value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12
             FROM json_each(?) WHERE true
             ON CONFLICT (release_id) DO UPDATE SET checksum_state = excluded.checksum_state,
                 verdict = excluded.verdict, advisory_state = excluded.advisory_state,
                 worst_kind = excluded.worst_kind, worst_severity = excluded.worst_severity,
                 badge_label = excluded.badge_label, badge_message = excluded.badge_message,
                 badge_tone = excluded.badge_tone, document = excluded.document, rules = excluded.rules,
                 checked_at = excluded.checked_at, changed_at = excluded.changed_at",
        )
        .bind(json(&rows)?)
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store rows")?;
        Ok(())
    }

    async fn write_events(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        held: &[&RowWrite],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed: Vec<_> = held.iter().filter(|write| write.changed).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let first = self.reserve(transaction, i64::try_from(changed.len()).unwrap_or(i64::MAX)).await?;
        let events: Vec<_> = changed
            .iter()
            .zip(first..)
            .map(|(write, seq)| {
                let row = &write.row;
                let payload = document!({
                    "name": row.name, "vers": row.num, "generation": row.generation,
                    "checksum_state": row.checksum_state, "verdict": row.source.verdict,
                    "advisory_state": row.advisories.state, "badge": row.badge,
                });
                document!([seq, write.mark.release, payload.to_string()])
            })
            .collect();
        sqlx::query(
            "INSERT INTO event (seq, at, kind, release_id, payload)
             SELECT value ->> 0, ?2, 'provenance_changed', value ->> 1, value ->> 2 FROM json_each(?1)",
        )
        .bind(json(&events)?)
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store events")?;
        Ok(())
    }
}
