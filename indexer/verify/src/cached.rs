//! Repositories over the network, fetched no further than needed: refs, then one commit, then branches and tags whole.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use git_transport::{Addresses, GitError, GitOptions, RemoteRef};
use git2::{ObjectType, Oid};

use crate::Limits;
use crate::access::{Opened, Repositories, Unopened};
use crate::facts::RepositoryStatus;
use crate::folder::{Folder, Lock, Taken};
use crate::mirrors::Mirrors;
use crate::repository::{Deepen, Repository};
use crate::url::NormalisedUrl;

/// A folder of bare repositories, filled on demand. Only https is asked unless the options say otherwise.
pub struct CachedRepositories {
    folder: Folder,
    options: CacheOptions,
    open: RefCell<HashMap<String, Result<Opened, RepositoryStatus>>>,
}

/// How a cache may fill itself.
#[derive(Clone)]
pub struct CacheOptions {
    /// Bytes, objects, time and addresses.
    pub git: GitOptions,
    /// Whether plain http may be asked.
    pub allow_http: bool,
    /// Copies to be asked instead.
    pub mirrors: Mirrors,
    /// What a check may cost.
    pub limits: Limits,
    /// Bytes the folder may hold. What was used longest ago goes first; what is in use stays.
    pub max_bytes: u64,
}

/// What a folder of repositories may hold when nothing else is said: 20 GiB.
pub const DEFAULT_MAX_BYTES: u64 = 20 << 30;

impl CachedRepositories {
    /// A cache in this folder, which is made when it is missing.
    #[must_use]
    pub fn new(folder: PathBuf, options: CacheOptions) -> Self {
        Self { folder: Folder::new(folder), options, open: RefCell::default() }
    }

    fn reach(&self, url: &NormalisedUrl) -> Result<Opened, Unopened> {
        let mirror = self.options.mirrors.find(&url.url);
        if let Some(folder) = mirror.as_deref().map(Path::new).filter(|folder| folder.is_dir()) {
            let repository = Repository::open(folder, &self.options.limits)?;
            return Ok(Opened { repository: Rc::new(repository), redirected_to: None });
        }
        let is_mirror = mirror.is_some();
        let address = mirror.unwrap_or_else(|| url.url.clone());
        // What the operator's own table names is the operator's choice; `git_transport` still holds it to its options.
        let is_allowed = address.starts_with("https://") || (self.options.allow_http && address.starts_with("http://"));
        if !is_mirror && !is_allowed {
            return Err(RepositoryStatus::Blocked.into());
        }
        let options = GitOptions { addresses: self.addresses(&address, is_mirror), ..self.options.git.clone() };
        let remote = git_transport::list_refs(&address, &options).map_err(unopened)?;
        if remote.refs.len() > self.options.limits.max_refs {
            return Err(RepositoryStatus::TooLarge.into());
        }
        // One folder per repository; the address itself is hostile text and never part of a path.
        let name = Oid::hash_object(ObjectType::Blob, url.key().as_bytes());
        let name = name.map_err(|_| RepositoryStatus::Unparseable)?.to_string();
        let lock = self.lock(&name)?;
        self.folder.shrink_to(self.options.max_bytes).map_err(|error| disk(self.folder.path(), error))?;
        let place = self.folder.path().join(&name);
        let git = git_transport::open_or_init_bare(&place).map_err(unopened)?;
        let own = git_transport::open_or_init_bare(&place).map_err(unopened)?;
        let listed: Vec<(String, Oid)> =
            remote.refs.iter().map(|found| (found.name.clone(), commit_of(found))).collect();
        let fetcher =
            Fetcher { git: own, address, options, listed: listed.clone(), is_complete: Cell::new(false), _lock: lock };
        let repository = Repository::with_refs(git, listed, Some(Box::new(fetcher)), &self.options.limits);
        // Where a mirror redirects to is the operator's affair and says nothing about the repository.
        let redirected_to = remote.redirected_to.filter(|_| !is_mirror);
        Ok(Opened { repository: Rc::new(repository), redirected_to })
    }

    /// A mirror may stand at an address that is not public, when the operator's table spells the address out.
    fn addresses(&self, address: &str, is_mirror: bool) -> Addresses {
        let general = self.options.git.addresses;
        if !is_mirror || general != Addresses::PublicOnly {
            return general;
        }
        let host = ::url::Url::parse(address).ok().and_then(|address| match address.host()? {
            ::url::Host::Ipv4(host) => Some(IpAddr::V4(host)),
            ::url::Host::Ipv6(host) => Some(IpAddr::V6(host)),
            ::url::Host::Domain(_) => None,
        });
        host.map_or(general, Addresses::PublicAnd)
    }

