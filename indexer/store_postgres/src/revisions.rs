//! New states of the advisory database: their numbers, the crates they concern, and the texts they bring.

use std::collections::BTreeMap;

use schema::Timestamp;
use sqlx::{Postgres, Transaction};
use store::{AdvisoryWrite, DbState, StoreError};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::json;
use crate::text::{kept, told};

/// Bytes of an alias that is kept: nobody looks for a longer one, and an index row could not hold it.
const LONGEST_ALIAS: usize = 512;

impl PostgresStore {
    /// Lets nobody else bring a new state until the transaction ends; gives the number of the present one.
    pub(crate) async fn hold_states(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
    ) -> Result<Option<i64>, StoreError> {
        // Readers go on: the lock is in the way of writers only.
        sqlx::query("LOCK TABLE advisory_db IN SHARE ROW EXCLUSIVE MODE")
            .execute(&mut **transaction)
            .await
            .failing_on(self, "hold the advisory database")?;
        sqlx::query_scalar("SELECT max(db_seq) FROM advisory_db")
            .fetch_one(&mut **transaction)
            .await
            .failing_on(self, "read the state of the advisory database")
    }

    /// Refuses what was matched with another state than the present one, and keeps it the present one until the transaction
    /// ends. A state under way is waited for: it cannot see a release that came after it began, and so does not mark it.
    pub(crate) async fn must_be_present(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        state: Option<i64>,
    ) -> Result<(), StoreError> {
        sqlx::query("LOCK TABLE advisory_db IN SHARE MODE")
            .execute(&mut **transaction)
            .await
            .failing_on(self, "hold the advisory database")?;
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
    pub(crate) async fn number_state(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        state: &DbState,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let (commit, is_same) = (&state.commit, state.changed.is_empty() && state.removed.is_empty());
        let same: Option<i64> = sqlx::query_scalar(
            "UPDATE advisory_db SET loaded_at = $3 WHERE db_seq = (SELECT max(db_seq) FROM advisory_db)
             AND db_commit = $1 AND source = $2 AND $4 RETURNING db_seq",
        )
        .bind(kept(&commit.commit))
        .bind(kept(&commit.source))
        .bind(now.as_micros())
        .bind(is_same)
        .fetch_optional(&mut **transaction)
        .await
        .failing_on(self, "note that the advisory database is the same")?;
        if let Some(seq) = same {
            return Ok(seq);
        }
        sqlx::query_scalar(
            "INSERT INTO advisory_db (db_commit, at, source, loaded_at) VALUES ($1, $2, $3, $4) RETURNING db_seq",
        )
        .bind(kept(&commit.commit))
        .bind(commit.at.as_micros())
        .bind(kept(&commit.source))
        .bind(now.as_micros())
        .fetch_one(&mut **transaction)
        .await
        .failing_on(self, "store a state of the advisory database")
    }

    /// The crates whose answer may change: those of the old texts and those of the new ones.
    pub(crate) async fn concerned(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        state: &DbState,
    ) -> Result<Vec<String>, StoreError> {
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT canonical FROM advisory_revision WHERE to_db_seq IS NULL AND canonical IS NOT NULL
             AND advisory = ANY($1)",
        )
        .bind(touched(state))
        .fetch_all(&mut **transaction)
        .await
        .failing_on(self, "find the crates concerned")?;
        let mut names: Vec<_> = names.into_iter().map(told).collect();
        names.extend(state.changed.iter().filter_map(|changed| Some(changed.facts.krate.as_ref()?.to_string())));
        Ok(names)
    }

    pub(crate) async fn write_revisions(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        state: &DbState,
        seq: i64,
    ) -> Result<(), StoreError> {
        let touched = touched(state);
        if touched.is_empty() {
            return Ok(());
        }
        sqlx::query("UPDATE advisory_revision SET to_db_seq = $2 WHERE to_db_seq IS NULL AND advisory = ANY($1)")
            .bind(&touched)
            .bind(seq)
            .execute(&mut **transaction)
            .await
            .failing_on(self, "close advisories")?;
        sqlx::query("DELETE FROM advisory_alias WHERE advisory = ANY($1)")
            .bind(&touched)
            .execute(&mut **transaction)
            .await
            .failing_on(self, "close advisories")?;
        // Where two files bear one id, the last one counts.
        let changed: BTreeMap<_, _> = state.changed.iter().map(|new| (kept(&new.facts.id.0), new)).collect();
        if changed.is_empty() {
            return Ok(());
        }
        self.write_texts(transaction, &changed.into_iter().collect::<Vec<_>>(), seq).await?;
        let aliases = state.changed.iter().flat_map(|new| {
            let short = new.facts.aliases.iter().filter(|alias| alias.len() <= LONGEST_ALIAS);
            short.map(|alias| (kept(&alias.to_ascii_uppercase()).into_owned(), kept(&new.facts.id.0)))
        });
        let (aliases, advisories): (Vec<_>, Vec<_>) = aliases.unzip();
        sqlx::query(
            "INSERT INTO advisory_alias (alias, advisory)
             SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING",
        )
        .bind(aliases)
        .bind(advisories)
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store aliases")?;
        Ok(())
    }

    async fn write_texts(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        changed: &[(std::borrow::Cow<'_, str>, &AdvisoryWrite)],
        seq: i64,
    ) -> Result<(), StoreError> {
        let facts = changed.iter().map(|(_, new)| json(&new.facts)).collect::<Result<Vec<_>, _>>()?;
        sqlx::query(
            "INSERT INTO advisory_revision (advisory, from_db_seq, path, canonical, text, facts, changed_in, changed_at)
             SELECT held.advisory, $8, held.path, held.canonical, held.text, held.facts, held.changed_in, held.changed_at
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
                 AS held (advisory, path, canonical, text, facts, changed_in, changed_at)
             ON CONFLICT (advisory, from_db_seq) DO UPDATE SET path = excluded.path, canonical = excluded.canonical,
                 text = excluded.text, facts = excluded.facts, changed_in = excluded.changed_in,
                 changed_at = excluded.changed_at, to_db_seq = NULL",
        )
        .bind(changed.iter().map(|(id, _)| id.as_ref()).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, new)| kept(&new.path)).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, new)| new.facts.krate.as_ref().map(ToString::to_string)).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, new)| kept(&new.text)).collect::<Vec<_>>())
        .bind(facts)
        .bind(changed.iter().map(|(_, new)| new.changed_in.as_deref().map(kept)).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, new)| new.changed_at.map(Timestamp::as_micros)).collect::<Vec<_>>())
        .bind(seq)
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store advisories")?;
        Ok(())
    }
}

fn touched(state: &DbState) -> Vec<String> {
    let touched = state.changed.iter().map(|changed| &changed.facts.id).chain(&state.removed);
    touched.map(|id| kept(&id.0).into_owned()).collect()
}
