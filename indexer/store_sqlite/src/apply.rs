//! Storing readings of crates: one transaction for lines, dependencies, changes, quarantine and due marks.

use std::collections::HashMap;

use schema::{Change, Generation, IndexDependency, IndexLine, Priority, ReleaseId, Step, Timestamp};
use serde::Serialize;
use sqlx::{Sqlite, Transaction};
use store::{AppliedKrate, KrateWrite, LineWrite, StoreError};

use crate::SqliteStore;
use crate::error::Failing;
use crate::row::json;

impl SqliteStore {
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
        transaction: &mut Transaction<'static, Sqlite>,
        source: i64,
        index_changes: &[Change],
        writes: &[KrateWrite],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.claim_krates(transaction, writes).await?;
        let ids = self.krate_ids(transaction, writes).await?;
        let of_krates = writes.iter().flat_map(|write| &write.lines).map(|line| line.changes().len()).sum::<usize>();
        let n_signals = writes.iter().map(|write| write.signals.len()).sum::<usize>();
        let n_changes = index_changes.len() + of_krates + n_signals;
        let first_seq = self.reserve(transaction, i64::try_from(n_changes).unwrap_or(i64::MAX)).await?;
        let last_id: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM release")
            .fetch_one(&mut **transaction)
            .await
            .failing_on(self, "number new releases")?;

