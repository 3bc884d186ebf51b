//! The repository beneath a git index: opened, read object by object, pinned, freed of stale locks. No order of commits here.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use git_transport::{FetchStats, GitOptions as TransportOptions};
use git2::{ErrorCode, Odb, Oid, Repository, RepositoryOpenFlags};
use schema::Timestamp;

use crate::git::diff::FileDiff;
use crate::git::trees::Trees;
use crate::git::{ChangedFile, GitOptions, History};
use crate::many::{n_cores, on_every_core};
use crate::{FollowError, Quarantined};

/// Where a clone of our own keeps the head it fetched; a repository in place has none, and its own HEAD counts.
const FETCHED_HEAD: &str = "refs/provenance/head";

/// So many files are worth a handle on the repository for every core.
const MANY: usize = 500;
/// Where the branches of an archive of old histories are kept.
pub(super) const ARCHIVE: &str = "refs/heads/archive/";

/// A repository, read through its object database.
pub(super) struct IndexRepository {
    repository: Repository,
    trees: RefCell<Trees>,
    /// For other threads, one each, kept from one batch to the next: opening one reads the configuration and maps the packs.
    handles: RefCell<Vec<IndexRepository>>,
    /// Whether all that is in it was fetched by us.
    is_clone: bool,
}

/// What the walk needs of a commit.
#[derive(Clone, Copy)]
pub(super) struct CommitFacts {
    pub(super) tree: Oid,
    pub(super) parent: Option<Oid>,
    pub(super) at: Timestamp,
}

impl IndexRepository {
    pub(super) fn open(path: &Path) -> Result<Self, FollowError> {
        let no_search = RepositoryOpenFlags::NO_SEARCH;
        let repository = Repository::open_ext(path, no_search, &[] as &[&Path])
            .map_err(|source| git_error(format!("open the repository {}", path.display()), source))?;
        Ok(Self::over(repository, false))
    }

    pub(super) fn open_clone(path: &Path) -> Result<Self, FollowError> {
        Ok(Self::over(git_transport::open_or_init_bare(path)?, true))
    }

    fn over(repository: Repository, is_clone: bool) -> Self {
        Self { repository, trees: RefCell::default(), handles: RefCell::default(), is_clone }
    }

    /// Fetches what these refspecs name, with all of its past.
    pub(super) fn fetch_refs(
        &self,
        url: &str,
        refspecs: &[String],
        options: &TransportOptions,
    ) -> Result<FetchStats, FollowError> {
        let refspecs: Vec<_> = refspecs.iter().map(String::as_str).collect();
        Ok(git_transport::fetch(&self.repository, url, &refspecs, None, options)?)
    }

    pub(super) fn fetch(
        &self,
        url: &str,
        history: History,
        options: &TransportOptions,
    ) -> Result<FetchStats, FollowError> {
        let head = format!("+HEAD:{FETCHED_HEAD}");
        let (depth, refspecs) = match history {
            // What is there is enough to go on from; what is not is fetched once, without its past.
            History::HeadOnly => (self.head()?.is_none().then_some(1), vec![head.as_str()]),
            History::Snapshots => (None, vec![head.as_str(), "+refs/heads/*:refs/heads/*"]),
        };
        // A folder cannot be fetched from shallowly, and need not be.
        let depth = depth.filter(|_| url.starts_with("http"));
        Ok(git_transport::fetch(&self.repository, url, &refspecs, depth, options)?)
    }

    pub(super) fn path(&self) -> &Path {
        self.repository.path()
    }

    pub(super) fn head(&self) -> Result<Option<Oid>, FollowError> {
        let head = self.repository.find_reference(FETCHED_HEAD).or_else(|_| self.repository.head());
        match head.and_then(|head| head.peel_to_commit()) {
            Ok(commit) => Ok(Some(commit.id())),
            Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => Ok(None),
            Err(error) => Err(self.error("read the head of", error)),
        }
    }

