//! The database inside a git repository, read in place from its objects: nothing is checked out and no hook can run.

use std::path::Path;

use git2::{Commit, ObjectType, Repository, TreeWalkMode, TreeWalkResult};
use schema::{DbCommit, Timestamp};

use crate::database::belongs;
use crate::{AdvisoriesError, Database, File};

/// Where a fetched database's head is kept.
pub const FETCHED_REF: &str = "refs/provenance/advisory-db";

/// What to fetch from a database's address.
pub const FETCH_REFSPEC: &str = "+HEAD:refs/provenance/advisory-db";

/// Opens the bare repository at `path`, or makes one: what a database is fetched into.
///
/// # Errors
/// [`AdvisoriesError::Git`] when there is something else.
pub fn open_bare(path: &Path) -> Result<Repository, AdvisoriesError> {
    let opened = if path.exists() { Repository::open_bare(path) } else { Repository::init_bare(path) };
    opened.map_err(AdvisoriesError::git(format!("open the copy of the advisory database in {}", path.display())))
}

/// Reads the database at a revision (`HEAD`, [`FETCHED_REF`], a commit); `source` is what the answers name as its origin.
///
/// # Errors
/// [`AdvisoriesError::Git`] when there is no such revision, [`AdvisoriesError::Empty`] when it holds no advisory.
pub fn read_repository(repo: &Repository, revision: &str, source: &str) -> Result<Database, AdvisoriesError> {
    let commit = commit(repo, revision)?;
    let files = files(repo, &commit, |_| true)?;
    Database::from_files(files, db_commit(&commit, source))
}

/// The commit behind a revision.
pub(crate) fn commit<'a>(repo: &'a Repository, revision: &str) -> Result<Commit<'a>, AdvisoriesError> {
    let found = repo.revparse_single(revision).and_then(|object| object.peel_to_commit());
    found.map_err(AdvisoriesError::git(format!("find {revision:?} in the advisory database")))
}

/// What an answer names.
pub(crate) fn db_commit(commit: &Commit<'_>, source: &str) -> DbCommit {
    DbCommit {
        commit: commit.id().to_string(),
        at: Timestamp::from_seconds(commit.time().seconds()),
        source: source.to_owned(),
    }
}

/// The paths at a commit that are the database's business; symbolic links are none of it.
pub(crate) fn paths(commit: &Commit<'_>) -> Result<Vec<(String, git2::Oid)>, AdvisoriesError> {
    let reading = || AdvisoriesError::git(format!("read commit {} of the advisory database", commit.id()));
    let mut paths = Vec::new();
    let tree = commit.tree().map_err(reading())?;
    let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        let is_file = entry.kind() == Some(ObjectType::Blob) && entry.filemode() != i32::from(git2::FileMode::Link);
        let path = format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes()));
        if is_file && belongs(&path) {
            paths.push((path, entry.id()));
        }
        TreeWalkResult::Ok
    });
    walked.map_err(reading())?;
    Ok(paths)
}

/// The files at a commit whose path is wanted.
pub(crate) fn files(
    repo: &Repository,
    commit: &Commit<'_>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<File>, AdvisoriesError> {
    let mut files = Vec::new();
    for (path, oid) in paths(commit)? {
        if wanted(&path) {
            let blob =
                repo.find_blob(oid).map_err(AdvisoriesError::git(format!("read {path} of the advisory database")))?;
            files.push(File { path, bytes: blob.content().to_vec() });
        }
    }
    Ok(files)
}