        let mut batch = Batch { next_seq: first_seq, next_release: last_id + 1, ..Batch::default() };
        for change in index_changes {
            batch.record(None, change);
        }
        for write in writes {
            let Some(krate) = ids.get(write.name.canonical().as_str()) else {
                return Err(StoreError::Conflict { what: format!("crate {}", write.name) });
            };
            batch.add(*krate, write, now);
        }
        self.write_batch(transaction, source, &batch, now).await?;
        self.write_readings(transaction, source, writes, &ids, now).await?;
        self.write_quarantine(transaction, "index", writes, now).await?;
        let edited = self.inspected_in(transaction, &batch.edited).await?;
        self.mark_in(transaction, &edited, Step::Inspect, Priority::FRESH, now).await?;
        self.mark_each_in(transaction, &batch.to_match, Step::Match, now).await?;
        self.mark_in(transaction, &batch.to_download, Step::Download, Priority::FRESH, now).await?;
        self.mark_in(transaction, &batch.to_publish, Step::Publish, Priority::FRESH, now).await?;
        Ok(())
    }

    /// Makes new crates known and moves the others' revision on; a crate that another writer moved is a conflict.
    async fn claim_krates(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        writes: &[KrateWrite],
    ) -> Result<(), StoreError> {
        let (new, known): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.revision == 0);
        let rows: Vec<_> = new.iter().map(|write| (write.name.canonical(), &write.name)).collect();
        let inserted = sqlx::query(
            "INSERT INTO krate (canonical, name, revision)
             SELECT value ->> 0, value ->> 1, 1 FROM json_each(?) WHERE true ON CONFLICT DO NOTHING",
        )
        .bind(json(&rows)?)
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store crates")?;
        let moved: Vec<_> = known
            .iter()
            .filter(|write| !write.lines.is_empty())
            .map(|write| (write.name.canonical(), write.revision, &write.name))
            .collect();
        let updated = sqlx::query(
            "UPDATE krate SET revision = revision + 1, name = held.value ->> 2 FROM json_each(?) AS held
             WHERE krate.canonical = held.value ->> 0 AND krate.revision = held.value ->> 1",
        )
        .bind(json(&moved)?)
        .execute(&mut **transaction)
        .await
        .failing_on(self, "move crates on")?;
        let expected = (rows.len() as u64, moved.len() as u64);
        if (inserted.rows_affected(), updated.rows_affected()) == expected {
            return Ok(());
        }
        let names: Vec<_> = writes.iter().map(|write| write.name.as_str()).take(5).collect();
        Err(StoreError::Conflict { what: format!("a crate among {} …", names.join(", ")) })
    }

    async fn krate_ids(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        writes: &[KrateWrite],
    ) -> Result<HashMap<String, i64>, StoreError> {
        let names: Vec<_> = writes.iter().map(|write| write.name.canonical()).collect();
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT canonical, id FROM krate WHERE canonical IN (SELECT value FROM json_each(?))")
                .bind(json(&names)?)
                .fetch_all(&mut **transaction)
                .await
                .failing_on(self, "number crates")?;
        Ok(rows.into_iter().collect())
    }

    async fn write_batch(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        source: i64,
        batch: &Batch<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (document, statement, action) in [
            (json(&batch.inserts)?, INSERT_RELEASES, "store releases"),
            (json(&batch.updates)?, UPDATE_RELEASES, "store edited lines"),
            (json(&batch.deletes)?, DELETE_RELEASES, "store deletions"),
            (json(&batch.closed)?, CLOSE_DEPENDENCIES, "close dependencies"),
        ] {
            if document != "[]" {
                sqlx::query(statement).bind(document).execute(&mut **transaction).await.failing_on(self, action)?;
            }
        }
        if !batch.dependencies.is_empty() {
            sqlx::query(INSERT_DEPENDENCIES)
                .bind(json(&batch.dependencies)?)
                .execute(&mut **transaction)
                .await
                .failing_on(self, "store dependencies")?;
        }
        if !batch.changes.is_empty() {
            sqlx::query(INSERT_CHANGES)
                .bind(json(&batch.changes)?)
                .bind(source)
                .bind(now.as_micros())
                .execute(&mut **transaction)
                .await
                .failing_on(self, "store changes")?;
        }
        if !batch.signals.is_empty() {
            sqlx::query(INSERT_SIGNALS)
                .bind(json(&batch.signals)?)
                .execute(&mut **transaction)
                .await
                .failing_on(self, "store signals")?;
        }
        Ok(())
    }

    /// Of these releases, those inspected already or just now: their line is compared with the manifest, so an edit asks for another
    /// look.
    async fn inspected_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        edited: &[ReleaseId],
    ) -> Result<Vec<ReleaseId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT release_id FROM inspection WHERE release_id IN (SELECT value FROM json_each(?1))
             UNION SELECT release_id FROM due WHERE step = 'inspect' AND release_id IN (SELECT value FROM json_each(?1))",
        )
        .bind(json(edited)?)
        .fetch_all(&mut **transaction)
        .await
        .failing_on(self, "look for inspections")?;
        Ok(ids.into_iter().map(ReleaseId).collect())
    }

    async fn write_readings(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        source: i64,
        writes: &[KrateWrite],
        ids: &HashMap<String, i64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = writes
            .iter()
            .map(|write| {
                let krate = ids.get(write.name.canonical().as_str());
                let doubtful = write.reading.doubtful_since.map(Timestamp::as_micros);
                (krate, &write.reading.etag, &write.reading.last_modified, doubtful)
            })
            .collect();
        sqlx::query(
            "INSERT INTO reading (source_id, krate_id, etag, last_modified, doubtful_since, read_at)
             SELECT ?2, value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?3 FROM json_each(?1) WHERE true
             ON CONFLICT (source_id, krate_id) DO UPDATE SET etag = excluded.etag,
                 last_modified = excluded.last_modified, doubtful_since = excluded.doubtful_since,
                 read_at = excluded.read_at",
        )
        .bind(json(&rows)?)
        .bind(source)
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store what the index gave along")?;
        Ok(())
    }

    async fn write_quarantine(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        origin: &str,
        writes: &[KrateWrite],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let paths: Vec<_> = writes.iter().map(|write| write.name.index_path()).collect();
        let bad: Vec<_> = writes.iter().flat_map(|write| &write.quarantine).collect();
        self.replace_quarantine(transaction, origin, Some(&paths), &bad, now).await
    }
}

