//! The published rows, the facts they are made of, and the events they raise.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use schema::{AdvisoryKind, CanonicalName, ProvenanceRow, ReleaseId, SeverityWord, Step, Timestamp};
use serde_json::json as document;
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use store::{Advisories as _, Checks as _, PublishFacts, RowWrite, StoreError};

use crate::PostgresStore;
use crate::copy::Rows;
use crate::error::Failing;
use crate::row::{RELEASE, get, ids, json, optional_text, parsed, release};
use crate::text::kept;

/// `none-known` of a release that waits to be matched or published anew is `pending` wherever it is counted, as the contract's view
/// has it (0015). Counted from what is due, which is little beside the rows.
pub(crate) const WAITING_ROWS: &str = "WITH waiting AS (SELECT p.verdict, p.worst_kind, p.checksum_state, count(*) AS n
     FROM (SELECT DISTINCT release_id FROM due WHERE step IN ('match', 'publish')) AS d
     JOIN provenance AS p ON p.release_id = d.release_id
     WHERE p.advisory_state = 'none-known' GROUP BY p.verdict, p.worst_kind, p.checksum_state)";

#[async_trait]
impl store::Rows for PostgresStore {
    async fn publish_facts(&self, releases: &[ReleaseId]) -> Result<Vec<PublishFacts>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE}, r.index_commit FROM release AS r JOIN krate AS k ON k.id = r.krate_id
             WHERE r.id = ANY($1) ORDER BY r.id"
        )))
        .bind(ids(releases))
        .fetch_all(&self.pool)
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
                    index_commit: optional_text(row, "index_commit")?,
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
        // Numbers come before marks in the order of locks; those of late writes stay unused.
        let n_changed = writes.iter().filter(|write| write.changed).count();
        let n_changed = i64::try_from(n_changed).unwrap_or(i64::MAX);
        let first = if n_changed == 0 { 0 } else { self.reserve(&mut transaction, n_changed).await? };
        let cleared = self.clear_in(&mut transaction, writes.iter().map(|write| write.mark), Step::Publish).await?;
        let cleared: HashSet<_> = cleared.into_iter().map(|(release, _)| release).collect();
        let held: Vec<_> = writes.iter().filter(|write| cleared.contains(&write.mark.release)).collect();
        self.write_rows(&mut transaction, &held).await?;
        self.write_events(&mut transaction, &held, first, now).await?;
        self.commit(transaction).await
    }

    async fn rows(&self, canonical: &CanonicalName) -> Result<Vec<ProvenanceRow>, StoreError> {
        let documents: Vec<String> = sqlx::query_scalar(
            "SELECT p.document FROM provenance AS p JOIN release AS r ON r.id = p.release_id
             JOIN krate AS k ON k.id = r.krate_id WHERE k.canonical = $1
             ORDER BY r.semver_ord NULLS FIRST, r.num, r.generation",
        )
        .bind(canonical.as_str())
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read the rows of a crate")?;
        documents.iter().map(|text| parsed(text, "provenance row")).collect()
    }

    async fn said(&self, releases: &[ReleaseId], at: Timestamp) -> Result<Vec<(ReleaseId, String)>, StoreError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT e.release_id, e.payload FROM event AS e WHERE e.seq IN (
                 SELECT max(seq) FROM event WHERE release_id = ANY($1)
                 AND kind = 'provenance_changed' AND at <= $2 GROUP BY release_id) ORDER BY e.release_id",
        )
        .bind(ids(releases))
        .bind(at.as_micros())
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read what rows said at a time")?;
        Ok(rows.into_iter().map(|(release, payload)| (ReleaseId(release), payload)).collect())
    }

    async fn rows_of(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, ProvenanceRow)>, StoreError> {
        let rows =
            sqlx::query("SELECT release_id, document FROM provenance WHERE release_id = ANY($1) ORDER BY release_id")
                .bind(ids(releases))
                .fetch_all(&self.pool)
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
             SELECT verdict, state, sum(n)::bigint FROM (
                 SELECT verdict, advisory_state AS state, count(*) AS n FROM provenance GROUP BY 1, 2
                 UNION ALL SELECT verdict, 'none-known', -n FROM waiting
                 UNION ALL SELECT verdict, 'pending', n FROM waiting
             ) AS counted GROUP BY 1, 2 HAVING sum(n) > 0 ORDER BY 1, 2"
        )))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "count rows")?;
        Ok(counts.into_iter().map(|(verdict, state, n)| (verdict, state, n.cast_unsigned())).collect())
    }
}

