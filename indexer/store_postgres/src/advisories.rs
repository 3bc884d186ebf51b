//! The advisory database: states and matches. What new states write stands in `revisions`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use async_trait::async_trait;
use schema::{AdvisoryFacts, AdvisoryId, AdvisoryMatch, CanonicalName, DbCommit, Priority, ReleaseId, Step, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Postgres};
use store::{Advisories, AdvisoryState, DbWrite, MatchRow, MatchWrite, StoreError, StoredAdvisory};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::{RELEASE, get, ids, json, parsed, release, text};
use crate::text::kept;

#[async_trait]
impl Advisories for PostgresStore {
    async fn advisory_db(&self) -> Result<Option<DbCommit>, StoreError> {
        let row = sqlx::query("SELECT db_commit, at, source FROM advisory_db ORDER BY db_seq DESC LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .failing_on(self, "read the state of the advisory database")?;
        row.as_ref().map(db_commit).transpose()
    }

    async fn advisory_db_loaded_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = sqlx::query_scalar("SELECT loaded_at FROM advisory_db ORDER BY db_seq DESC LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .failing_on(self, "read the state of the advisory database")?;
        Ok(at.map(Timestamp::from_micros))
    }

    async fn advisories(&self) -> Result<Vec<StoredAdvisory>, StoreError> {
        self.stored_advisories(PRESENT, "$1", true).await
    }

    async fn advisory_facts(&self) -> Result<Vec<AdvisoryFacts>, StoreError> {
        let facts: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT v.facts FROM advisory_revision AS v WHERE {PRESENT} ORDER BY v.advisory"
        )))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "list advisories")?;
        facts.iter().map(|facts| parsed(facts, "advisory")).collect()
    }

    async fn advisory_states(&self) -> Result<Vec<AdvisoryState>, StoreError> {
        let rows = sqlx::query("SELECT db_seq, db_commit, at, source FROM advisory_db ORDER BY db_seq")
            .fetch_all(&self.pool)
            .await
            .failing_on(self, "read the states of the advisory database")?;
        rows.iter().map(|row| Ok(AdvisoryState { seq: get(row, "db_seq")?, commit: db_commit(row)? })).collect()
    }

    async fn advisory_state(&self) -> Result<Option<AdvisoryState>, StoreError> {
        let row = sqlx::query("SELECT db_seq, db_commit, at, source FROM advisory_db ORDER BY db_seq DESC LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .failing_on(self, "read the state of the advisory database")?;
        row.map(|row| Ok(AdvisoryState { seq: get(&row, "db_seq")?, commit: db_commit(&row)? })).transpose()
    }

    async fn advisories_at(&self, seq: i64) -> Result<Vec<StoredAdvisory>, StoreError> {
        self.stored_advisories("v.from_db_seq <= $1 AND (v.to_db_seq IS NULL OR v.to_db_seq > $1)", "true", seq).await
    }

    async fn apply_db(&self, write: &DbWrite, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let held = self.hold_states(&mut transaction).await?;
        if write.since.is_some_and(|since| since != held.unwrap_or_default()) {
            return Err(StoreError::Conflict { what: "the advisory database".to_owned() });
        }
        let mut concerned = BTreeSet::new();
        for state in &write.states {
            let seq = self.number_state(&mut transaction, state, now).await?;
            concerned.extend(self.concerned(&mut transaction, state).await?);
            self.write_revisions(&mut transaction, state, seq).await?;
        }
        let bad: Vec<_> = write.quarantine.iter().collect();
        self.replace_quarantine(&mut transaction, "advisories", None, &bad, now).await?;
        let scope = if held.is_none() { "$1::text[] IS NOT NULL" } else { "k.canonical = ANY($1)" };
        let found: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT r.id FROM release AS r JOIN krate AS k ON k.id = r.krate_id WHERE {scope}"
        )))
        .bind(concerned.into_iter().collect::<Vec<_>>())
        .fetch_all(&mut *transaction)
        .await
        .failing_on(self, "find the releases concerned")?;
        let found: Vec<_> = found.into_iter().map(ReleaseId).collect();
        // The first state concerns everything; who was published a minute ago must not wait for that.
        let priority = if held.is_none() { Priority::BACKFILL } else { Priority::FRESH };
        self.mark_in(&mut transaction, &found, Step::Match, priority, now).await?;
        self.commit(transaction).await
    }

    async fn advisories_by_id(&self, id: &str) -> Result<Vec<StoredAdvisory>, StoreError> {
        self.stored_advisories(
            PRESENT,
            "upper(v.advisory) = $1 OR v.advisory IN (SELECT advisory FROM advisory_alias WHERE alias = $1)",
            kept(&id.to_ascii_uppercase()).into_owned(),
        )
        .await
    }

    async fn advisories_of(&self, canonical: &CanonicalName) -> Result<Vec<StoredAdvisory>, StoreError> {
        self.stored_advisories(PRESENT, "v.canonical = $1", canonical.as_str()).await
    }

    async fn finish_matches(
        &self,
        writes: &[MatchWrite],
        state: Option<i64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        self.must_be_present(&mut transaction, state).await?;
        let cleared = self.clear_in(&mut transaction, writes.iter().map(|write| write.mark), Step::Match).await?;
        let held: HashSet<_> = cleared.iter().map(|(release, _)| *release).collect();
        let releases: Vec<_> = held.iter().map(|release| release.0).collect();
        // One state for both statements: another one may be committed between them.
        let state: Option<i64> = sqlx::query_scalar("SELECT max(db_seq) FROM advisory_db")
            .fetch_one(&mut *transaction)
            .await
            .failing_on(self, "read the state of the advisory database")?;
        let found = writes.iter().filter(|write| held.contains(&write.mark.release)).flat_map(|write| &write.matches);
        // Each once, the last one said.
        let found = found
            .map(|found| Ok(((found.release.0, kept(&found.advisory.0)), json(&found.flags)?)))
            .collect::<Result<BTreeMap<_, _>, StoreError>>()?;
        let (keys, flags): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let (of, advisories): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        // A match with other flags is another answer: closed and opened anew, so that the past stays readable.
        sqlx::query(
            "UPDATE advisory_match AS m SET to_db_seq = $5
             WHERE m.to_db_seq IS NULL AND m.release_id = ANY($1) AND NOT EXISTS (
                 SELECT 1 FROM unnest($2::bigint[], $3::text[], $4::text[]) AS held (release_id, advisory, flags)
                 WHERE held.release_id = m.release_id AND held.advisory = m.advisory AND held.flags = m.flags)",
        )
        .bind(releases)
        .bind(&of)
        .bind(&advisories)
        .bind(&flags)
        .bind(state)
        .execute(&mut *transaction)
        .await
        .failing_on(self, "retract matches")?;
        if !of.is_empty() {
            sqlx::query(
                "INSERT INTO advisory_match (release_id, advisory, from_db_seq, flags)
                 SELECT held.release_id, held.advisory, $4, held.flags
                 FROM unnest($1::bigint[], $2::text[], $3::text[]) AS held (release_id, advisory, flags)
                 WHERE NOT EXISTS (SELECT 1 FROM advisory_match AS m WHERE m.release_id = held.release_id
                     AND m.advisory = held.advisory AND m.to_db_seq IS NULL)
                 ON CONFLICT (release_id, advisory, from_db_seq)
                     DO UPDATE SET flags = excluded.flags, to_db_seq = NULL",
            )
            .bind(of)
            .bind(advisories)
            .bind(flags)
            .bind(state)
            .execute(&mut *transaction)
            .await
            .failing_on(self, "store matches")?;
        }
        self.mark_each_in(&mut transaction, &cleared, Step::Publish, now).await?;
        self.commit(transaction).await
    }

    async fn matches(&self, releases: &[ReleaseId]) -> Result<Vec<AdvisoryMatch>, StoreError> {
        let rows = sqlx::query(
            "SELECT release_id, advisory, flags FROM advisory_match
             WHERE to_db_seq IS NULL AND release_id = ANY($1) ORDER BY release_id, advisory",
        )
        .bind(ids(releases))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read matches")?;
        rows.iter().map(|row| found(row, ReleaseId(get(row, "release_id")?))).collect()
    }

    async fn all_matches(&self) -> Result<Vec<AdvisoryMatch>, StoreError> {
        let rows = sqlx::query(
            "SELECT release_id, advisory, flags FROM advisory_match WHERE to_db_seq IS NULL ORDER BY release_id, advisory",
        )
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read every match")?;
        rows.iter().map(|row| found(row, ReleaseId(get(row, "release_id")?))).collect()
    }

    async fn matched_by(&self, advisories: &[AdvisoryId]) -> Result<Vec<MatchRow>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE}, m.advisory, m.flags
             FROM advisory_match AS m JOIN release AS r ON r.id = m.release_id JOIN krate AS k ON k.id = r.krate_id
             WHERE m.to_db_seq IS NULL AND m.advisory = ANY($1)
             ORDER BY k.canonical, r.semver_ord NULLS FIRST, r.num, r.generation, m.advisory"
        )))
        .bind(advisories.iter().map(|advisory| kept(&advisory.0)).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read the releases that advisories cover")?;
        rows.iter()
            .map(|row| {
                let release = release(row)?;
                Ok(MatchRow { found: found(row, release.id)?, release })
            })
            .collect()
    }
}

