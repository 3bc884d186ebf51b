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
    pulls: HashSet<Oid>,
    pulls_unexamined: bool,
    deepen: Option<Box<dyn Deepen>>,
    history: OnceCell<History>,
    behind_pulls: OnceCell<HashSet<Oid>>,
    pub(crate) memo: Memo,
}

/// The `Cargo.toml` files below a tree: folder and blob.
pub(crate) type Manifests = Rc<Vec<(String, Oid)>>;

/// What is remembered by object id: it can never go stale.
#[derive(Default)]
pub(crate) struct Memo {
    pub(crate) manifests: RefCell<HashMap<Oid, Manifests>>,
    pub(crate) index: OnceCell<crate::search::ManifestIndex>,
    pub(crate) blobs: OnceCell<HashSet<Oid>>,
}

/// Every commit behind a branch, and those behind tags only.
struct History {
    heads: HashSet<Oid>,
    tags_only: HashSet<Oid>,
    in_order: Vec<Oid>,
}

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
                // A ref to a blob or a tree leads to no commit: it nominates nothing and proves nothing.
                let Ok(commit) = reference.peel_to_commit() else { continue };
                listed.push((name.to_owned(), commit.id()));
            }
        }
        Ok(Self::with_refs(git, listed, false, None, limits))
    }

    /// Takes a partly fetched repository with the refs its server listed, peeled, and a way to bring the rest.
    #[must_use]
    pub fn with_refs(
        git: git2::Repository,
        listed: Vec<(String, Oid)>,
        pulls_unexamined: bool,
        deepen: Option<Box<dyn Deepen>>,
        limits: &Limits,
    ) -> Self {
        let mut refs = Vec::new();
        let mut tips: HashMap<Oid, Vec<String>> = HashMap::new();
        let mut pulls = HashSet::new();
        for (name, commit) in listed {
            if is_pull(&name) {
                pulls.insert(commit);
            } else if name.starts_with("refs/heads/")
                || name.starts_with("refs/tags/")
                || (name.starts_with("refs/remotes/") && !name.ends_with("/HEAD"))
            {
                refs.push(RefObservation { name: name.clone(), commit: git_oid(commit) });
                tips.entry(commit).or_default().push(name);
            }
        }
        Self {
            git,
            limits: limits.clone(),
            refs,
            tips,
            pulls,
            pulls_unexamined,
            deepen,
            history: OnceCell::new(),
            behind_pulls: OnceCell::new(),
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
            return Ok(match self.history.get() {
                Some(history) if history.heads.contains(&commit) => CommitStatus::Head,
                _ if self.deepen.is_some() => CommitStatus::TagOnly,
                _ if self.history()?.heads.contains(&commit) => CommitStatus::Head,
                _ => CommitStatus::TagOnly,
            });
        }
        if self.pulls.contains(&commit) && self.git.find_commit(commit).is_err() {
            return Ok(CommitStatus::PrOnly);
        }
        let history = self.history()?;
        if history.heads.contains(&commit) {
            return Ok(CommitStatus::Head);
        }
        if history.tags_only.contains(&commit) {
            return Ok(CommitStatus::TagOnly);
        }
        if self.pulls.contains(&commit) || self.behind_pulls()?.contains(&commit) {
            return Ok(CommitStatus::PrOnly);
        }
        self.stands_outside(commit)
    }

    fn stands_outside(&self, commit: Oid) -> Result<CommitStatus, VerifyError> {
        match self.git.odb()?.read_header(commit) {
            Ok((_, ObjectType::Commit)) if self.pulls_unexamined => Ok(CommitStatus::Unreachable),
            Ok((_, ObjectType::Commit)) => Ok(CommitStatus::ForkOnly),
            Ok(_) => Ok(CommitStatus::NotACommit),
            Err(_) => match &self.deepen {
                // A server that hands out a commit no listed ref leads to proves nothing by it.
                Some(deepen) if deepen.commit(commit).unwrap_or(false) => Ok(CommitStatus::Unreachable),
                _ => Ok(CommitStatus::Absent),
            },
        }
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

    /// A blob's bytes, `None` when it is larger than the limit or absent.
    pub(crate) fn blob(&self, blob: Oid) -> Option<Vec<u8>> {
        let (size, kind) = self.git.odb().ok()?.read_header(blob).ok()?;
        if kind != ObjectType::Blob || size > self.limits.max_blob {
            return None;
        }
        Some(self.git.find_blob(blob).ok()?.content().to_vec())
    }

    fn history(&self) -> Result<&History, VerifyError> {
        if let Some(history) = self.history.get() {
            return Ok(history);
        }
        if let Some(deepen) = &self.deepen {
            deepen.everything().map_err(VerifyError::Repository)?;
            // Asking makes libgit2 read anew where the history was cut off before.
            let _ = self.git.is_shallow();
        }
        let of = |wanted: fn(&str) -> bool| {
            self.tips.iter().filter(move |(_, names)| names.iter().any(|name| wanted(name))).map(|(commit, _)| *commit)
        };
        let branches: Vec<Oid> = of(|name| !name.starts_with("refs/tags/")).collect();
        let tags: Vec<Oid> = of(|name| name.starts_with("refs/tags/")).collect();
        let heads = self.walk(&branches, &[])?;
        let tagged = self.walk(&tags, &branches)?;
        let history = History {
            tags_only: tagged.iter().copied().collect(),
            in_order: heads.iter().chain(&tagged).copied().collect(),
            heads: heads.into_iter().collect(),
        };
        Ok(self.history.get_or_init(|| history))
    }

    fn behind_pulls(&self) -> Result<&HashSet<Oid>, VerifyError> {
        if let Some(behind) = self.behind_pulls.get() {
            return Ok(behind);
        }
        let pulls: Vec<Oid> = self.pulls.iter().copied().collect();
        let known: Vec<Oid> = self.tips.keys().copied().collect();
        let behind = self.walk(&pulls, &known)?.into_iter().collect();
        Ok(self.behind_pulls.get_or_init(|| behind))
    }

    fn walk(&self, from: &[Oid], hidden: &[Oid]) -> Result<Vec<Oid>, VerifyError> {
        let mut walk = self.git.revwalk()?;
        // By time, so that a search finds the same commit every time.
        walk.set_sorting(git2::Sort::TIME)?;
        for tip in from.iter().filter(|tip| self.git.find_commit(**tip).is_ok()) {
            walk.push(*tip)?;
        }
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

fn is_pull(name: &str) -> bool {
    ["refs/pull/", "refs/merge-requests/", "refs/pull-requests/", "refs/changes/"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}
