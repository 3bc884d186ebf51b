//! Which commits come next: first parents from the cursor to the head, and the way across a replaced history.
//!
//! A squash puts a parentless commit with the same tree in place of the history and moves the old head to `snapshot-DATE`. So
//! the whole history is the snapshots' first parents in the order of their dates, then the head's; where one ends and the next
//! begins the trees are compared. Commits that two snapshots share are read once.

use std::collections::{HashSet, VecDeque};

use git2::Oid;

use crate::FollowError;
use crate::git::repository::{CommitFacts, IndexRepository};
use crate::git::{Cursor, GitOptions, Start, to_git};

/// One commit to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) commit: Oid,
    /// Its first parent is not the commit before it: the history was replaced here.
    pub(super) replaces: bool,
}

/// A baseline to begin with, if any, and the commits that follow.
type Plan = (Option<Planned>, VecDeque<Planned>);

impl IndexRepository {
    /// The commits after the cursor, or from where the options begin.
    pub(super) fn plan(&self, head: Oid, cursor: Option<&Cursor>, options: &GitOptions) -> Result<Plan, FollowError> {
        if let Some(cursor) = cursor {
            return Ok((None, self.after(head, cursor)?));
        }
        let mut commits = match options.start {
            Start::Now => return Ok((Some(Planned { commit: head, replaces: false }), VecDeque::new())),
            Start::At(_) | Start::Beginning => self.whole_history(head)?,
        };
        let mut baseline = None;
        if let Start::At(instant) = options.start {
            while let Some(next) = commits.front() {
                if self.commit(next.commit)?.at >= instant {
                    break;
                }
                baseline = commits.pop_front();
            }
        }
        Ok((baseline, commits))
    }

    fn after(&self, head: Oid, cursor: &Cursor) -> Result<VecDeque<Planned>, FollowError> {
        let seen = to_git(cursor.commit);
        let mut newer = self.first_parents(head, |commit| commit == seen)?;
        if newer.first() == Some(&seen) {
            return Ok(newer.split_off(1).into_iter().map(|commit| Planned { commit, replaces: false }).collect());
        }
        let mut history = self.whole_history(head)?;
        if let Some(at) = history.iter().position(|planned| planned.commit == seen) {
            return Ok(history.split_off(at + 1));
        }
        self.rejoin(history, cursor)
    }

    /// The cursor stands on no branch any more: finds the place where a new history begins with the tree it saw.
    fn rejoin(&self, mut history: VecDeque<Planned>, cursor: &Cursor) -> Result<VecDeque<Planned>, FollowError> {
        let (seen, tree) = (to_git(cursor.commit), to_git(cursor.tree));
        let seen_at = self.commit_if_there(seen)?.map(|commit| commit.at);
        let mut newest_root = 0;
        for (at, planned) in history.iter().enumerate() {
            if !(planned.replaces || at == 0) {
                continue;
            }
            newest_root = at;
            let root = self.commit(planned.commit)?;
            // Several roots may have one tree; the first that is not older than the cursor skips nothing.
            if root.tree == tree && seen_at.is_none_or(|seen_at| root.at >= seen_at) {
                let mut rest = history.split_off(at);
                mark_first(&mut rest);
                return Ok(rest);
            }
        }
        // Without the commit its tree may be there only in part, and a diff against it would invent changes.
        let Some(seen_at) = seen_at else { return Err(FollowError::LostCursor { commit: cursor.commit }) };
        // A root that is younger than what was seen is where a new history begins. Otherwise some commits were taken back (an
        // amended head, a reset, a merge the other way round): what lies behind was read already, and going through it again
        // would invent deletions and returns. The head's tree tells what is different now.
        let is_squash = match history.get(newest_root) {
            Some(root) => self.commit(root.commit)?.at >= seen_at && !self.shares_past(seen, &history)?,
            None => false,
        };
        let begin = if is_squash { newest_root } else { history.len().saturating_sub(1) };
        let mut rest = history.split_off(begin);
        mark_first(&mut rest);
        Ok(rest)
    }

    /// Whether any first parent of a commit is part of a history.
    fn shares_past(&self, commit: Oid, history: &VecDeque<Planned>) -> Result<bool, FollowError> {
        let known: HashSet<Oid> = history.iter().map(|planned| planned.commit).collect();
        let chain = self.first_parents(commit, |commit| known.contains(&commit))?;
        Ok(chain.first().is_some_and(|first| known.contains(first)))
    }

    fn whole_history(&self, head: Oid) -> Result<VecDeque<Planned>, FollowError> {
        let mut history: VecDeque<Planned> = VecDeque::new();
        let mut planned = HashSet::new();
        for tip in self.snapshots()?.into_iter().chain([head]) {
            let known = |commit| planned.contains(&commit);
            for commit in self.first_parents(tip, known)? {
                if !planned.insert(commit) {
                    continue;
                }
                let parent = self.commit(commit)?.parent;
                let replaces = history.back().is_some_and(|before| parent != Some(before.commit));
                history.push_back(Planned { commit, replaces });
            }
        }
        Ok(history)
    }

    /// First parents from the oldest to `tip`, beginning with the commit where `stop` says so, or with the root.
    fn first_parents(&self, tip: Oid, stop: impl Fn(Oid) -> bool) -> Result<Vec<Oid>, FollowError> {
        let mut chain = Vec::new();
        let mut next = Some(tip);
        while let Some(commit) = next {
            // At the edge of a shallow clone the parent is named and not there: that is where the history begins.
            let facts: Option<CommitFacts> = self.commit_if_there(commit)?;
            let Some(facts) = facts else { break };
            chain.push(commit);
            next = if stop(commit) { None } else { facts.parent };
        }
        chain.reverse();
        Ok(chain)
    }
}

fn mark_first(history: &mut VecDeque<Planned>) {
    if let Some(first) = history.front_mut() {
        first.replaces = true;
    }
}
