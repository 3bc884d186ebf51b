//! What can go wrong while following; every variant names the place, so that one line is enough to act on.

use std::path::PathBuf;

use net::NetError;
use schema::{GitOid, KrateName};
use url::Url;

/// A failure of ours, of the network or of the index as a whole. A bad line is none of these: it goes to quarantine.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The address of the index means nothing: correct it.
    #[error("read the index address {text:?}: {reason}")]
    BadAddress {
        /// As given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Cargo's own configuration cannot be read: correct it, or name the index.
    #[error("learn the registry's index address from cargo's configuration")]
    CargoConfig(#[source] tame_index::Error),
    /// The index has a `config.json` that is none.
    #[error("read {place} as an index's config.json")]
    BadConfig {
        /// Its path or URL.
        place: String,
        /// What the JSON reader says.
        source: serde_json::Error,
    },
    /// The network failed; [`FollowError::is_transient`] says whether to come again.
    #[error(transparent)]
    Net(NetError),
    /// The index answered with a status that is neither a file nor its absence.
    #[error("read {url}: unexpected status {status}")]
    Status {
        /// What was asked for.
        url: Url,
        /// The answer.
        status: u16,
    },
    /// Something came that is not an index file, such as a log-in page; it says nothing about the crate.
    #[error("read {place} as an index file: {reason}")]
    NotAnIndexFile {
        /// Its path or URL.
        place: String,
        /// What came instead.
        reason: String,
    },
    /// A file is larger than the limit.
    #[error("read {place}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// Its path or URL.
        place: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file is there and cannot be read.
    #[error("read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The repository cannot be read: a fresh clone may help, or a fetch.
    #[error("{what}")]
    Git {
        /// What was tried, and where.
        what: String,
        /// What libgit2 says.
        source: git2::Error,
    },
    /// The index could not be fetched; [`FollowError::is_transient`] says whether to come again.
    #[error(transparent)]
    Fetch(#[from] git_transport::GitError),
    /// The commit last seen is gone, and nothing tells what happened since: compare the whole index with the tables.
    #[error("go on from commit {commit} of the index: it is gone; the whole index must be compared")]
    LostCursor {
        /// The commit last seen.
        commit: GitOid,
    },
    /// The repository has no commit.
    #[error("read the index at {}: it has no commit", path.display())]
    EmptyIndex {
        /// The repository.
        path: PathBuf,
    },
    /// No spelling of the name is in the index.
    #[error("find crate {name} in the index: there is no such crate (tried {})", tried.join(", "))]
    UnknownKrate {
        /// As asked for.
        name: KrateName,
        /// Every spelling looked up.
        tried: Vec<String>,
    },
}

impl FollowError {
    /// Whether nothing was asked for because the agent works offline.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        matches!(self, Self::Net(NetError::Offline { .. }))
    }

    /// Whether the repository on this machine is damaged, so that a clone of ours is better made anew.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Git { .. } | Self::Fetch(git_transport::GitError::Repository { .. }) => true,
            // What came over the network is looked at by the indexer; these are about what was there before.
            Self::Fetch(git_transport::GitError::Git(error)) => {
                matches!(error.class(), git2::ErrorClass::Odb | git2::ErrorClass::Object)
            }
            _ => false,
        }
    }

    /// A word for this kind of failure; failures of one kind differ in their place alone.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Net(NetError::Offline { .. }) => "offline",
            Self::Net(NetError::HostDown { .. } | NetError::Connect { .. } | NetError::Timeout { .. }) => "unreachable",
            Self::Net(NetError::Status { .. }) | Self::Status { .. } => "status",
            Self::Net(_) => "network",
            Self::NotAnIndexFile { .. } => "no index file",
            _ => "other",
        }
    }

    /// Whether the same request may succeed later without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Net(error) => error.is_transient(),
            Self::Fetch(error) => error.is_transient(),
            Self::Status { status, .. } => *status >= 500,
            Self::NotAnIndexFile { .. } | Self::Unreadable { .. } | Self::Git { .. } => true,
            Self::BadAddress { .. }
            | Self::CargoConfig(_)
            | Self::BadConfig { .. }
            | Self::TooLarge { .. }
            | Self::LostCursor { .. }
            | Self::EmptyIndex { .. }
            | Self::UnknownKrate { .. } => false,
        }
    }
}

impl From<NetError> for FollowError {
    fn from(error: NetError) -> Self {
        match error {
            // One name for one fact, whether the file was on disk or came over the network.
            NetError::TooLarge { url, limit } => Self::TooLarge { place: url, limit },
            other => Self::Net(other),
        }
    }
}
