//! A database followed by commit: every commit since the one known is a state, and only what it changed is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git2::{Commit, Oid, Repository};
use schema::{AdvisoryId, DbCommit, Timestamp};

use crate::database::{File, Read, read_files};
use crate::origins::set_origins;
use crate::repository::{commit, db_commit, read_repository};
use crate::tree::{Files, id_of, is_file, path_of};
use crate::{AdvisoriesError, Advisory, Database, FETCHED_REF, Quarantined};

/// A database in a git repository, at the revision that counts as its present state.
pub struct DatabaseRepository {
    repository: Repository,
    revision: String,
    source: String,
}

/// What differs between two states. Everything the store holds for an id in `touched` is replaced.
#[derive(Clone, Debug)]
pub struct DatabaseChanges {
    /// The state that was read.
    pub commit: DbCommit,
    /// The ids whose files were read, good or bad or gone.
    pub touched: BTreeSet<AdvisoryId>,
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

/// What leads from a state known to the present one.
#[derive(Debug)]
pub enum Since {
    /// The commits in between, oldest first, each a state of its own. Empty: nothing happened.
    Steps(Vec<DatabaseChanges>),
    /// The commit known is not in this repository (any more): only a full comparison can tell.
    Lost,
    /// It is there, and the present state does not descend from it: history was rewritten, or an older state is shown.
    Rewritten,
}

impl DatabaseRepository {
    /// The repository in a folder, bare or not, at its HEAD; what is not committed does not count. `None`: plain files.
    ///
    /// # Errors
    /// [`AdvisoriesError::Git`] when there is a repository that cannot be opened.
    pub fn in_folder(path: &Path) -> Result<Option<Self>, AdvisoriesError> {
        let source = path.display().to_string();
        match Repository::open(path) {
            Ok(repository) => Ok(Some(Self { repository, revision: "HEAD".to_owned(), source })),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(AdvisoriesError::git(format!("open the advisory database in {source}"))(error)),
        }
    }

    /// A copy of ours into which `address` was fetched ([`crate::open_bare`], [`crate::FETCH_REFSPEC`]).
    #[must_use]
    pub fn fetched(repository: Repository, address: &str) -> Self {
        Self { repository, revision: FETCHED_REF.to_owned(), source: address.to_owned() }
    }

    /// The same repository with another revision as its present state.
    #[must_use]
    pub fn at(self, revision: &str) -> Self {
        Self { revision: revision.to_owned(), ..self }
    }

    /// The present state, without its files.
    ///
    /// # Errors
    /// [`AdvisoriesError::Git`] when there is no such revision.
    pub fn head(&self) -> Result<DbCommit, AdvisoriesError> {
        Ok(db_commit(&commit(&self.repository, &self.revision)?, &self.source))
    }

    /// Reads the whole present state; every advisory names the commit that last changed it.
    ///
    /// # Errors
    /// [`AdvisoriesError::Git`] when it cannot be read, [`AdvisoriesError::Empty`] when it holds no advisory.
    pub fn read(&self) -> Result<Database, AdvisoriesError> {
        read_repository(&self.repository, &self.revision, &self.source)
    }

    /// Reads what happened since the commit `from`, along first parents: what the followed branch looked like, in order.
    ///
    /// The ids in `again` are read once more although nothing happened to them (a newer program may understand them).
    /// Where the branch came to `from` by another way than first parents, everything in between is one state.
    ///
    /// # Errors
    /// [`AdvisoriesError::Git`] when the repository cannot be read.
    pub fn since(&self, from: &str, again: &BTreeSet<AdvisoryId>) -> Result<Since, AdvisoriesError> {
        let repository = &self.repository;
        let new = commit(repository, &self.revision)?;
        let Some(old) = Oid::from_str(from).ok().and_then(|id| repository.find_commit(id).ok()) else {
            return Ok(Since::Lost);
        };
        if old.id() != new.id() && !repository.graph_descendant_of(new.id(), old.id()).unwrap_or(false) {
            return Ok(Since::Rewritten);
        }
        let mut walk = Walk { repository, files: Files::at(&old)?, at: old.clone() };
        let mut steps = Vec::new();
        let mut again = again.clone();
        for next in way(&old, &new) {
            steps.push(walk.step(next, std::mem::take(&mut again), &self.source)?);
        }
        if !again.is_empty() {
            steps.push(walk.step(new, again, &self.source)?);
        }
        Ok(Since::Steps(steps))
    }
}

impl DatabaseRepository {
    /// Reads the branch's past as if it had been followed since `from` (`None`: since its first commit): the state of that
    /// time, and a state for every commit after it. Commits before the first one that holds an advisory are passed over.
    ///
    /// # Errors
    /// As [`DatabaseRepository::read`].
    pub fn history(&self, from: Option<Timestamp>) -> Result<(Database, Vec<DatabaseChanges>), AdvisoriesError> {
        let mut way = first_parents(&commit(&self.repository, &self.revision)?);
        let is_over = |commit: &Commit<'_>| from.is_some_and(|from| db_commit(commit, "").at <= from);
        let first = way.iter().rposition(is_over).unwrap_or(0);
        let mut rest = way.drain(first..);
        let mut empty = AdvisoriesError::Empty { origin: self.source.clone() };
        while let Some(at) = rest.next() {
            match read_repository(&self.repository, &at.id().to_string(), &self.source) {
                Ok(database) => {
                    let mut walk = Walk { repository: &self.repository, files: Files::at(&at)?, at };
                    let steps = rest.map(|next| walk.step(next, BTreeSet::new(), &self.source));
                    return Ok((database, steps.collect::<Result<_, _>>()?));
                }
                Err(error @ AdvisoriesError::Empty { .. }) => empty = error,
                Err(error) => return Err(error),
            }
        }
        Err(empty)
    }
}

impl std::fmt::Debug for DatabaseRepository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.source, self.revision)
    }
}

