//! Which commit last changed a file: as `git log -1 -- PATH` says it, for many files in one walk.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use git2::{Commit, Oid, Repository};
use schema::Timestamp;

use crate::tree::path_of;
use crate::{AdvisoriesError, Advisory};

/// How many commits are looked through; the database has some thousand. Beyond, the state read stands for the origin.
const MAX_COMMITS: usize = 100_000;

/// Sets each advisory's `changed_in` and `changed_at`, as seen from `head`.
///
/// A file that some parent has unchanged came from there; one that every parent has otherwise was changed here. A shallow
/// copy ends early: there the oldest commit it has is named.
pub(crate) fn set_origins(
    repository: &Repository,
    head: &Commit<'_>,
    advisories: &mut [Advisory],
) -> Result<(), AdvisoriesError> {
    let paths: BTreeSet<String> = advisories.iter().map(|advisory| advisory.path.clone()).collect();
    let origins = origins(repository, head, paths)?;
    for advisory in advisories {
        if let Some((commit, at)) = origins.get(&advisory.path) {
            advisory.changed_in = commit.to_string();
            advisory.changed_at = Some(*at);
        }
    }
    Ok(())
}

fn origins(
    repository: &Repository,
    head: &Commit<'_>,
    paths: BTreeSet<String>,
) -> Result<BTreeMap<String, (Oid, Timestamp)>, AdvisoriesError> {
    let mut origins = BTreeMap::new();
    let mut open = BTreeMap::from([(head.id(), paths)]);
    // Newest first: what several children hand down to one commit is there before its turn comes.
    let mut next = BinaryHeap::from([(head.time().seconds(), head.id())]);
    for _ in 0..MAX_COMMITS {
        let Some((_, id)) = next.pop() else { break };
        let Some(mut paths) = open.remove(&id).filter(|paths| !paths.is_empty()) else { continue };
        let finding = AdvisoriesError::git(format!("read commit {id} of the advisory database"));
        let commit = repository.find_commit(id).map_err(finding)?;
        for parent in commit.parents() {
            let changed = differing(repository, &parent, &commit)?;
            let (here, from_parent): (BTreeSet<_>, BTreeSet<_>) =
                paths.into_iter().partition(|path| changed.contains(path));
            paths = here;
            if !from_parent.is_empty() {
                open.entry(parent.id()).or_default().extend(from_parent);
                next.push((parent.time().seconds(), parent.id()));
            }
        }
        let at = Timestamp::from_seconds(commit.time().seconds());
        origins.extend(paths.into_iter().map(|path| (path, (id, at))));
    }
    Ok(origins)
}

fn differing(
    repository: &Repository,
    parent: &Commit<'_>,
    commit: &Commit<'_>,
) -> Result<BTreeSet<String>, AdvisoriesError> {
    let comparing = || AdvisoriesError::git("compare two commits of the advisory database");
    let (before, after) = (parent.tree().map_err(comparing())?, commit.tree().map_err(comparing())?);
    let diff = repository.diff_tree_to_tree(Some(&before), Some(&after), None).map_err(comparing())?;
    Ok(diff.deltas().filter_map(|delta| path_of(&delta)).collect())
}
