//! The database inside a git repository, read in place from its objects: nothing is checked out and no hook can run.

use std::path::Path;

use git2::{Commit, Repository};
use schema::{DbCommit, Timestamp};

use crate::origins::set_origins;
use crate::tree::Files;
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
pub(crate) fn read_repository(repo: &Repository, revision: &str, source: &str) -> Result<Database, AdvisoriesError> {
    let commit = commit(repo, revision)?;
    let mut read = Vec::new();
    for (path, file) in Files::at(&commit)?.all() {
        let reading = AdvisoriesError::git(format!("read {path} of the advisory database"));
        let blob = repo.find_blob(*file).map_err(reading)?;
        read.push(File { path: path.clone(), bytes: blob.content().to_vec() });
    }
    let mut database = Database::from_files(read, db_commit(&commit, source))?;
    set_origins(repo, &commit, &mut database.advisories)?;
    Ok(database)
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
