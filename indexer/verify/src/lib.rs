//! Does an archive agree with the repository it names? Git objects are compared; nothing is checked out, nothing is run.
#![doc = include_str!("../README.md")]

mod access;
mod archive;
mod browse;
mod cached;
mod check;
mod claim;
mod classify;
mod compare;
mod evidence;
mod examine;
mod explain;
mod facts;
mod folder;
mod generated;
mod judge;
mod lock;
mod manifest;
mod mirrors;
mod observe;
mod package;
mod pattern;
mod repository;
mod reverse;
mod search;
mod source_text;
mod tags;
mod tree;
mod url;

use git2::Oid;
use schema::GitOid;

pub use access::{GivenRepository, LocalMirrors, Opened, Repositories, Unopened};
pub use browse::browse_url;
pub use cached::{CacheOptions, CachedRepositories, DEFAULT_MAX_BYTES};
pub use check::{Options, Subject, TrustedPublishing, check};
pub use facts::{
    ClaimSource, CommitFacts, CommitStatus, DifferingFile, ExtraFile, Facts, FileClass, FilesFacts, FilesStatus,
    ManifestOutcome, ManifestStatus, RefObservation, RepositoryFacts, RepositoryStatus, SourceCheck,
};
pub use judge::{Judgement, RULES, is_outdated, judge, judge_again};
pub use lock::{Promised, Registry};
pub use mirrors::{Mirrors, MirrorsError};
pub use repository::{Deepen, Repository};
pub use url::{NoRepository, NormalisedUrl, forge_shaped, normalise};

/// What a check may cost. Crossing a limit is `too-large` or an end to the search, never a guess.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Refs of one repository.
    pub max_refs: usize,
    /// Pull requests of one repository that are fetched to be looked into, the latest first.
    pub max_pulls: usize,
    /// Objects walked in one repository.
    pub max_objects: usize,
    /// Entries of one commit's tree.
    pub max_tree_entries: usize,
    /// Components of a path.
    pub max_depth: usize,
    /// Bytes of one blob or archive file that is read.
    pub max_blob: usize,
    /// Commits compared by the content search.
    pub max_candidates: usize,
    /// Time the content search may take.
    pub search_time: std::time::Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_refs: 200_000,
            max_pulls: 200,
            max_objects: 5_000_000,
            max_tree_entries: 300_000,
            max_depth: 64,
            max_blob: 16 << 20,
            max_candidates: 400,
            search_time: std::time::Duration::from_secs(30),
        }
    }
}

/// A check that could not be made, which is about us or the copy of the repository, never about the crate.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// git's own data cannot be read: fetch the repository anew.
    #[error("cannot read the repository's data")]
    Git(#[from] git2::Error),
    /// The repository could not be asked, because of our own machine or settings.
    #[error("the repository could not be asked")]
    Access(#[source] std::sync::Arc<git_transport::GitError>),
    /// More of the repository was needed and could not be had.
    #[error("the repository could not be read to the end: {0}")]
    Repository(RepositoryStatus),
}

pub(crate) fn git_oid(oid: Oid) -> GitOid {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&oid.as_bytes()[..20]);
    GitOid::from_bytes(bytes)
}
