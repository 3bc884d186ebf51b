//! Storing readings of crates: one transaction for lines, dependencies, changes, quarantine and due marks.

use std::collections::{BTreeMap, HashMap};

use schema::{Change, Priority, ReleaseId, Step, Timestamp};
use sqlx::{Postgres, Transaction};
use store::{AppliedKrate, KrateWrite, LineWrite, StoreError};

use crate::PostgresStore;
use crate::batch::Batch;
use crate::error::Failing;
use crate::row::ids;
use crate::text::kept;

impl PostgresStore {
    pub(crate) async fn apply_writes(
        &self,
        source: i64,
        writes: &[KrateWrite],
        now: Timestamp,
    ) -> Result<Vec<AppliedKrate>, StoreError> {
        let mut transaction = self.begin().await?;
        self.apply_in(&mut transaction, source, &[], writes, now).await?;
        self.commit(transaction).await?;
        Ok(writes.iter().map(applied).collect())
    }

    /// The same inside a transaction of the caller's; `index_changes` belong to no crate and come first.
    pub(crate) async fn apply_in(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        source: i64,
        index_changes: &[Change],
        writes: &[KrateWrite],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.claim_krates(transaction, writes).await?;
        let krates = self.krate_ids(transaction, writes).await?;
        let of_krates = writes.iter().flat_map(|write| &write.lines).map(|line| line.changes().len()).sum::<usize>();
        let n_signals = writes.iter().map(|write| write.signals.len()).sum::<usize>();
        let n_numbers = i64::try_from(index_changes.len() + of_krates + n_signals).unwrap_or(i64::MAX);
        // A baseline has no changes, and waits for nobody.
        let first_seq = if n_numbers == 0 { 0 } else { self.reserve(transaction, n_numbers).await? };
        let n_inserts = writes.iter().flat_map(|write| &write.lines).filter(|line| is_insert(line)).count();
        let new_releases = self.number_releases(transaction, n_inserts).await?;

        let mut batch = Batch::new(source, first_seq, new_releases, now);
        for change in index_changes {
            batch.record(None, change)?;
        }
        for write in writes {
            let Some(krate) = krates.get(write.name.canonical().as_str()) else {
                return Err(StoreError::Conflict { what: format!("crate {}", write.name) });
            };
            batch.add(*krate, write)?;
        }
        batch.write(self, transaction).await?;
        self.write_readings(transaction, source, writes, &krates, now).await?;
        self.write_quarantine(transaction, "index", writes, now).await?;
        let edited = self.inspected_in(transaction, &batch.edited).await?;
        self.mark_in(transaction, &batch.to_download, Step::Download, Priority::FRESH, now).await?;
        self.mark_in(transaction, &edited, Step::Inspect, Priority::FRESH, now).await?;
        self.mark_each_in(transaction, &batch.to_match, Step::Match, now).await?;
        self.mark_in(transaction, &batch.to_publish, Step::Publish, Priority::FRESH, now).await?;
        if n_numbers > 0 {
            self.tell(transaction, first_seq + n_numbers - 1).await?;
        }
        Ok(())
    }