/// The rows of one transaction, gathered so that each table is written by one statement.
#[derive(Default)]
struct Batch<'w> {
    next_seq: i64,
    next_release: i64,
    inserts: Vec<ReleaseInsert<'w>>,
    updates: Vec<ReleaseUpdate<'w>>,
    deletes: Vec<(i64, i64, Option<&'w str>)>,
    closed: Vec<(i64, i64)>,
    dependencies: Vec<DependencyInsert<'w>>,
    changes: Vec<ChangeInsert<'w>>,
    signals: Vec<(i64, i64, &'w str)>,
    to_match: Vec<(ReleaseId, Priority)>,
    to_download: Vec<ReleaseId>,
    to_publish: Vec<ReleaseId>,
    edited: Vec<ReleaseId>,
}

impl<'w> Batch<'w> {
    fn add(&mut self, krate: i64, write: &'w KrateWrite, now: Timestamp) {
        for line in &write.lines {
            let changes = line.changes();
            let seq = if changes.is_empty() { 0 } else { self.next_seq };
            let commit = changes.last().and_then(|change| change.commit.as_deref());
            let release = match line {
                LineWrite::Insert { generation, line, raw, .. } => {
                    let id = self.next_release;
                    self.next_release += 1;
                    self.inserts.push(ReleaseInsert::new(id, krate, *generation, line, raw, commit, now));
                    self.add_dependencies(id, seq, &line.dependencies);
                    let is_baseline = changes.is_empty();
                    let priority = if is_baseline { Priority::BACKFILL } else { Priority::FRESH };
                    self.to_match.push((ReleaseId(id), priority));
                    if write.download && !is_baseline {
                        self.to_download.push(ReleaseId(id));
                    }
                    Some(id)
                }
                LineWrite::Update { release, line, raw, dependencies_differ, .. } => {
                    self.updates.push(ReleaseUpdate::new(release.0, line, raw, commit));
                    if *dependencies_differ {
                        self.closed.push((release.0, seq));
                        self.add_dependencies(release.0, seq, &line.dependencies);
                    }
                    if changes.iter().any(Change::edits_metadata) {
                        self.edited.push(*release);
                    }
                    self.to_match.push((*release, Priority::FRESH));
                    Some(release.0)
                }
                LineWrite::Delete { release, at, .. } => {
                    self.deletes.push((release.0, at.as_micros(), commit));
                    self.to_match.push((*release, Priority::FRESH));
                    self.to_publish.push(*release);
                    Some(release.0)
                }
                LineWrite::Record { .. } => None,
            };
            for change in changes {
                self.record(release, change);
            }
        }
        for signal in &write.signals {
            self.signals.push((self.next_seq, signal.at.as_micros(), &signal.payload));
            self.next_seq += 1;
        }
    }

    fn record(&mut self, release: Option<i64>, change: &'w Change) {
        self.changes.push(ChangeInsert::new(self.next_seq, release, change));
        self.next_seq += 1;
    }

    fn add_dependencies(&mut self, release: i64, seq: i64, dependencies: &'w [IndexDependency]) {
        self.dependencies.extend(
            dependencies.iter().enumerate().map(|(n, dependency)| DependencyInsert::new(release, seq, n, dependency)),
        );
    }
}

fn applied(write: &KrateWrite) -> AppliedKrate {
    let changes = write.lines.iter().map(|line| line.changes().len()).sum();
    AppliedKrate { canonical: write.name.canonical(), changes }
}

const INSERT_RELEASES: &str = "INSERT INTO release (id, krate_id, num, num_no_build, semver_ord, generation, checksum, \
     published_at, first_seen_at, yanked, line, index_commit) \
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5, unhex(value ->> 6), \
     value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11 FROM json_each(?)";

const UPDATE_RELEASES: &str = "UPDATE release SET yanked = held.value ->> 1, published_at = held.value ->> 2, \
     line = held.value ->> 3, index_commit = held.value ->> 4, deleted_at = NULL \
     FROM json_each(?) AS held WHERE release.id = held.value ->> 0";

const DELETE_RELEASES: &str = "UPDATE release SET deleted_at = held.value ->> 1, \
     index_commit = coalesce(held.value ->> 2, index_commit) \
     FROM json_each(?) AS held WHERE release.id = held.value ->> 0";

const CLOSE_DEPENDENCIES: &str = "UPDATE dependency SET to_seq = held.value ->> 1 FROM json_each(?) AS held \
     WHERE dependency.release_id = held.value ->> 0 AND dependency.to_seq IS NULL";

const INSERT_DEPENDENCIES: &str = "INSERT INTO dependency (release_id, from_seq, ordinal, canonical, name, package, \
     req, kind, optional, default_features, features, target, registry) \
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
     value ->> 8, value ->> 9, value -> 10, value ->> 11, value ->> 12 FROM json_each(?)";

const INSERT_CHANGES: &str = "INSERT INTO change (seq, source_id, release_id, kind, name, num, checksum, fields, \
     index_commit, at, observed_at, line_before, line_after) \
     SELECT value ->> 0, ?2, value ->> 1, value ->> 2, value ->> 3, value ->> 4, unhex(value ->> 5), value -> 6, \
     value ->> 7, value ->> 8, ?3, value ->> 9, value ->> 10 FROM json_each(?1)";

const INSERT_SIGNALS: &str = "INSERT INTO event (seq, at, kind, payload) \
     SELECT value ->> 0, value ->> 1, 'signal', value ->> 2 FROM json_each(?)";

/// In the order of the columns in [`INSERT_RELEASES`].
#[derive(Serialize)]
struct ReleaseInsert<'w>(
    i64,
    i64,
    &'w str,
    &'w str,
    Option<String>,
    Generation,
    schema::Sha256,
    Option<i64>,
    i64,
    bool,
    &'w str,
    Option<&'w str>,
);