    /// Whoever holds a repository never waits for another one, so that no two jobs wait for each other.
    fn lock(&self, name: &str) -> Result<Lock, Unopened> {
        let holds_any = self.open.borrow().values().any(Result::is_ok);
        let taken = if holds_any { self.folder.try_take(name) } else { self.folder.take(name) };
        match taken.map_err(|error| disk(self.folder.path(), error))? {
            Taken::Ours(lock) => Ok(lock),
            Taken::InUse => {
                let busy = std::io::Error::other("another job is using it");
                Err(disk(&self.folder.path().join(name), busy))
            }
        }
    }
}

impl Repositories for CachedRepositories {
    fn open(&self, url: &NormalisedUrl) -> Result<Opened, Unopened> {
        if let Some(known) = self.open.borrow().get(&url.key()) {
            return known.clone().map_err(Unopened::from);
        }
        let opened = match self.reach(url) {
            Ok(opened) => Ok(opened),
            Err(Unopened::Fact(status)) => Err(status),
            // Our own failure is not remembered: the next release may be luckier.
            Err(ours) => return Err(ours),
        };
        self.open.borrow_mut().insert(url.key(), opened.clone());
        Ok(opened?)
    }
}

impl std::fmt::Debug for CachedRepositories {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedRepositories").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}

/// Brings what is missing, through a handle of its own on the same folder.
struct Fetcher {
    git: git2::Repository,
    address: String,
    options: GitOptions,
    listed: Vec<(String, Oid)>,
    is_complete: Cell<bool>,
    /// Held as long as the repository is open: one process at a time fetches into it.
    _lock: Lock,
}

impl Fetcher {
    fn fetch(&self, refspecs: &[&str], depth: Option<u32>) -> Result<(), GitError> {
        git_transport::fetch(&self.git, &self.address, refspecs, depth, &self.options).map(|_| ())
    }

    /// The deepest depth is git's word for undoing a shallow fetch.
    fn whole(&self) -> Option<u32> {
        self.git.is_shallow().then_some(u32::MAX)
    }
}

impl Deepen for Fetcher {
    fn commit(&self, commit: Oid) -> Result<bool, RepositoryStatus> {
        if self.git.find_commit(commit).is_ok() {
            return Ok(true);
        }
        // A listed ref is fetched by its name: a default server refuses even a tip by its id.
        let tip = self.listed.iter().find(|(name, at)| *at == commit && name.starts_with("refs/"));
        let wanted = tip.map_or_else(|| commit.to_string(), |(name, _)| name.clone());
        let refspec = format!("+{wanted}:refs/fetched/{commit}");
        if self.fetch(&[&refspec], Some(1)).is_err() && tip.is_some() {
            self.everything()?;
        }
        Ok(self.git.find_commit(commit).is_ok())
    }

    fn refs(&self, names: &[&str]) -> Result<(), RepositoryStatus> {
        let refspecs: Vec<String> = names.iter().map(|name| format!("+{name}:refs/fetched/{name}")).collect();
        let refspecs: Vec<&str> = refspecs.iter().map(String::as_str).collect();
        self.fetch(&refspecs, self.whole()).map_err(|error| status(&error))
    }

    fn everything(&self) -> Result<(), RepositoryStatus> {
        if self.is_complete.get() {
            return Ok(());
        }
        self.fetch(&["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"], self.whole())
            .map_err(|error| status(&error))?;
        self.is_complete.set(true);
        Ok(())
    }
}

fn commit_of(found: &RemoteRef) -> Oid {
    found.peeled.unwrap_or(found.oid)
}

fn unopened(error: GitError) -> Unopened {
    if error.is_ours() { Unopened::Ours(Arc::new(error)) } else { Unopened::Fact(status(&error)) }
}

fn disk(path: &Path, error: std::io::Error) -> Unopened {
    Unopened::Ours(Arc::new(GitError::Repository { path: path.to_owned(), source: Box::new(error) }))
}

fn status(error: &GitError) -> RepositoryStatus {
    match error {
        GitError::AuthRequired { .. } => RepositoryStatus::AuthRequired,
        GitError::Gone { .. } => RepositoryStatus::Gone,
        GitError::NotGit { .. } => RepositoryStatus::NotGit,
        GitError::TooLarge { .. } => RepositoryStatus::TooLarge,
        error if error.is_refusal() => RepositoryStatus::Blocked,
        _ => RepositoryStatus::Timeout,
    }
}
