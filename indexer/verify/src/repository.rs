//! A git repository as verify sees it: refs as recorded, objects by id, reachability proved from refs. Nothing is checked out.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use git2::{ObjectType, Oid};
use schema::Timestamp;

use crate::facts::{CommitStatus, RefObservation, RepositoryStatus};
use crate::{Limits, VerifyError, git_oid};

/// Brings missing parts of a repository when it is only partly here; a local directory has none.
pub trait Deepen {
    /// Tries to bring one commit; `false` when the server does not hand it out.
    ///
    /// # Errors
    /// The status that says why nothing could be fetched.
    fn commit(&self, commit: Oid) -> Result<bool, RepositoryStatus>;

    /// Brings these refs with their history.
    ///
    /// # Errors
    /// The status that says why nothing could be fetched.
    fn refs(&self, names: &[&str]) -> Result<(), RepositoryStatus>;

    /// Brings every branch and tag with its history.
    ///
    /// # Errors
    /// The status that says why nothing could be fetched.
    fn everything(&self) -> Result<(), RepositoryStatus>;
}

/// An open repository with what was learned about it; a second check in it is cheap.
pub struct Repository {
    pub(crate) git: git2::Repository,
    pub(crate) limits: Limits,
    refs: Vec<RefObservation>,
    tips: HashMap<Oid, Vec<String>>,
    /// Refs of pull requests, the latest first.
    pulls: Vec<(String, Oid)>,
    deepen: Option<Box<dyn Deepen>>,
    history: OnceCell<History>,
    pulled: RefCell<Pulled>,
    pub(crate) memo: Memo,
}

/// The `Cargo.toml` files below a tree: folder and blob.
pub(crate) type Manifests = Rc<Vec<(String, Oid)>>;

/// What is remembered by object id: it can never go stale.
#[derive(Default)]
pub(crate) struct Memo {
    pub(crate) manifests: RefCell<HashMap<Oid, Manifests>>,
    pub(crate) plain: RefCell<HashMap<Oid, bool>>,
    pub(crate) parsed: RefCell<HashMap<Oid, Option<Rc<toml::Table>>>>,
    pub(crate) index: OnceCell<crate::search::HistoryIndex>,
}

/// Every commit behind a branch, and those behind tags only.
struct History {
    heads: HashSet<Oid>,
    tags_only: HashSet<Oid>,
    in_order: Vec<Oid>,
}

/// What was seen behind pull requests so far.
#[derive(Default)]
struct Pulled {
    n_examined: usize,
    /// Whether some of what they lead to is not here.
    is_cut_off: bool,
    commits: HashSet<Oid>,
}

/// Pull requests brought with one fetch.
const PULLS_AT_ONCE: usize = 16;

impl Repository {
    /// Opens a bare or ordinary repository in place, reading nothing of the machine's configuration.
    ///
    /// # Errors
    /// The status that says why it cannot be read.
    pub fn open(directory: &Path, limits: &Limits) -> Result<Self, RepositoryStatus> {
        let flags = git2::RepositoryOpenFlags::NO_SEARCH | git2::RepositoryOpenFlags::NO_DOTGIT;
        let git = git2::Repository::open_bare(directory)
            .or_else(|_| git2::Repository::open_bare(directory.join(".git")))
            .or_else(|_| git2::Repository::open_ext(directory, flags, std::iter::empty::<&Path>()))
            .map_err(|_| RepositoryStatus::NotGit)?;
        Self::from_git(git, limits)
    }

    /// Takes an open repository whose refs are all here.
    ///
    /// # Errors
    /// `too-large` when it has more refs than the limit, `not-git` when they cannot be read.
    pub fn from_git(git: git2::Repository, limits: &Limits) -> Result<Self, RepositoryStatus> {
        let mut listed = Vec::new();
        {
            let references = git.references().map_err(|_| RepositoryStatus::NotGit)?;
            for (n, reference) in references.enumerate() {
                if n >= limits.max_refs {
                    return Err(RepositoryStatus::TooLarge);
                }
                let Ok(reference) = reference else { continue };
                let Ok(name) = reference.name() else { continue };
                // Thousands, most of them never looked at; what is no commit is found out when it is.
                let commit = if is_pull(name) {
                    reference.target()
                } else {
                    // A ref to a blob or a tree leads to no commit: it nominates nothing and proves nothing.
                    reference.peel_to_commit().ok().map(|commit| commit.id())
                };
                listed.extend(commit.map(|commit| (name.to_owned(), commit)));
            }
        }
        Ok(Self::with_refs(git, listed, None, limits))
    }

