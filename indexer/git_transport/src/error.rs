//! Why a repository could not be listed, fetched or opened, one variant per thing a caller can do about it.

use std::path::PathBuf;
use std::time::Duration;

use net::NetError;

/// Why there are no refs, no objects or no repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// The network failed.
    #[error("failed to talk to the repository's server")]
    Net(#[from] NetError),
    /// The server wants credentials, and there are none. Some servers say so of missing repositories, too.
    #[error("{url} wants credentials (status {status})")]
    AuthRequired {
        /// What was asked for.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// The server knows no such repository.
    #[error("{url} is not there (status {status})")]
    Gone {
        /// What was asked for.
        url: String,
        /// 404, 410 or 451.
        status: u16,
    },
    /// Something answers, but not a git server that speaks the smart protocol.
    #[error("{url} is no git server: {reason}")]
    NotGit {
        /// What was asked for.
        url: String,
        /// What came instead.
        reason: String,
    },
    /// More bytes or objects than allowed.
    #[error("the repository exceeds the limit of {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// The time for the whole operation is over.
    #[error("the repository was not done within {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// A URL that these options do not allow.
    #[error("{url} is not asked for: {reason}")]
    Refused {
        /// The URL.
        url: String,
        /// Why.
        reason: &'static str,
    },
    /// The local repository cannot be used.
    #[error("cannot prepare the repository at {}", path.display())]
    Repository {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// libgit2 failed: a broken pack, a ref that does not exist, a full disk.
    #[error("git failed")]
    Git(#[from] git2::Error),
}

impl GitError {
    /// Whether this is about our own machine or settings and says nothing about the repository.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Net(NetError::Offline { .. } | NetError::Setup { .. }) | Self::Repository { .. })
    }

    /// Whether the address was not allowed, by its form or by what its name resolves to.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Net(NetError::RefusedAddress { .. } | NetError::BadUrl { .. }))
    }

    /// Whether the same operation may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Net(error) => error.is_transient(),
            Self::TimedOut { .. } => true,
            Self::Git(error) => matches!(error.class(), git2::ErrorClass::Net | git2::ErrorClass::Http),
            Self::AuthRequired { .. }
            | Self::Gone { .. }
            | Self::NotGit { .. }
            | Self::TooLarge { .. }
            | Self::Refused { .. }
            | Self::Repository { .. } => false,
        }
    }
}