impl<'w> ReleaseInsert<'w> {
    fn new(
        id: i64,
        krate: i64,
        generation: Generation,
        line: &'w IndexLine,
        raw: &'w str,
        commit: Option<&'w str>,
        now: Timestamp,
    ) -> Self {
        Self(
            id,
            krate,
            line.num.as_str(),
            line.num.without_build(),
            line.num.semver_ord().map(hex::encode),
            generation,
            line.checksum,
            line.published_at.map(Timestamp::as_micros),
            now.as_micros(),
            line.yanked,
            raw,
            commit,
        )
    }
}

/// In the order of the columns in [`UPDATE_RELEASES`].
#[derive(Serialize)]
struct ReleaseUpdate<'w>(i64, bool, Option<i64>, &'w str, Option<&'w str>);

impl<'w> ReleaseUpdate<'w> {
    fn new(release: i64, line: &IndexLine, raw: &'w str, commit: Option<&'w str>) -> Self {
        Self(release, line.yanked, line.published_at.map(Timestamp::as_micros), raw, commit)
    }
}

/// In the order of the columns in [`INSERT_DEPENDENCIES`].
#[derive(Serialize)]
struct DependencyInsert<'w>(
    i64,
    i64,
    usize,
    String,
    &'w str,
    Option<&'w str>,
    &'w str,
    &'static str,
    bool,
    bool,
    &'w [String],
    Option<&'w str>,
    Option<&'w str>,
);

impl<'w> DependencyInsert<'w> {
    fn new(release: i64, seq: i64, ordinal: usize, dependency: &'w IndexDependency) -> Self {
        Self(
            release,
            seq,
            ordinal,
            // Not parsed as a name: what the index says of others is kept even where the registry would refuse it.
            dependency.package_name().to_ascii_lowercase().replace('-', "_"),
            &dependency.name,
            dependency.package.as_deref(),
            &dependency.req,
            dependency.kind.as_str(),
            dependency.optional,
            dependency.default_features,
            &dependency.features,
            dependency.target.as_deref(),
            dependency.registry.as_deref(),
        )
    }
}

/// In the order of the columns in [`INSERT_CHANGES`].
#[derive(Serialize)]
struct ChangeInsert<'w>(
    i64,
    Option<i64>,
    &'static str,
    Option<&'w str>,
    Option<&'w str>,
    Option<schema::Sha256>,
    &'w [String],
    Option<&'w str>,
    i64,
    Option<&'w str>,
    Option<&'w str>,
);

impl<'w> ChangeInsert<'w> {
    fn new(seq: i64, release: Option<i64>, change: &'w Change) -> Self {
        Self(
            seq,
            release,
            change.kind.as_str(),
            change.name.as_ref().map(schema::KrateName::as_str),
            change.num.as_ref().map(schema::VersionNum::as_str),
            change.checksum,
            &change.fields,
            change.commit.as_deref(),
            change.at.as_micros(),
            change.line_before.as_deref(),
            change.line_after.as_deref(),
        )
    }
}
