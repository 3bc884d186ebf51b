//! The rows of one transaction, gathered so that each table is written by one statement.

use schema::{Change, Generation, IndexDependency, IndexLine, Priority, ReleaseId, Timestamp};
use sqlx::{Postgres, Transaction};
use store::{KrateWrite, LineWrite, StoreError};

use crate::PostgresStore;
use crate::copy::Rows;
use crate::error::Failing;
use crate::row::json;
use crate::text::kept;

/// What one transaction writes, in the order of its lines.
pub(crate) struct Batch {
    now: Timestamp,
    source: i64,
    next_seq: i64,
    new_releases: std::vec::IntoIter<i64>,
    inserts: Rows,
    updates: Updates,
    deletes: Deletes,
    closed: Vec<(i64, i64)>,
    dependencies: Rows,
    changes: Rows,
    signals: Rows,
    pub(crate) to_match: Vec<(ReleaseId, Priority)>,
    pub(crate) to_download: Vec<ReleaseId>,
    pub(crate) to_publish: Vec<ReleaseId>,
    pub(crate) edited: Vec<ReleaseId>,
}

/// Columns of [`UPDATE_RELEASES`].
#[derive(Default)]
struct Updates {
    ids: Vec<i64>,
    yanked: Vec<bool>,
    published_at: Vec<Option<i64>>,
    lines: Vec<String>,
    commits: Vec<Option<String>>,
}

/// Columns of [`DELETE_RELEASES`].
#[derive(Default)]
struct Deletes {
    ids: Vec<i64>,
    at: Vec<i64>,
    commits: Vec<Option<String>>,
}

const INSERT_RELEASES: &str = "COPY release (id, krate_id, num, num_no_build, semver_ord, generation, checksum, \
     published_at, first_seen_at, yanked, line, index_commit) FROM STDIN (FORMAT binary)";

const INSERT_DEPENDENCIES: &str = "COPY dependency (release_id, from_seq, ordinal, canonical, name, package, \
     req, kind, optional, default_features, features, target, registry) FROM STDIN (FORMAT binary)";

const INSERT_CHANGES: &str = "COPY change (seq, source_id, release_id, kind, name, num, checksum, fields, \
     index_commit, at, observed_at, line_before, line_after) FROM STDIN (FORMAT binary)";

const INSERT_SIGNALS: &str = "COPY event (seq, at, kind, payload) FROM STDIN (FORMAT binary)";

const UPDATE_RELEASES: &str = "UPDATE release SET yanked = held.yanked, published_at = held.published_at, \
     line = held.line, index_commit = held.index_commit, deleted_at = NULL \
     FROM unnest($1::bigint[], $2::boolean[], $3::bigint[], $4::text[], $5::text[]) \
         AS held (id, yanked, published_at, line, index_commit) WHERE release.id = held.id";

const DELETE_RELEASES: &str = "UPDATE release SET deleted_at = held.deleted_at, \
     index_commit = coalesce(held.index_commit, release.index_commit) \
     FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS held (id, deleted_at, index_commit) \
     WHERE release.id = held.id";

const CLOSE_DEPENDENCIES: &str = "UPDATE dependency SET to_seq = held.seq \
     FROM unnest($1::bigint[], $2::bigint[]) AS held (release_id, seq) \
     WHERE dependency.release_id = held.release_id AND dependency.to_seq IS NULL";