    /// Takes a partly fetched repository with the refs its server listed, peeled, and a way to bring the rest.
    #[must_use]
    pub fn with_refs(
        git: git2::Repository,
        listed: Vec<(String, Oid)>,
        deepen: Option<Box<dyn Deepen>>,
        limits: &Limits,
    ) -> Self {
        let mut refs = Vec::new();
        let mut tips: HashMap<Oid, Vec<String>> = HashMap::new();
        let mut pulls = Vec::new();
        for (name, commit) in listed {
            if is_pull(&name) {
                pulls.push((name, commit));
            } else if name.starts_with("refs/heads/")
                || name.starts_with("refs/tags/")
                // In a clone, another remote may be anybody's fork.
                || (name.starts_with("refs/remotes/origin/") && !name.ends_with("/HEAD"))
            {
                refs.push(RefObservation { name: name.clone(), commit: git_oid(commit) });
                tips.entry(commit).or_default().push(name);
            }
        }
        pulls.sort_by_key(|(name, _)| std::cmp::Reverse(pull_number(name)));
        Self {
            git,
            limits: limits.clone(),
            refs,
            tips,
            pulls,
            deepen,
            history: OnceCell::new(),
            pulled: RefCell::default(),
            memo: Memo::default(),
        }
    }

    /// Branches and tags with the commits they lead to.
    #[must_use]
    pub fn refs(&self) -> &[RefObservation] {
        &self.refs
    }

    /// Tags by name (without `refs/tags/`) with the commits they lead to.
    pub(crate) fn tags(&self) -> BTreeMap<&str, Oid> {
        self.tips
            .iter()
            .flat_map(|(commit, names)| names.iter().map(move |name| (name, *commit)))
            .filter_map(|(name, commit)| Some((name.strip_prefix("refs/tags/")?, commit)))
            .collect()
    }

    /// Tags at exactly this commit, in order.
    pub(crate) fn tags_at(&self, commit: Oid) -> Vec<&str> {
        let names = self.tips.get(&commit).map(Vec::as_slice).unwrap_or_default();
        let mut tags: Vec<_> = names.iter().filter_map(|name| name.strip_prefix("refs/tags/")).collect();
        tags.sort_unstable();
        tags
    }

    /// Where a commit stands: tip equality first, then the history behind branches and tags, then pull requests.
    ///
    /// # Errors
    /// When git's own data cannot be read, or more had to be fetched and could not be.
    pub fn stands(&self, commit: Oid) -> Result<CommitStatus, VerifyError> {
        if let Some(names) = self.tips.get(&commit) {
            let on_branch = names.iter().any(|name| !name.starts_with("refs/tags/"));
            if on_branch {
                return Ok(CommitStatus::Head);
            }
            // The tip of a tag may still be on a branch; without its history at hand, the tag is proof enough.
            let is_here = self.deepen.is_none() || self.history.get().is_some();
            let on_branch = is_here && self.is_behind_a_branch(commit)?;
            return Ok(if on_branch { CommitStatus::Head } else { CommitStatus::TagOnly });
        }
        let is_pull = self.pulls.iter().any(|(_, tip)| *tip == commit);
        if is_pull && self.git.find_commit(commit).is_err() {
            return Ok(CommitStatus::PrOnly);
        }
        self.complete()?;
        if self.is_behind_a_branch(commit)? {
            return Ok(CommitStatus::Head);
        }
        let history = self.history()?;
        if history.tags_only.contains(&commit) {
            return Ok(CommitStatus::TagOnly);
        }
        if is_pull {
            return Ok(CommitStatus::PrOnly);
        }
        self.stands_outside(commit, history)
    }