    /// Makes new crates known and moves the others' revision on; a crate that another writer moved is a conflict.
    async fn claim_krates(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        writes: &[KrateWrite],
    ) -> Result<(), StoreError> {
        let (new, known): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.revision == 0);
        let moved = known.into_iter().filter(|write| !write.lines.is_empty());
        let moved: BTreeMap<_, _> = moved.map(|write| (write.name.canonical(), write)).collect();
        let mut n_moved = 0;
        if !moved.is_empty() {
            let canonical: Vec<_> = moved.keys().map(|name| name.as_str().to_owned()).collect();
            sqlx::query("SELECT 1 FROM krate WHERE canonical = ANY($1) ORDER BY canonical FOR NO KEY UPDATE")
                .bind(&canonical)
                .execute(&mut **transaction)
                .await
                .failing_on(self, "hold crates")?;
            let updated = sqlx::query(
                "UPDATE krate SET revision = krate.revision + 1, name = held.name
                 FROM unnest($1::text[], $2::bigint[], $3::text[]) AS held (canonical, revision, name)
                 WHERE krate.canonical = held.canonical AND krate.revision = held.revision",
            )
            .bind(&canonical)
            .bind(moved.values().map(|write| write.revision).collect::<Vec<_>>())
            .bind(moved.values().map(|write| write.name.as_str()).collect::<Vec<_>>())
            .execute(&mut **transaction)
            .await
            .failing_on(self, "move crates on")?;
            n_moved = updated.rows_affected();
        }
        let new: BTreeMap<_, _> = new.iter().map(|write| (write.name.canonical(), write.name.as_str())).collect();
        let mut n_new = 0;
        if !new.is_empty() {
            let inserted = sqlx::query(
                "INSERT INTO krate (canonical, name, revision)
                 SELECT held.canonical, held.name, 1 FROM unnest($1::text[], $2::text[]) AS held (canonical, name)
                 ON CONFLICT DO NOTHING",
            )
            .bind(new.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>())
            .bind(new.values().copied().collect::<Vec<_>>())
            .execute(&mut **transaction)
            .await
            .failing_on(self, "store crates")?;
            n_new = inserted.rows_affected();
        }
        let known_with_lines = writes.iter().filter(|write| write.revision != 0 && !write.lines.is_empty()).count();
        let expected_new = writes.iter().filter(|write| write.revision == 0).count();
        if (n_new, n_moved) == (expected_new as u64, known_with_lines as u64) {
            return Ok(());
        }
        let names: Vec<_> = writes.iter().map(|write| write.name.as_str()).take(5).collect();
        Err(StoreError::Conflict { what: format!("a crate among {} …", names.join(", ")) })
    }

    async fn krate_ids(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        writes: &[KrateWrite],
    ) -> Result<HashMap<String, i64>, StoreError> {
        let names: Vec<_> = writes.iter().map(|write| write.name.canonical().as_str().to_owned()).collect();
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT canonical, id FROM krate WHERE canonical = ANY($1)")
            .bind(names)
            .fetch_all(&mut **transaction)
            .await
            .failing_on(self, "number crates")?;
        Ok(rows.into_iter().collect())
    }

    /// Numbers for new releases, ascending.
    async fn number_releases(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        count: usize,
    ) -> Result<Vec<i64>, StoreError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        sqlx::query_scalar(
            "SELECT nextval(pg_get_serial_sequence('release', 'id')) AS id FROM generate_series(1, $1) ORDER BY id",
        )
        .bind(i64::try_from(count).unwrap_or(i64::MAX))
        .fetch_all(&mut **transaction)
        .await
        .failing_on(self, "number new releases")
    }

    /// Of these releases, those inspected already or just now: their line is compared with the manifest, so an edit asks for another
    /// look.
    async fn inspected_in(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        edited: &[ReleaseId],
    ) -> Result<Vec<ReleaseId>, StoreError> {
        if edited.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<i64> = sqlx::query_scalar(
            "SELECT release_id FROM inspection WHERE release_id = ANY($1)
             UNION SELECT release_id FROM due WHERE step = 'inspect' AND release_id = ANY($1)",
        )
        .bind(ids(edited))
        .fetch_all(&mut **transaction)
        .await
        .failing_on(self, "look for inspections")?;
        Ok(found.into_iter().map(ReleaseId).collect())
    }

    async fn write_readings(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        source: i64,
        writes: &[KrateWrite],
        krates: &HashMap<String, i64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let of = |write: &KrateWrite| krates.get(write.name.canonical().as_str()).copied();
        let readings: BTreeMap<_, _> = writes.iter().filter_map(|write| Some((of(write)?, &write.reading))).collect();
        if readings.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO reading (source_id, krate_id, etag, last_modified, doubtful_since, read_at)
             SELECT $5, held.krate_id, held.etag, held.last_modified, held.doubtful_since, $6
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
                 AS held (krate_id, etag, last_modified, doubtful_since)
             ON CONFLICT (source_id, krate_id) DO UPDATE SET etag = excluded.etag,
                 last_modified = excluded.last_modified, doubtful_since = excluded.doubtful_since,
                 read_at = excluded.read_at",
        )
        .bind(readings.keys().copied().collect::<Vec<_>>())
        .bind(readings.values().map(|reading| reading.etag.as_deref().map(kept)).collect::<Vec<_>>())
        .bind(readings.values().map(|reading| reading.last_modified.as_deref().map(kept)).collect::<Vec<_>>())
        .bind(readings.values().map(|reading| reading.doubtful_since.map(Timestamp::as_micros)).collect::<Vec<_>>())
        .bind(source)
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store what the index gave along")?;
        Ok(())
    }

    async fn write_quarantine(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        origin: &str,
        writes: &[KrateWrite],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let paths: Vec<_> = writes.iter().map(|write| write.name.index_path()).collect();
        let bad: Vec<_> = writes.iter().flat_map(|write| &write.quarantine).collect();
        self.replace_quarantine(transaction, origin, Some(&paths), &bad, now).await
    }
}

fn is_insert(line: &LineWrite) -> bool {
    matches!(line, LineWrite::Insert { .. })
}

fn applied(write: &KrateWrite) -> AppliedKrate {
    let changes = write.lines.iter().map(|line| line.changes().len()).sum();
    AppliedKrate { canonical: write.name.canonical(), changes }
}
