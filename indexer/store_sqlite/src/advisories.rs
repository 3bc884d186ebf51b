//! The advisory database: states, revisions, matches.

use std::collections::BTreeSet;

use async_trait::async_trait;
use schema::{AdvisoryFacts, AdvisoryId, AdvisoryMatch, CanonicalName, DbCommit, Priority, ReleaseId, Step, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};
use store::{Advisories, AdvisoryState, DbState, DbWrite, MatchRow, MatchWrite, StoreError, StoredAdvisory};

use crate::SqliteStore;
use crate::error::Failing;
use crate::row::{RELEASE, get, json, parsed, release};

#[async_trait]
impl Advisories for SqliteStore {
    async fn advisory_db(&self) -> Result<Option<DbCommit>, StoreError> {
        let row = sqlx::query("SELECT db_commit, at, source FROM advisory_db ORDER BY db_seq DESC LIMIT 1")
            .fetch_optional(&self.readers)
            .await
            .failing_on(self, "read the state of the advisory database")?;
        row.as_ref().map(db_commit).transpose()
    }

    async fn advisory_db_loaded_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = sqlx::query_scalar("SELECT loaded_at FROM advisory_db ORDER BY db_seq DESC LIMIT 1")
            .fetch_optional(&self.readers)
            .await
            .failing_on(self, "read the state of the advisory database")?;
        Ok(at.map(Timestamp::from_micros))
    }

    async fn advisories(&self) -> Result<Vec<StoredAdvisory>, StoreError> {
        self.stored_advisories(PRESENT, "true", "").await
    }

    async fn advisory_facts(&self) -> Result<Vec<AdvisoryFacts>, StoreError> {
        let facts: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT v.facts FROM advisory_revision AS v WHERE {PRESENT} ORDER BY v.advisory"
        )))
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "list advisories")?;
        facts.iter().map(|facts| parsed(facts, "advisory")).collect()
    }

    async fn advisory_states(&self) -> Result<Vec<AdvisoryState>, StoreError> {
        let rows = sqlx::query("SELECT db_seq, db_commit, at, source FROM advisory_db ORDER BY db_seq")
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "read the states of the advisory database")?;
        rows.iter().map(|row| Ok(AdvisoryState { seq: get(row, "db_seq")?, commit: db_commit(row)? })).collect()
    }

    async fn advisory_state(&self) -> Result<Option<AdvisoryState>, StoreError> {
        let row = sqlx::query("SELECT db_seq, db_commit, at, source FROM advisory_db ORDER BY db_seq DESC LIMIT 1")
            .fetch_optional(&self.readers)
            .await
            .failing_on(self, "read the state of the advisory database")?;
        row.map(|row| Ok(AdvisoryState { seq: get(&row, "db_seq")?, commit: db_commit(&row)? })).transpose()
    }

    async fn advisories_at(&self, seq: i64) -> Result<Vec<StoredAdvisory>, StoreError> {
        self.stored_advisories("v.from_db_seq <= ?1 AND (v.to_db_seq IS NULL OR v.to_db_seq > ?1)", "true", seq).await
    }

    async fn apply_db(&self, write: &DbWrite, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let held: Option<i64> = sqlx::query_scalar("SELECT max(db_seq) FROM advisory_db")
            .fetch_one(&mut *transaction)
            .await
            .failing_on(self, "read the state of the advisory database")?;
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
        let scope = if held.is_none() { "true" } else { "k.canonical IN (SELECT value FROM json_each(?))" };
        let ids: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT r.id FROM release AS r JOIN krate AS k ON k.id = r.krate_id WHERE {scope}"
        )))
        .bind(json(&concerned)?)
        .fetch_all(&mut *transaction)
        .await
        .failing_on(self, "find the releases concerned")?;
        let ids: Vec<_> = ids.into_iter().map(ReleaseId).collect();
        // The first state concerns everything; who was published a minute ago must not wait for that.
        let priority = if held.is_none() { Priority::BACKFILL } else { Priority::FRESH };
        self.mark_in(&mut transaction, &ids, Step::Match, priority, now).await?;
        self.commit(transaction).await
    }

    async fn advisories_by_id(&self, id: &str) -> Result<Vec<StoredAdvisory>, StoreError> {
        self.stored_advisories(
            PRESENT,
            "upper(v.advisory) = upper(?1)
             OR v.advisory IN (SELECT advisory FROM advisory_alias WHERE alias = upper(?1))",
            id,
        )
        .await
    }

    async fn advisories_of(&self, canonical: &CanonicalName) -> Result<Vec<StoredAdvisory>, StoreError> {
        self.stored_advisories(PRESENT, "v.canonical = ?1", canonical.as_str()).await
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
        let held: std::collections::HashSet<_> = cleared.iter().map(|(release, _)| *release).collect();
        let cleared_json = json(&held)?;
        let found = writes.iter().filter(|write| held.contains(&write.mark.release)).flat_map(|write| &write.matches);
        let rows = found
            .map(|found| Ok((found.release, &found.advisory, json(&found.flags)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let rows = json(&rows)?;
        // A match with other flags is another answer: closed and opened anew, so that the past stays readable.
        sqlx::query(
            "UPDATE advisory_match SET to_db_seq = (SELECT max(db_seq) FROM advisory_db)
             WHERE to_db_seq IS NULL AND release_id IN (SELECT value FROM json_each(?1))
             AND (release_id, advisory, flags) NOT IN
                 (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2))",
        )
        .bind(&cleared_json)
        .bind(&rows)
        .execute(&mut *transaction)
        .await
        .failing_on(self, "retract matches")?;
        sqlx::query(
            "INSERT INTO advisory_match (release_id, advisory, from_db_seq, flags)
             SELECT value ->> 0, value ->> 1, (SELECT max(db_seq) FROM advisory_db), value ->> 2
             FROM json_each(?1) AS held
             WHERE NOT EXISTS (SELECT 1 FROM advisory_match AS m WHERE m.release_id = held.value ->> 0
                 AND m.advisory = held.value ->> 1 AND m.to_db_seq IS NULL)
             ON CONFLICT (release_id, advisory, from_db_seq)
                 DO UPDATE SET flags = excluded.flags, to_db_seq = NULL",
        )
        .bind(&rows)
        .execute(&mut *transaction)
        .await
        .failing_on(self, "store matches")?;
        self.mark_each_in(&mut transaction, &cleared, Step::Publish, now).await?;
        self.commit(transaction).await
    }

    async fn matches(&self, releases: &[ReleaseId]) -> Result<Vec<AdvisoryMatch>, StoreError> {
        let rows = sqlx::query(
            "SELECT release_id, advisory, flags FROM advisory_match
             WHERE to_db_seq IS NULL AND release_id IN (SELECT value FROM json_each(?)) ORDER BY release_id, advisory",
        )
        .bind(json(releases)?)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read matches")?;
        rows.iter().map(|row| found(row, ReleaseId(get(row, "release_id")?))).collect()
    }

    async fn all_matches(&self) -> Result<Vec<AdvisoryMatch>, StoreError> {
        let rows = sqlx::query("SELECT release_id, advisory, flags FROM advisory_match WHERE to_db_seq IS NULL")
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "read every match")?;
        rows.iter().map(|row| found(row, ReleaseId(get(row, "release_id")?))).collect()
    }

    async fn matched_by(&self, advisories: &[AdvisoryId]) -> Result<Vec<MatchRow>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {RELEASE}, m.advisory, m.flags
             FROM advisory_match AS m JOIN release AS r ON r.id = m.release_id JOIN krate AS k ON k.id = r.krate_id
             WHERE m.to_db_seq IS NULL AND m.advisory IN (SELECT value FROM json_each(?))
             ORDER BY k.canonical, r.semver_ord, r.num, r.generation, m.advisory"
        )))
        .bind(json(advisories)?)
        .fetch_all(&self.readers)
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

