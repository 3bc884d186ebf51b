//! An index in a git repository: its commits as batches of changed files, in order, across squashes.

use std::collections::VecDeque;
use std::path::Path;

use git2::Oid;
use schema::{Change, ChangeKind, GitOid, KrateName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::git::diff::{ConfigDiff, TreeDiff, diff_trees};
use crate::git::history::Planned;
use crate::git::repository::IndexRepository;
use crate::{FollowError, IndexConfig, Quarantined, Reading};

mod config;
mod diff;
mod history;
mod repository;
mod source;
mod trees;

pub use source::GitSource;

/// How far the index was read; kept by the caller in the same transaction as what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last commit read to its end; all zeros before the first.
    pub commit: GitOid,
    /// Its tree, which outlives the commit: after a squash the tree is compared, not the ancestry.
    pub tree: GitOid,
    /// A commit read in part.
    pub within: Option<Within>,
}

/// A place inside a commit that touches more files than one batch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// The commit being read.
    pub commit: GitOid,
    /// Its tree.
    pub tree: GitOid,
    /// What is done with it.
    pub step: Step,
    /// How many of its files are done, in the order of the walk.
    pub done: usize,
}

/// What one batch, or a run of batches within one commit, stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The whole tree as it was met: rows, and no changes.
    Baseline,
    /// One commit.
    Commit,
    /// Several commits at once, because the cursor was far behind; the commit named is the last of them.
    Coalesced {
        /// How many.
        commits: usize,
        /// Whether the history was replaced on the way.
        squashed: bool,
    },
    /// A commit that replaces the history; what it changes, mostly nothing, is told by the trees.
    Squash,
    /// The whole tree compared with the tables, because the cursor was lost or the schedule says so.
    Reconcile,
}

/// Where the history of changes begins: `--from now | DATE | start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The present tree is the baseline.
    Now,
    /// The tree as it was before this instant is the baseline.
    At(Timestamp),
    /// Everything is history, the `snapshot-…` branches' too.
    Beginning,
}

/// How much of an index's past is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// The head; the first time without its past, later with all commits since.
    HeadOnly,
    /// All of it, with the branches `snapshot-DATE` that keep replaced histories.
    Snapshots,
}

/// Limits of a walk.
#[derive(Clone, Copy, Debug)]
pub struct GitOptions {
    /// Where the history begins, when there is no cursor.
    pub start: Start,
    /// The most files in one batch.
    pub max_files: usize,
    /// A batch ends when its files are larger than this together.
    pub max_bytes: u64,
    /// A file larger than this goes to quarantine.
    pub max_file_bytes: u64,
    /// Commits are read one by one up to this many behind; beyond it all at once. `Start::Beginning` reads one by one.
    pub one_by_one: usize,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self { start: Start::Now, max_files: 5_000, max_bytes: 64 << 20, max_file_bytes: 64 << 20, one_by_one: 50_000 }
    }
}

/// Files that differ between two trees, and the cursor to keep once they are dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What it stands for.
    pub step: Step,
    /// The commit it belongs to.
    pub commit: GitOid,
    /// The commit's time.
    pub at: Timestamp,
    /// How `reconcile` is to take the files.
    pub reading: Reading,
    /// Changes of the whole index; they come with the first batch of their commit.
    pub changes: Vec<Change>,
    /// The crates' files that differ: those gone first, then by path.
    pub changed: Vec<ChangedFile>,
    /// Files that are none of a crate, though they stand where one should.
    pub quarantine: Vec<Quarantined>,
    /// What to go on from.
    pub cursor: Cursor,
}

/// One crate's file as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path in the tree.
    pub path: String,
    /// The crate, in the path's spelling.
    pub name: KrateName,
    /// The file; `None` when it is gone.
    pub after: Option<Vec<u8>>,
}

/// Some files of a whole tree, in the order of their paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The files.
    pub files: Vec<ChangedFile>,
    /// Files too large to be read.
    pub quarantine: Vec<Quarantined>,
    /// The last path looked at, from which to go on; `None` when nothing is left.
    pub last: Option<String>,
}