    /// The heads of replaced histories, `snapshot-DATE` or of an archive, in the order of their dates.
    pub(super) fn snapshots(&self) -> Result<Vec<Oid>, FollowError> {
        let failed = |error| self.error("list the references of", error);
        let mut found = Vec::new();
        for reference in self.repository.references().map_err(failed)? {
            let reference = reference.map_err(failed)?;
            let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
            let short = name.rsplit('/').next().unwrap_or_default();
            let is_dated = short.starts_with("snapshot-");
            if is_dated || name.starts_with(ARCHIVE) {
                let commit = reference.peel_to_commit().map_err(|error| self.error("read a snapshot of", error))?;
                let dated = || format!("snapshot-{}", Timestamp::from_seconds(commit.time().seconds()).date());
                found.push((if is_dated { short.to_owned() } else { dated() }, commit.id()));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, commit)| commit).collect())
    }

    pub(super) fn commit(&self, id: Oid) -> Result<CommitFacts, FollowError> {
        let commit =
            self.repository.find_commit(id).map_err(|error| self.error(&format!("read commit {id} of"), error))?;
        Ok(CommitFacts {
            tree: commit.tree_id(),
            parent: commit.parent_ids().next(),
            at: Timestamp::from_seconds(commit.time().seconds()),
        })
    }

    pub(super) fn commit_if_there(&self, id: Oid) -> Result<Option<CommitFacts>, FollowError> {
        if self.odb()?.exists(id) { self.commit(id).map(Some) } else { Ok(None) }
    }

    /// Loads files until a batch is full, and says how many it took.
    pub(super) fn load(
        &self,
        files: &[FileDiff],
        options: &GitOptions,
        changed: &mut Vec<ChangedFile>,
        quarantine: &mut Vec<Quarantined>,
    ) -> Result<usize, FollowError> {
        let some = files.get(..options.max_files.max(1)).unwrap_or(files);
        if let Some(read) = self.read_at_once(some, options.max_bytes.min(options.max_file_bytes))? {
            changed.extend(read);
            return Ok(some.len());
        }
        let sizes = self.with_handles(some, |handle, file| handle.size(file.after))?;
        let (mut bytes, mut wanted, mut n_read) = (0, Vec::new(), some.len());
        for (n, (file, size)) in some.iter().zip(sizes).enumerate() {
            if bytes > options.max_bytes {
                n_read = n;
                break;
            }
            if size > options.max_file_bytes {
                let reason = format!("{size} bytes long; the limit is {}", options.max_file_bytes);
                quarantine.push(Quarantined { path: file.path.clone(), line: 0, raw: String::new(), reason });
                continue;
            }
            bytes += size;
            wanted.push(file);
        }
        changed.extend(self.with_handles(&wanted, |handle, file| handle.read(file))?);
        Ok(n_read)
    }

    /// Reads files without asking for their sizes first, which is a tenth of the work. `None`: together they are larger than the
    /// limit, or this is no clone of our own; in a clone every object was held whole once, when it was fetched.
    fn read_at_once(&self, files: &[FileDiff], limit: u64) -> Result<Option<Vec<ChangedFile>>, FollowError> {
        if !self.is_clone {
            return Ok(None);
        }
        let bytes = AtomicU64::new(0);
        let read = self.with_handles(files, |handle, file| {
            if bytes.load(Ordering::Relaxed) > limit {
                return Ok(None);
            }
            let read = handle.read(file)?;
            bytes.fetch_add(read.after.as_ref().map_or(0, Vec::len) as u64, Ordering::Relaxed);
            Ok(Some(read))
        })?;
        Ok(if bytes.into_inner() > limit { None } else { read.into_iter().collect() })
    }

    /// Asks something of every file, on every core when they are many: inflating is most of the work of a scan.
    fn with_handles<Q: Sync, A: Send>(
        &self,
        files: &[Q],
        ask: impl Fn(&Self, &Q) -> Result<A, FollowError> + Sync,
    ) -> Result<Vec<A>, FollowError> {
        // Few files, as in an ordinary commit, are read through the handle that is open already.
        if files.len() < MANY {
            return files.iter().map(|file| ask(self, file)).collect();
        }
        let mut handles = self.handles.borrow_mut();
        while handles.len() < n_cores() {
            handles.push(Self::open(self.path())?);
        }
        on_every_core(files, &mut handles, |handle, file| ask(handle, file))
    }

    fn read(&self, file: &FileDiff) -> Result<ChangedFile, FollowError> {
        Ok(ChangedFile { path: file.path.clone(), name: file.name.clone(), after: self.bytes(file.after)? })
    }

    pub(super) fn text(&self, id: Option<Oid>) -> Result<Option<String>, FollowError> {
        Ok(self.bytes(id)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The content of a file at the root of a commit's tree; `None` when there is none.
    pub(super) fn file(&self, commit: Oid, name: &str) -> Result<Option<Vec<u8>>, FollowError> {
        let tree = self.repository.find_commit(commit).and_then(|commit| commit.tree());
        let tree = tree.map_err(|error| self.error(&format!("read commit {commit} of"), error))?;
        let id = tree.get_name(name).filter(|entry| entry.filemode() & 0o170_000 == 0o100_000).map(|entry| entry.id());
        self.bytes(id)
    }

    /// Whether `commit` is the head or one of its first parents.
    pub(super) fn is_behind(&self, commit: Oid, head: Oid) -> Result<bool, FollowError> {
        let mut next = Some(head);
        while let Some(id) = next {
            if id == commit {
                return Ok(true);
            }
            next = self.commit_if_there(id)?.and_then(|facts| facts.parent);
        }
        Ok(false)
    }

    /// The content of an object; nothing for no object.
    pub(super) fn bytes(&self, id: Option<Oid>) -> Result<Option<Vec<u8>>, FollowError> {
        let Some(id) = id else { return Ok(None) };
        let odb = self.odb()?;
        let object = odb.read(id).map_err(|error| self.error(&format!("read object {id} of"), error))?;
        Ok(Some(object.data().to_vec()))
    }

    /// The content of a tree object, which is often the one of the last comparison; nothing for the empty tree.
    pub(super) fn tree(&self, id: Option<Oid>) -> Result<Option<Arc<[u8]>>, FollowError> {
        let Some(id) = id else { return Ok(None) };
        if let Some(tree) = self.trees.borrow_mut().get(id) {
            return Ok(Some(tree));
        }
        let tree: Option<Arc<[u8]>> = self.bytes(Some(id))?.map(Arc::from);
        if let Some(tree) = &tree {
            self.trees.borrow_mut().keep(id, tree);
        }
        Ok(tree)
    }

    /// Tells the memory of trees that a new comparison begins.
    pub(super) fn begin_comparison(&self) {
        self.trees.borrow_mut().turn();
    }

    pub(super) fn pin(&self, name: &str, commit: Oid) -> Result<(), FollowError> {
        let reference = format!("refs/provenance/pin/{name}");
        self.repository
            .reference(&reference, commit, true, "cursor of the provenance indexer")
            .map(drop)
            .map_err(|error| self.error(&format!("write {reference} in"), error))
    }

    fn size(&self, id: Option<Oid>) -> Result<u64, FollowError> {
        let Some(id) = id else { return Ok(0) };
        let (size, _) =
            self.odb()?.read_header(id).map_err(|error| self.error(&format!("read object {id} of"), error))?;
        Ok(size as u64)
    }

    fn odb(&self) -> Result<Odb<'_>, FollowError> {
        self.repository.odb().map_err(|error| self.error("open the objects of", error))
    }

    fn error(&self, what: &str, source: git2::Error) -> FollowError {
        git_error(format!("{what} {}", self.path().display()), source)
    }
}

fn git_error(what: String, source: git2::Error) -> FollowError {
    FollowError::Git { what, source }
}