impl Batch {
    /// `new_releases` are the numbers that inserted releases get, ascending.
    pub(crate) fn new(source: i64, next_seq: i64, new_releases: Vec<i64>, now: Timestamp) -> Self {
        Self {
            now,
            source,
            next_seq,
            new_releases: new_releases.into_iter(),
            inserts: Rows::of(12),
            updates: Updates::default(),
            deletes: Deletes::default(),
            closed: Vec::new(),
            dependencies: Rows::of(13),
            changes: Rows::of(13),
            signals: Rows::of(4),
            to_match: Vec::new(),
            to_download: Vec::new(),
            to_publish: Vec::new(),
            edited: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, krate: i64, write: &KrateWrite) -> Result<(), StoreError> {
        for line in &write.lines {
            let changes = line.changes();
            let seq = if changes.is_empty() { 0 } else { self.next_seq };
            let commit = changes.last().and_then(|change| change.commit.as_deref());
            let release = match line {
                LineWrite::Insert { generation, line, raw, .. } => {
                    let id = self.new_releases.next().ok_or_else(too_few_numbers)?;
                    self.insert(id, krate, *generation, line, raw, commit);
                    self.add_dependencies(id, seq, &line.dependencies)?;
                    let is_baseline = changes.is_empty();
                    let priority = if is_baseline { Priority::BACKFILL } else { Priority::FRESH };
                    self.to_match.push((ReleaseId(id), priority));
                    if write.download && !is_baseline {
                        self.to_download.push(ReleaseId(id));
                    }
                    Some(id)
                }
                LineWrite::Update { release, line, raw, dependencies_differ, .. } => {
                    self.updates.ids.push(release.0);
                    self.updates.yanked.push(line.yanked);
                    self.updates.published_at.push(line.published_at.map(Timestamp::as_micros));
                    self.updates.lines.push(owned(raw));
                    self.updates.commits.push(commit.map(owned));
                    if *dependencies_differ {
                        self.closed.push((release.0, seq));
                        self.add_dependencies(release.0, seq, &line.dependencies)?;
                    }
                    if changes.iter().any(Change::edits_metadata) {
                        self.edited.push(*release);
                    }
                    self.to_match.push((*release, Priority::FRESH));
                    Some(release.0)
                }
                LineWrite::Delete { release, at, .. } => {
                    self.deletes.ids.push(release.0);
                    self.deletes.at.push(at.as_micros());
                    self.deletes.commits.push(commit.map(owned));
                    self.to_match.push((*release, Priority::FRESH));
                    self.to_publish.push(*release);
                    Some(release.0)
                }
                LineWrite::Record { .. } => None,
            };
            for change in changes {
                self.record(release, change)?;
            }
        }
        for signal in &write.signals {
            self.signals.row().bigint(self.next_seq).bigint(signal.at.as_micros()).text("signal").json(&signal.payload);
            self.next_seq += 1;
        }
        Ok(())
    }

    pub(crate) fn record(&mut self, release: Option<i64>, change: &Change) -> Result<(), StoreError> {
        self.changes
            .row()
            .bigint(self.next_seq)
            .bigint(self.source)
            .bigint(release)
            .text(change.kind.as_str())
            .text(change.name.as_ref().map(schema::KrateName::as_str))
            .text(change.num.as_ref().map(schema::VersionNum::as_str))
            .bytea(change.checksum.as_ref().map(|checksum| checksum.as_bytes().as_slice()))
            .json(&json(&change.fields)?)
            .text(change.commit.as_deref())
            .bigint(change.at.as_micros())
            .bigint(self.now.as_micros())
            .text(change.line_before.as_deref())
            .text(change.line_after.as_deref());
        self.next_seq += 1;
        Ok(())
    }

    fn insert(
        &mut self,
        id: i64,
        krate: i64,
        generation: Generation,
        line: &IndexLine,
        raw: &str,
        commit: Option<&str>,
    ) {
        self.inserts
            .row()
            .bigint(id)
            .bigint(krate)
            .text(line.num.as_str())
            .text(line.num.without_build())
            .bytea(line.num.semver_ord().as_deref())
            .integer(generation.0.cast_signed())
            .bytea(line.checksum.as_bytes().as_slice())
            .bigint(line.published_at.map(Timestamp::as_micros))
            .bigint(self.now.as_micros())
            .boolean(line.yanked)
            .text(raw)
            .text(commit);
    }

    fn add_dependencies(&mut self, release: i64, seq: i64, dependencies: &[IndexDependency]) -> Result<(), StoreError> {
        for (dependency, ordinal) in dependencies.iter().zip(0..) {
            self.dependencies
                .row()
                .bigint(release)
                .bigint(seq)
                .integer(ordinal)
                // Not parsed as a name: what the index says of others is kept even where the registry would refuse it.
                .text(dependency.package_name().to_ascii_lowercase().replace('-', "_").as_str())
                .text(dependency.name.as_str())
                .text(dependency.package.as_deref())
                .text(dependency.req.as_str())
                .text(dependency.kind.as_str())
                .boolean(dependency.optional)
                .boolean(dependency.default_features)
                .json(&json(&dependency.features)?)
                .text(dependency.target.as_deref())
                .text(dependency.registry.as_deref());
        }
        Ok(())
    }

    /// Writes everything but marks.
    pub(crate) async fn write(
        &mut self,
        store: &PostgresStore,
        transaction: &mut Transaction<'static, Postgres>,
    ) -> Result<(), StoreError> {
        store.copy_in(transaction, INSERT_RELEASES, taken(&mut self.inserts, 12), "store releases").await?;
        self.write_edits(store, transaction).await?;
        store
            .copy_in(transaction, INSERT_DEPENDENCIES, taken(&mut self.dependencies, 13), "store dependencies")
            .await?;
        store.copy_in(transaction, INSERT_CHANGES, taken(&mut self.changes, 13), "store changes").await?;
        store.copy_in(transaction, INSERT_SIGNALS, taken(&mut self.signals, 4), "store signals").await
    }

    async fn write_edits(
        &mut self,
        store: &PostgresStore,
        transaction: &mut Transaction<'static, Postgres>,
    ) -> Result<(), StoreError> {
        let updates = std::mem::take(&mut self.updates);
        if !updates.ids.is_empty() {
            let update = sqlx::query(UPDATE_RELEASES).bind(updates.ids).bind(updates.yanked);
            let update = update.bind(updates.published_at).bind(updates.lines).bind(updates.commits);
            update.execute(&mut **transaction).await.failing_on(store, "store edited lines")?;
        }
        let deletes = std::mem::take(&mut self.deletes);
        if !deletes.ids.is_empty() {
            let delete = sqlx::query(DELETE_RELEASES).bind(deletes.ids).bind(deletes.at).bind(deletes.commits);
            delete.execute(&mut **transaction).await.failing_on(store, "store deletions")?;
        }
        let (ids, seqs): (Vec<_>, Vec<_>) = std::mem::take(&mut self.closed).into_iter().unzip();
        if !ids.is_empty() {
            let close = sqlx::query(CLOSE_DEPENDENCIES).bind(ids).bind(seqs);
            close.execute(&mut **transaction).await.failing_on(store, "close dependencies")?;
        }
        Ok(())
    }
}

fn taken(rows: &mut Rows, columns: i16) -> Rows {
    std::mem::replace(rows, Rows::of(columns))
}

fn owned(text: &str) -> String {
    kept(text).into_owned()
}

fn too_few_numbers() -> StoreError {
    StoreError::Query { action: "number new releases", source: "fewer numbers came than were asked for".into() }
}