impl SqliteStore {
    async fn stored_advisories<'q>(
        &self,
        time: &str,
        scope: &str,
        key: impl sqlx::Encode<'q, Sqlite> + sqlx::Type<Sqlite> + Send + 'q,
    ) -> Result<Vec<StoredAdvisory>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT v.path, v.text, v.facts, d.db_commit, coalesce(v.changed_in, d.db_commit) AS changed_in,
                 coalesce(v.changed_at, d.at) AS changed_at
             FROM advisory_revision AS v JOIN advisory_db AS d ON d.db_seq = v.from_db_seq
             WHERE {time} AND ({scope}) ORDER BY v.advisory"
        )))
        .bind(key)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "read advisories")?;
        rows.iter()
            .map(|row| {
                Ok(StoredAdvisory {
                    path: get(row, "path")?,
                    text: get(row, "text")?,
                    db_commit: get(row, "db_commit")?,
                    changed_in: get(row, "changed_in")?,
                    changed_at: Timestamp::from_micros(get(row, "changed_at")?),
                    facts: parsed::<AdvisoryFacts>(&get::<String>(row, "facts")?, "advisory")?,
                })
            })
            .collect()
    }

    /// Refuses what was matched with another state than the present one.
    async fn must_be_present(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        state: Option<i64>,
    ) -> Result<(), StoreError> {
        let present: Option<i64> = sqlx::query_scalar("SELECT max(db_seq) FROM advisory_db")
            .fetch_one(&mut **transaction)
            .await
            .failing_on(self, "read the state of the advisory database")?;
        if present == state {
            return Ok(());
        }
        Err(StoreError::Conflict { what: "the advisory database".to_owned() })
    }

    /// The number of a state: the present one's when it is the same, of which only the time is noted, else a new one. What is read
    /// otherwise of the same commit, by a program that can read more of it, is another state.
    async fn number_state(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        state: &DbState,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let (commit, is_same) = (&state.commit, state.changed.is_empty() && state.removed.is_empty());
        let same: Option<i64> = sqlx::query_scalar(
            "UPDATE advisory_db SET loaded_at = ?3 WHERE db_seq = (SELECT max(db_seq) FROM advisory_db)
             AND db_commit = ?1 AND source = ?2 AND ?4 RETURNING db_seq",
        )
        .bind(&commit.commit)
        .bind(&commit.source)
        .bind(now.as_micros())
        .bind(is_same)
        .fetch_optional(&mut **transaction)
        .await
        .failing_on(self, "note that the advisory database is the same")?;
        if let Some(seq) = same {
            return Ok(seq);
        }
        sqlx::query_scalar(
            "INSERT INTO advisory_db (db_commit, at, source, loaded_at) VALUES (?, ?, ?, ?) RETURNING db_seq",
        )
        .bind(&commit.commit)
        .bind(commit.at.as_micros())
        .bind(&commit.source)
        .bind(now.as_micros())
        .fetch_one(&mut **transaction)
        .await
        .failing_on(self, "store a state of the advisory database")
    }

    /// The crates whose answer may change: those of the old texts and those of the new ones.
    async fn concerned(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        state: &DbState,
    ) -> Result<Vec<String>, StoreError> {
        let touched: Vec<_> = state.changed.iter().map(|changed| &changed.facts.id).chain(&state.removed).collect();
        let mut names: Vec<String> = sqlx::query_scalar(
            "SELECT canonical FROM advisory_revision WHERE to_db_seq IS NULL AND canonical IS NOT NULL
             AND advisory IN (SELECT value FROM json_each(?))",
        )
        .bind(json(&touched)?)
        .fetch_all(&mut **transaction)
        .await
        .failing_on(self, "find the crates concerned")?;
        names.extend(state.changed.iter().filter_map(|changed| Some(changed.facts.krate.as_ref()?.to_string())));
        Ok(names)
    }

    async fn write_revisions(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        state: &DbState,
        seq: i64,
    ) -> Result<(), StoreError> {
        let touched: Vec<_> = state.changed.iter().map(|changed| &changed.facts.id).chain(&state.removed).collect();
        let touched = json(&touched)?;
        for statement in [
            "UPDATE advisory_revision SET to_db_seq = ?2
             WHERE to_db_seq IS NULL AND advisory IN (SELECT value FROM json_each(?1))",
            "DELETE FROM advisory_alias WHERE ?2 IS NOT NULL AND advisory IN (SELECT value FROM json_each(?1))",
        ] {
            sqlx::query(statement)
                .bind(&touched)
                .bind(seq)
                .execute(&mut **transaction)
                .await
                .failing_on(self, "close advisories")?;
        }
        let rows = state
            .changed
            .iter()
            .map(|new| {
                let changed_at = new.changed_at.map(Timestamp::as_micros);
                let facts = json(&new.facts)?;
                Ok((&new.facts.id, &new.path, &new.facts.krate, &new.text, facts, &new.changed_in, changed_at))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        sqlx::query(
            "INSERT INTO advisory_revision (advisory, from_db_seq, path, canonical, text, facts, changed_in, changed_at)
             SELECT value ->> 0, ?2, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
             FROM json_each(?1) WHERE true
             ON CONFLICT (advisory, from_db_seq) DO UPDATE SET path = excluded.path, canonical = excluded.canonical,
                 text = excluded.text, facts = excluded.facts, changed_in = excluded.changed_in,
                 changed_at = excluded.changed_at, to_db_seq = NULL",
        )
        .bind(json(&rows)?)
        .bind(seq)
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store advisories")?;
        let aliases: Vec<_> = state
            .changed
            .iter()
            .flat_map(|new| new.facts.aliases.iter().map(|alias| (alias.to_ascii_uppercase(), &new.facts.id)))
            .collect();
        sqlx::query(
            "INSERT INTO advisory_alias (alias, advisory)
             SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true ON CONFLICT DO NOTHING",
        )
        .bind(json(&aliases)?)
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store aliases")?;
        Ok(())
    }
}

fn db_commit(row: &SqliteRow) -> Result<DbCommit, StoreError> {
    Ok(DbCommit {
        commit: get(row, "db_commit")?,
        at: Timestamp::from_micros(get(row, "at")?),
        source: get(row, "source")?,
    })
}

fn found(row: &SqliteRow, release: ReleaseId) -> Result<AdvisoryMatch, StoreError> {
    Ok(AdvisoryMatch {
        release,
        advisory: AdvisoryId(get(row, "advisory")?),
        flags: parsed(&get::<String>(row, "flags")?, "list of flags")?,
    })
}
