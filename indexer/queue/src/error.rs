//! What can go wrong while work is done. A finding about a crate is never one of these.

use store::StoreError;

/// A failure of ours or of the network.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The memory failed; nothing can be done until it works again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index could not be read.
    #[error(transparent)]
    Follow(#[from] follow::FollowError),
    /// An archive could not be fetched.
    #[error(transparent)]
    Download(#[from] download::DownloadError),
    /// A subscriber could not be reached.
    #[error(transparent)]
    Net(#[from] net::NetError),
    /// Our own reading of an archive failed.
    #[error(transparent)]
    Inspect(#[from] inspect::InspectError),
    /// The advisory database could not be read.
    #[error(transparent)]
    Advisories(#[from] advisories::AdvisoriesError),
    /// Blocking work ended in a panic.
    #[error("{what} panicked: {reason}")]
    Panicked {
        /// What was being done.
        what: &'static str,
        /// The panic's words.
        reason: String,
    },
    /// The job queue itself failed; the marks are still there.
    #[error("the job queue failed to {action}: {reason}")]
    Delivery {
        /// What was tried.
        action: &'static str,
        /// What it says.
        reason: String,
    },
    /// Something a step needs is not there (any more).
    #[error("{0}")]
    Missing(String),
    /// The brake: an index that lost so much at once is more likely broken than right. Nothing is changed.
    #[error(
        "the index lacks {gone} of {held} crates at once; that is more than the {limit} believed, and nothing is changed; \
         if it is true, run again with --allow-mass-deletion"
    )]
    MassDeletion {
        /// Crates that would become tombstones.
        gone: usize,
        /// Crates held.
        held: usize,
        /// How many are believed.
        limit: usize,
    },
    /// Another process follows this source.
    #[error("another process leads on {source_name}; it lets go when it ends, or when its lease does")]
    NotLeading {
        /// The source.
        source_name: String,
    },
    /// The run was interrupted from outside.
    #[error("interrupted; what was done is stored, run again to go on")]
    Interrupted,
}

impl QueueError {
    /// Whether no other job can succeed either, so that the whole run must stop.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Store(store) => !matches!(store, StoreError::Conflict { .. }) && !store.is_transient(),
            Self::Download(download::DownloadError::Disk { .. }) => true,
            _ => false,
        }
    }

    /// Whether it is the database's, and may be over soon.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store(store) if store.is_transient())
    }

    /// The error and its causes, in one line.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            let text = source.to_string();
            if !line.contains(&text) {
                line = format!("{line}: {text}");
            }
            cause = source.source();
        }
        line
    }
}