    /// A commit no branch and no tag leads to. That a server hands it out proves nothing.
    fn stands_outside(&self, commit: Oid, history: &History) -> Result<CommitStatus, VerifyError> {
        if !self.obtain(commit) {
            let is_object = self.git.odb()?.exists(commit);
            return Ok(if is_object { CommitStatus::NotACommit } else { CommitStatus::Absent });
        }
        if self.is_behind_a_pull(commit, history)? {
            return Ok(CommitStatus::PrOnly);
        }
        // A server that lists none may have some all the same.
        let lists_pulls = self.deepen.is_none() || !self.pulls.is_empty();
        let pulled = self.pulled.borrow();
        let is_examined = pulled.n_examined == self.pulls.len() && !pulled.is_cut_off;
        Ok(if lists_pulls && is_examined { CommitStatus::ForkOnly } else { CommitStatus::Unreachable })
    }

    /// Whether a listed pull request leads to a commit. They are brought some at a time, until one does, or the limit is
    /// reached, or the server will not give more.
    fn is_behind_a_pull(&self, commit: Oid, history: &History) -> Result<bool, VerifyError> {
        let mut pulled = self.pulled.borrow_mut();
        while !pulled.commits.contains(&commit) {
            let some = &self.pulls[pulled.n_examined..];
            let some = &some[..some.len().min(PULLS_AT_ONCE)];
            // What is here already costs no fetch.
            let is_enough = self.deepen.is_some() && pulled.n_examined >= self.limits.max_pulls;
            if some.is_empty() || is_enough || !self.bring(some) {
                return Ok(false);
            }
            let mut pending: Vec<Oid> = some.iter().map(|(_, tip)| *tip).collect();
            while let Some(found) = pending.pop() {
                if history.contains(found) || !pulled.commits.insert(found) {
                    continue;
                }
                if pulled.commits.len() > self.limits.max_objects {
                    return Err(VerifyError::Repository(RepositoryStatus::TooLarge));
                }
                match self.git.find_commit(found) {
                    Ok(found) => pending.extend(found.parent_ids()),
                    Err(_) => pulled.is_cut_off = true,
                }
            }
            pulled.n_examined += some.len();
        }
        Ok(true)
    }

    fn bring(&self, pulls: &[(String, Oid)]) -> bool {
        let is_here = |tip: &Oid| self.git.find_commit(*tip).is_ok();
        let missing: Vec<&str> = pulls.iter().filter(|(_, tip)| !is_here(tip)).map(|(name, _)| name.as_str()).collect();
        if missing.is_empty() {
            return true;
        }
        let brought = self.deepen.as_ref().is_some_and(|deepen| deepen.refs(&missing).is_ok());
        brought && pulls.iter().all(|(_, tip)| is_here(tip))
    }

    /// Makes a commit's objects available; `false` when they are not to be had.
    pub(crate) fn obtain(&self, commit: Oid) -> bool {
        self.git.find_commit(commit).is_ok()
            || self.deepen.as_ref().is_some_and(|deepen| deepen.commit(commit).unwrap_or(false))
    }

    /// Every commit behind branches and tags, newest first.
    pub(crate) fn commits(&self) -> Result<&[Oid], VerifyError> {
        Ok(&self.history()?.in_order)
    }

    /// The root tree of a commit and the time it gives.
    pub(crate) fn commit(&self, commit: Oid) -> Result<(Oid, Timestamp), VerifyError> {
        let commit = self.git.find_commit(commit)?;
        Ok((commit.tree_id(), Timestamp::from_seconds(commit.time().seconds())))
    }

    /// Whether every entry of a tree has a name of its own.
    pub(crate) fn has_plain_names(&self, tree: &git2::Tree<'_>) -> bool {
        let mut plain = self.memo.plain.borrow_mut();
        *plain.entry(tree.id()).or_insert_with(|| {
            let mut names = HashSet::with_capacity(tree.len());
            tree.iter().all(|entry| names.insert(entry.name_bytes().to_vec()))
        })
    }