/// The commits from `old`, which is left out, to `new`.
fn way<'repo>(old: &Commit<'repo>, new: &Commit<'repo>) -> Vec<Commit<'repo>> {
    if old.id() == new.id() {
        return Vec::new();
    }
    let mut way = first_parents(new);
    match way.iter().rposition(|commit| commit.id() == old.id()) {
        Some(at) => way.split_off(at + 1),
        None => vec![new.clone()],
    }
}

/// The branch that leads to a commit, as far as it is here, oldest first.
fn first_parents<'repo>(head: &Commit<'repo>) -> Vec<Commit<'repo>> {
    let mut way: Vec<_> = std::iter::successors(Some(head.clone()), |commit| commit.parent(0).ok()).collect();
    way.reverse();
    way
}

/// Goes from commit to commit and knows which files stand there.
struct Walk<'repo> {
    repository: &'repo Repository,
    files: Files,
    at: Commit<'repo>,
}

impl<'repo> Walk<'repo> {
    fn step(
        &mut self,
        next: Commit<'repo>,
        again: BTreeSet<AdvisoryId>,
        source: &str,
    ) -> Result<DatabaseChanges, AdvisoriesError> {
        let mut touched = again;
        let mut before: BTreeMap<AdvisoryId, BTreeMap<String, Oid>> = BTreeMap::new();
        for (path, file) in self.differing(&next)? {
            let id = id_of(&path);
            before.entry(id.clone()).or_insert_with(|| self.files.of(&id).clone());
            self.files.put(path, file);
            touched.insert(id);
        }
        // An id is read anew as a whole: when one of two files that share it goes, the other one begins to count.
        let mut read = Vec::new();
        for (path, file) in touched.iter().flat_map(|id| self.files.of(id)) {
            let reading = AdvisoriesError::git(format!("read {path} of the advisory database"));
            let blob = self.repository.find_blob(*file).map_err(reading)?;
            read.push(File { path: path.clone(), bytes: blob.content().to_vec() });
        }
        let Read { advisories: mut changed, quarantined } = read_files(read, &next.id().to_string());
        set_origins(self.repository, &next, &mut changed)?;
        let is_gone = |id: &&AdvisoryId| self.files.of(id).is_empty();
        let removed = touched.iter().filter(is_gone).cloned().collect();
        let moved = changed.iter().filter_map(|advisory| moved(advisory, &before)).collect();
        let commit = db_commit(&next, source);
        self.at = next;
        Ok(DatabaseChanges { commit, touched, changed, removed, moved, quarantined })
    }

    /// The paths that differ at `next`, each with its file there; `None`: it is gone.
    fn differing(&self, next: &Commit<'_>) -> Result<Vec<(String, Option<Oid>)>, AdvisoriesError> {
        let comparing = || AdvisoriesError::git("compare two commits of the advisory database");
        let (before, after) = (self.at.tree().map_err(comparing())?, next.tree().map_err(comparing())?);
        let diff = self.repository.diff_tree_to_tree(Some(&before), Some(&after), None).map_err(comparing())?;
        let mut differing = Vec::new();
        for delta in diff.deltas() {
            if let Some(path) = path_of(&delta) {
                differing.push((path, is_file(&delta.new_file()).then(|| delta.new_file().id())));
            }
        }
        Ok(differing)
    }
}

fn moved(advisory: &Advisory, before: &BTreeMap<AdvisoryId, BTreeMap<String, Oid>>) -> Option<Moved> {
    let old_paths = before.get(&advisory.facts.id)?;
    if old_paths.contains_key(&advisory.path) {
        return None;
    }
    let from = old_paths.keys().next()?.clone();
    Some(Moved { id: advisory.facts.id.clone(), from, to: advisory.path.clone() })
}