/// An index in a git repository on this machine.
pub struct GitIndex {
    repository: IndexRepository,
    upcoming: Upcoming,
    last_diff: Option<(Oid, Oid, TreeDiff)>,
}

/// The commits still to come, after one cursor.
#[derive(Default)]
struct Upcoming {
    after: Option<Oid>,
    commits: VecDeque<Planned>,
}

impl std::fmt::Debug for GitIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitIndex").field("path", &self.repository.path()).finish_non_exhaustive()
    }
}

impl GitIndex {
    /// Opens a repository in place, bare or not; nothing is checked out and no hook runs.
    ///
    /// # Errors
    /// When it is no repository.
    pub fn open(path: &Path) -> Result<Self, FollowError> {
        let repository = IndexRepository::open(path)?;
        Ok(Self { repository, upcoming: Upcoming::default(), last_diff: None })
    }

    /// Opens a bare clone of our own, or makes an empty one, to be filled by [`GitIndex::fetch`].
    ///
    /// Lock files that a killed process left are removed. A folder that is damaged beyond opening may be deleted: after the
    /// next fetch the cursor goes on, or is [`FollowError::LostCursor`].
    ///
    /// # Errors
    /// When there is something else at that path, or the disk does not allow it.
    pub fn open_clone(path: &Path) -> Result<Self, FollowError> {
        let repository = IndexRepository::open_clone(path)?;
        Ok(Self { repository, upcoming: Upcoming::default(), last_diff: None })
    }

    /// Brings the clone up to the index at `url`; histories that were replaced there do not stand in the way.
    ///
    /// Blocking. Nothing is lost when it fails: the clone stays as it was.
    ///
    /// # Errors
    /// [`FollowError::Fetch`].
    pub fn fetch(
        &self,
        url: &str,
        history: History,
        options: &git_transport::GitOptions,
    ) -> Result<git_transport::FetchStats, FollowError> {
        self.repository.fetch(url, history, options)
    }