    /// A blob's bytes, `None` when it is larger than the limit or absent.
    pub(crate) fn blob(&self, blob: Oid) -> Option<Vec<u8>> {
        let (size, kind) = self.git.odb().ok()?.read_header(blob).ok()?;
        if kind != ObjectType::Blob || size > self.limits.max_blob {
            return None;
        }
        Some(self.git.find_blob(blob).ok()?.content().to_vec())
    }

    /// Brings every branch and tag with its history, where that was not done yet.
    fn complete(&self) -> Result<(), VerifyError> {
        if let Some(deepen) = &self.deepen {
            deepen.everything().map_err(VerifyError::Repository)?;
            // Asking makes libgit2 read anew where the history was cut off before.
            let _ = self.git.is_shallow();
        }
        Ok(())
    }

    /// Whether a branch leads to a commit, of what is here. Releases are recent: most are met long before the root.
    fn is_behind_a_branch(&self, commit: Oid) -> Result<bool, VerifyError> {
        if let Some(history) = self.history.get() {
            return Ok(history.heads.contains(&commit));
        }
        if self.git.find_commit(commit).is_err() {
            return Ok(false);
        }
        let mut walk = self.walk_from(&self.branches())?;
        Ok(walk.any(|found| found.is_ok_and(|found| found == commit)))
    }

    fn branches(&self) -> Vec<Oid> {
        self.tips_named(|name| !name.starts_with("refs/tags/"))
    }

    fn tips_named(&self, wanted: fn(&str) -> bool) -> Vec<Oid> {
        let tips = self.tips.iter().filter(|(_, names)| names.iter().any(|name| wanted(name)));
        tips.map(|(commit, _)| *commit).collect()
    }

    fn history(&self) -> Result<&History, VerifyError> {
        if let Some(history) = self.history.get() {
            return Ok(history);
        }
        self.complete()?;
        let branches = self.branches();
        let tags = self.tips_named(|name| name.starts_with("refs/tags/"));
        let heads = self.walk(&branches, &[])?;
        let tagged = self.walk(&tags, &branches)?;
        let history = History {
            tags_only: tagged.iter().copied().collect(),
            in_order: heads.iter().chain(&tagged).copied().collect(),
            heads: heads.into_iter().collect(),
        };
        Ok(self.history.get_or_init(|| history))
    }

    /// By time, so that a search finds the same commit every time.
    fn walk_from(&self, tips: &[Oid]) -> Result<git2::Revwalk<'_>, VerifyError> {
        let mut walk = self.git.revwalk()?;
        walk.set_sorting(git2::Sort::TIME)?;
        for tip in tips.iter().filter(|tip| self.git.find_commit(**tip).is_ok()) {
            walk.push(*tip)?;
        }
        Ok(walk)
    }

    fn walk(&self, from: &[Oid], hidden: &[Oid]) -> Result<Vec<Oid>, VerifyError> {
        let mut walk = self.walk_from(from)?;
        for tip in hidden.iter().filter(|tip| self.git.find_commit(**tip).is_ok()) {
            walk.hide(*tip)?;
        }
        let mut commits = Vec::new();
        for commit in walk {
            if commits.len() >= self.limits.max_objects {
                return Err(VerifyError::Repository(RepositoryStatus::TooLarge));
            }
            commits.push(commit?);
        }
        Ok(commits)
    }
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("path", &self.git.path())
            .field("refs", &self.refs.len())
            .finish_non_exhaustive()
    }
}

impl History {
    fn contains(&self, commit: Oid) -> bool {
        self.heads.contains(&commit) || self.tags_only.contains(&commit)
    }
}

/// The number in a ref such as `refs/pull/7/head`.
fn pull_number(name: &str) -> u64 {
    name.split('/').find_map(|part| part.parse().ok()).unwrap_or(0)
}

fn is_pull(name: &str) -> bool {
    ["refs/pull/", "refs/merge-requests/", "refs/pull-requests/", "refs/changes/"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}