/// The revisions that stand now.
const PRESENT: &str = "v.to_db_seq IS NULL";

impl PostgresStore {
    async fn stored_advisories<'q>(
        &self,
        time: &str,
        scope: &str,
        key: impl sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres> + Send + 'q,
    ) -> Result<Vec<StoredAdvisory>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT v.path, v.text, v.facts, d.db_commit, coalesce(v.changed_in, d.db_commit) AS changed_in,
                 coalesce(v.changed_at, d.at) AS changed_at
             FROM advisory_revision AS v JOIN advisory_db AS d ON d.db_seq = v.from_db_seq
             WHERE {time} AND ({scope}) ORDER BY v.advisory"
        )))
        .bind(key)
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read advisories")?;
        rows.iter()
            .map(|row| {
                Ok(StoredAdvisory {
                    path: text(row, "path")?,
                    text: text(row, "text")?,
                    db_commit: text(row, "db_commit")?,
                    changed_in: text(row, "changed_in")?,
                    changed_at: Timestamp::from_micros(get(row, "changed_at")?),
                    facts: parsed::<AdvisoryFacts>(&get::<String>(row, "facts")?, "advisory")?,
                })
            })
            .collect()
    }
}

fn db_commit(row: &PgRow) -> Result<DbCommit, StoreError> {
    Ok(DbCommit {
        commit: text(row, "db_commit")?,
        at: Timestamp::from_micros(get(row, "at")?),
        source: text(row, "source")?,
    })
}

fn found(row: &PgRow, release: ReleaseId) -> Result<AdvisoryMatch, StoreError> {
    Ok(AdvisoryMatch {
        release,
        advisory: AdvisoryId(text(row, "advisory")?),
        flags: parsed(&get::<String>(row, "flags")?, "list of flags")?,
    })
}