    /// The commit at the head of the index; `None` in an empty repository.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn head(&self) -> Result<Option<GitOid>, FollowError> {
        Ok(self.repository.head()?.map(to_schema))
    }

    /// The next files to deal with, or `None` when the cursor is at the head.
    ///
    /// Blocking. Without a cursor it begins as the options say. Calling it again with the same cursor gives the same
    /// batch, so that a crash repeats and loses nothing.
    ///
    /// # Errors
    /// [`FollowError::LostCursor`] when the cursor's commit is gone and its tree is none that the history resumes from: go on from
    /// [`GitIndex::reconcile_cursor`]. Else when the repository cannot be read.
    pub fn next_batch(&mut self, cursor: Option<&Cursor>, options: &GitOptions) -> Result<Option<Batch>, FollowError> {
        if let Some(&Cursor { commit, tree, within: Some(within) }) = cursor {
            if self.repository.commit_if_there(to_git(within.commit))?.is_none() {
                return Err(FollowError::LostCursor { commit: within.commit });
            }
            return self.batch(commit, tree, within, options).map(Some);
        }
        let zero = to_schema(Oid::ZERO_SHA1);
        // While the plan goes on from this cursor it is good, whatever the head is by now.
        let after = cursor.map(|cursor| to_git(cursor.commit));
        if after.is_none() || self.upcoming.after != after || self.upcoming.commits.is_empty() {
            let Some(head) = self.repository.head()? else { return Ok(None) };
            let (baseline, commits) = self.repository.plan(head, cursor, options)?;
            self.upcoming = Upcoming { after, commits };
            if let Some(baseline) = baseline {
                let within = self.begin(baseline.commit, Step::Baseline)?;
                return self.batch(zero, zero, within, options).map(Some);
            }
        }
        // Who begins in the past wants the history, however long.
        let may_coalesce = cursor.is_some() && options.start == Start::Now;
        let Some((commit, step)) = self.upcoming.next_step(may_coalesce, options.one_by_one) else {
            return Ok(None);
        };
        let (base, tree) = cursor.map_or((zero, zero), |cursor| (cursor.commit, cursor.tree));
        let within = self.begin(commit, step)?;
        self.batch(base, tree, within, options).map(Some)
    }

    /// A cursor from which [`GitIndex::next_batch`] gives every file of the head, as [`Step::Reconcile`].
    ///
    /// Crates of the tables that are not among [`GitIndex::krates`] of the head are gone.
    ///
    /// # Errors
    /// When the repository is empty or cannot be read.
    pub fn reconcile_cursor(&self) -> Result<Cursor, FollowError> {
        let head = self
            .repository
            .head()?
            .ok_or_else(|| FollowError::EmptyIndex { path: self.repository.path().to_owned() })?;
        let zero = to_schema(Oid::ZERO_SHA1);
        Ok(Cursor { commit: zero, tree: zero, within: Some(self.begin(head, Step::Reconcile)?) })
    }

    /// The `config.json` of the head; `None` when it has none.
    ///
    /// # Errors
    /// When the repository cannot be read, or the file is none.
    pub fn config(&self) -> Result<Option<IndexConfig>, FollowError> {
        let Some(head) = self.repository.head()? else { return Ok(None) };
        let Some(text) = self.repository.file(head, IndexConfig::FILE)? else { return Ok(None) };
        IndexConfig::parse(&text, IndexConfig::FILE).map(Some)
    }

    /// The crates' files of a tree behind the path `after`, as many as a batch holds: a walk over everything that can stop
    /// anywhere and go on in another tree.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn files_after(
        &mut self,
        tree: GitOid,
        after: Option<&str>,
        options: &GitOptions,
    ) -> Result<Piece, FollowError> {
        let tree = to_git(tree);
        self.compare(Oid::ZERO_SHA1, tree)?;
        let diff = self.last_diff.as_ref().map(|(_, _, diff)| diff);
        let files = diff.into_iter().flat_map(|diff| &diff.files);
        let mut behind: Vec<_> = files.filter(|file| after.is_none_or(|after| file.path.as_str() > after)).collect();
        behind.sort_by(|a, b| a.path.cmp(&b.path));
        let n_behind = behind.len();
        behind.truncate(options.max_files.max(1));
        let some: Vec<_> = behind.into_iter().cloned().collect();
        let mut piece = Piece { files: Vec::new(), quarantine: Vec::new(), last: None };
        let n_read = self.repository.load(&some, options, &mut piece.files, &mut piece.quarantine)?;
        piece.last =
            some.get(..n_read).and_then(<[_]>::last).filter(|_| n_read < n_behind).map(|file| file.path.clone());
        Ok(piece)
    }

    /// Every crate that has a file in this tree, by the file's spelling.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn krates(&self, tree: GitOid) -> Result<Vec<KrateName>, FollowError> {
        let diff = diff_trees(&self.repository, None, Some(to_git(tree)))?;
        Ok(diff.files.into_iter().map(|file| file.name).collect())
    }

    /// Keeps the cursor's commit from being collected, under `refs/provenance/pin/{name}`.
    ///
    /// # Errors
    /// When the reference cannot be written.
    pub fn pin(&self, name: &str, cursor: &Cursor) -> Result<(), FollowError> {
        let commit = cursor.within.as_ref().map_or(cursor.commit, |within| within.commit);
        self.repository.pin(name, to_git(commit))
    }

    fn begin(&self, commit: Oid, step: Step) -> Result<Within, FollowError> {
        let tree = self.repository.commit(commit)?.tree;
        Ok(Within { commit: to_schema(commit), tree: to_schema(tree), step, done: 0 })
    }

    /// The files of a step from `within.done` on, as many as a batch holds.
    fn batch(
        &mut self,
        base: GitOid,
        base_tree: GitOid,
        within: Within,
        options: &GitOptions,
    ) -> Result<Batch, FollowError> {
        let (from, to) = (to_git(base_tree), to_git(within.tree));
        self.compare(from, to)?;
        let diff = self.last_diff.as_ref().map(|(_, _, diff)| diff);
        let commit = self.repository.commit(to_git(within.commit))?;
        let mut batch = Batch {
            step: within.step,
            commit: within.commit,
            at: commit.at,
            reading: if within.step == Step::Baseline { Reading::Baseline } else { Reading::Recorded },
            changes: Vec::new(),
            changed: Vec::new(),
            quarantine: Vec::new(),
            cursor: Cursor { commit: within.commit, tree: within.tree, within: None },
        };
        let Some(diff) = diff else { return Ok(batch) };
        if within.done == 0 {
            batch.changes = self.index_changes(&batch, diff)?;
            batch.quarantine.clone_from(&diff.odd);
        }
        let files = diff.files.get(within.done..).unwrap_or_default();
        let n_read = self.repository.load(files, options, &mut batch.changed, &mut batch.quarantine)?;
        if within.done + n_read < diff.files.len() {
            let done = within.done + n_read;
            batch.cursor = Cursor { commit: base, tree: base_tree, within: Some(Within { done, ..within }) };
        } else {
            self.upcoming.finished(to_git(within.commit));
        }
        Ok(batch)
    }

    /// Compares two trees, unless they are the ones compared last; all zeros stand for the empty tree.
    fn compare(&mut self, from: Oid, to: Oid) -> Result<(), FollowError> {
        if self.last_diff.as_ref().is_none_or(|(a, b, _)| (*a, *b) != (from, to)) {
            let diff = diff_trees(&self.repository, (!from.is_zero()).then_some(from), Some(to))?;
            self.last_diff = Some((from, to, diff));
        }
        Ok(())
    }

    /// The changes that belong to no crate: the history replaced, `config.json` edited. A baseline and a reconciliation tell none.
    fn index_changes(&self, batch: &Batch, diff: &TreeDiff) -> Result<Vec<Change>, FollowError> {
        let mut changes = Vec::new();
        match batch.step {
            Step::Baseline | Step::Reconcile => return Ok(changes),
            Step::Squash | Step::Coalesced { squashed: true, .. } => {
                changes.push(index_change(ChangeKind::Squash, batch));
            }
            Step::Commit | Step::Coalesced { .. } => {}
        }
        if let Some(ConfigDiff { before, after }) = diff.config {
            let (before, after) = (self.repository.text(before)?, self.repository.text(after)?);
            if config::differs(before.as_deref(), after.as_deref()) {
                let change = index_change(ChangeKind::ConfigChanged, batch);
                changes.push(Change { line_before: before, line_after: after, ..change });
            }
        }
        Ok(changes)
    }
}