const INSERT_EVENTS: &str = "COPY event (seq, at, kind, release_id, payload) FROM STDIN (FORMAT binary)";

const UPSERT_ROWS: &str = "INSERT INTO provenance (release_id, checksum_state, verdict, advisory_state, worst_kind, \
         worst_severity, badge_label, badge_message, badge_tone, document, rules, checked_at, changed_at) \
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], \
         $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[]) \
     ON CONFLICT (release_id) DO UPDATE SET checksum_state = excluded.checksum_state, \
         verdict = excluded.verdict, advisory_state = excluded.advisory_state, \
         worst_kind = excluded.worst_kind, worst_severity = excluded.worst_severity, \
         badge_label = excluded.badge_label, badge_message = excluded.badge_message, \
         badge_tone = excluded.badge_tone, document = excluded.document, rules = excluded.rules, \
         checked_at = excluded.checked_at, changed_at = excluded.changed_at";

impl PostgresStore {
    async fn write_rows(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        held: &[&RowWrite],
    ) -> Result<(), StoreError> {
        // Each release once, the last write of it, in order.
        let rows: BTreeMap<_, _> = held.iter().map(|write| (write.mark.release.0, &write.row)).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let documents = rows.values().copied().map(json).collect::<Result<Vec<_>, _>>()?;
        let texts = |of: fn(&ProvenanceRow) -> &str| rows.values().map(|row| kept(of(row))).collect::<Vec<_>>();
        let times =
            |of: fn(&ProvenanceRow) -> Timestamp| rows.values().map(|row| of(row).as_micros()).collect::<Vec<_>>();
        sqlx::query(UPSERT_ROWS)
            .bind(rows.keys().copied().collect::<Vec<_>>())
            .bind(texts(|row| row.checksum_state.as_str()))
            .bind(texts(|row| row.source.verdict.as_str()))
            .bind(texts(|row| row.advisories.state.as_str()))
            .bind(rows.values().map(|row| row.advisories.worst_kind.map(AdvisoryKind::as_str)).collect::<Vec<_>>())
            .bind(rows.values().map(|row| row.advisories.worst_severity.map(SeverityWord::as_str)).collect::<Vec<_>>())
            .bind(texts(|row| &row.badge.label))
            .bind(texts(|row| &row.badge.message))
            .bind(texts(|row| row.badge.tone.as_str()))
            .bind(documents)
            .bind(texts(|row| &row.rules))
            .bind(times(|row| row.checked_at))
            .bind(times(|row| row.changed_at))
            .execute(&mut **transaction)
            .await
            .failing_on(self, "store rows")?;
        Ok(())
    }

    async fn write_events(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        held: &[&RowWrite],
        first: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut events = Rows::of(5);
        let mut last = None;
        for (write, seq) in held.iter().filter(|write| write.changed).zip(first..) {
            let row = &write.row;
            let payload = document!({
                "name": row.name, "vers": row.num, "generation": row.generation,
                "checksum_state": row.checksum_state, "verdict": row.source.verdict,
                "advisory_state": row.advisories.state, "badge": row.badge,
            });
            let event = events.row().bigint(seq).bigint(now.as_micros()).text("provenance_changed");
            event.bigint(write.mark.release.0).json(&payload.to_string());
            last = Some(seq);
        }
        let Some(last) = last else { return Ok(()) };
        self.copy_in(transaction, INSERT_EVENTS, events, "store events").await?;
        self.tell(transaction, last).await
    }
}
