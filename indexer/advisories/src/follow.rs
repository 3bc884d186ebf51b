//! From one commit of the database to another: what to match again, what to retract. Only changed files are read.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Commit, Repository};
use schema::{AdvisoryId, DbCommit};

use crate::database::{Read, belongs, read_files};
use crate::repository::{commit, db_commit, files, paths};
use crate::{AdvisoriesError, Advisory, Quarantined};

/// How many commits are looked through for the one that last changed each file; beyond, the newest stands for it.
const MAX_COMMITS: usize = 2_000;

/// What differs between two commits. Everything the store holds for an id named here is replaced.
#[derive(Clone, Debug)]
pub struct DatabaseChanges {
    /// The state that was read.
    pub commit: DbCommit,
    /// Added or edited: matches of the id that the new text does not give are to be retracted.
    pub changed: Vec<Advisory>,
    /// Gone without a successor: every match of the id is to be retracted.
    pub removed: Vec<AdvisoryId>,
    /// The ids among `changed` that stand at another path now, and so usually under another crate.
    pub moved: Vec<Moved>,
    /// Bad at the new commit: the last good copy, if there was one, stays valid.
    pub quarantined: Vec<Quarantined>,
}

/// An id that went from one path to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The id.
    pub id: AdvisoryId,
    /// Where it stood.
    pub from: String,
    /// Where it stands.
    pub to: String,
}

/// Reads what changed from the commit `from` to the commit `to`, in either direction of history.
///
/// # Errors
/// [`AdvisoriesError::Git`] when one of the commits is not there (then read the whole database anew).
pub fn changed(repo: &Repository, from: &str, to: &str, source: &str) -> Result<DatabaseChanges, AdvisoriesError> {
    let (old, new) = (commit(repo, from)?, commit(repo, to)?);
    let (before, after) = (by_id(&old)?, by_id(&new)?);
    // An id is read anew as a whole: when one of two files that share it goes, the other one begins to count.
    let touched: BTreeSet<&String> =
        before.keys().chain(after.keys()).filter(|id| before.get(*id) != after.get(*id)).collect();
    let read = files(repo, &new, |path| touched.contains(&id_of(path)))?;
    let Read { advisories: mut changed, quarantined } = read_files(read, &new.id().to_string());
    let origins = last_changes(repo, &old, &new)?;
    for advisory in &mut changed {
        if let Some(commit) = origins.get(&advisory.path) {
            advisory.changed_in.clone_from(commit);
        }
    }
    let removed = touched.iter().filter(|id| !after.contains_key(**id)).map(|id| AdvisoryId((*id).clone())).collect();
    let moved = changed.iter().filter_map(|advisory| moved(advisory, &before)).collect();
    Ok(DatabaseChanges { commit: db_commit(&new, source), changed, removed, moved, quarantined })
}

type FilesById = BTreeMap<String, BTreeMap<String, git2::Oid>>;

/// The files at a commit under the ids their names state; the loader accepts no file whose name says another id.
fn by_id(commit: &Commit<'_>) -> Result<FilesById, AdvisoriesError> {
    let mut by_id = FilesById::new();
    for (path, oid) in paths(commit)? {
        by_id.entry(id_of(&path)).or_default().insert(path, oid);
    }
    Ok(by_id)
}

fn id_of(path: &str) -> String {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    file_name.strip_suffix(".md").unwrap_or(file_name).to_owned()
}

fn moved(advisory: &Advisory, before: &FilesById) -> Option<Moved> {
    let old_paths = before.get(&advisory.facts.id.0)?;
    if old_paths.contains_key(&advisory.path) {
        return None;
    }
    let from = old_paths.keys().next()?.clone();
    Some(Moved { id: advisory.facts.id.clone(), from, to: advisory.path.clone() })
}

/// Per path the newest commit on the way from `old` to `new` (by first parents) that changed it.
///
/// A shallow copy may not hold the way, and history may have been rewritten: what is not found is not in the answer.
fn last_changes(
    repo: &Repository,
    old: &Commit<'_>,
    new: &Commit<'_>,
) -> Result<BTreeMap<String, String>, AdvisoriesError> {
    let comparing = || AdvisoriesError::git("compare two commits of the advisory database");
    let mut changes = BTreeMap::new();
    let mut at = new.clone();
    for _ in 0..MAX_COMMITS {
        if at.id() == old.id() {
            break;
        }
        let Ok(parent) = at.parent(0) else { break };
        let (tree_before, tree_after) = (parent.tree().map_err(comparing())?, at.tree().map_err(comparing())?);
        let diff = repo.diff_tree_to_tree(Some(&tree_before), Some(&tree_after), None).map_err(comparing())?;
        for delta in diff.deltas() {
            let path = delta.new_file().path().and_then(|path| path.to_str()).unwrap_or_default();
            if belongs(path) {
                changes.entry(path.to_owned()).or_insert_with(|| at.id().to_string());
            }
        }
        at = parent;
    }
    Ok(changes)
}