impl Upcoming {
    /// The next commit and how to take it; the commits stay planned until they are finished.
    fn next_step(&self, may_coalesce: bool, one_by_one: usize) -> Option<(Oid, Step)> {
        let commits = self.commits.len();
        if may_coalesce && commits > one_by_one.max(1) {
            let squashed = self.commits.iter().any(|planned| planned.replaces);
            return self.commits.back().map(|last| (last.commit, Step::Coalesced { commits, squashed }));
        }
        let next = self.commits.front()?;
        Some((next.commit, if next.replaces { Step::Squash } else { Step::Commit }))
    }

    /// Strikes out everything up to this commit, which the next cursor will name.
    fn finished(&mut self, commit: Oid) {
        self.after = Some(commit);
        if let Some(at) = self.commits.iter().position(|planned| planned.commit == commit) {
            self.commits.drain(..=at);
        }
    }
}

fn index_change(kind: ChangeKind, batch: &Batch) -> Change {
    Change {
        kind,
        name: None,
        num: None,
        checksum: None,
        fields: Vec::new(),
        commit: Some(batch.commit.to_string()),
        at: batch.at,
        line_before: None,
        line_after: None,
    }
}

fn to_git(oid: GitOid) -> Oid {
    Oid::from_bytes(oid.as_bytes()).unwrap_or(Oid::ZERO_SHA1)
}

fn to_schema(oid: Oid) -> GitOid {
    let mut bytes = [0; 20];
    bytes.iter_mut().zip(oid.as_bytes()).for_each(|(to, from)| *to = *from);
    GitOid::from_bytes(bytes)
}
