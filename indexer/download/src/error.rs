//! What can go wrong with us, the disk or the network while downloading; facts about an archive are outcomes.

use std::error::Error;
use std::io;

use net::NetError;

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The disk is full, or not ours to write to or read: a person has to act, and every other download will fail too.
    #[error("{path} cannot be written or read")]
    Disk {
        /// The file or blob.
        path: String,
        /// What the system says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The blob store failed in another way.
    #[error("the blob store failed at {path}")]
    Store {
        /// The blob.
        path: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// The network failed.
    #[error("failed to download")]
    Net(#[from] NetError),
    /// A status that says neither "here it is" nor "it is gone".
    #[error("{url} answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// A person named a place that is none.
    #[error("{place:?} is no place to keep files: {reason}")]
    BadPlace {
        /// What was named.
        place: String,
        /// Why it is none.
        reason: &'static str,
    },
    /// Another process writes the folder.
    #[error("another process writes {place}")]
    Busy {
        /// The folder.
        place: String,
    },
    /// The index's download address makes no URL.
    #[error("the index's download address gives {address:?}, which is no URL")]
    BadAddress {
        /// What it gives.
        address: String,
    },
}

impl DownloadError {
    /// Whether the same download may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Net(error) => error.is_transient(),
            Self::Store { .. } | Self::Busy { .. } => true,
            Self::Disk { .. } | Self::Status { .. } | Self::BadPlace { .. } | Self::BadAddress { .. } => false,
        }
    }

    pub(crate) fn of_store(path: &object_store::path::Path, error: object_store::Error) -> Self {
        let path = path.to_string();
        if is_disk(&error) {
            return Self::Disk { path, source: error.into() };
        }
        Self::Store { path, source: error }
    }

    pub(crate) fn of_file(path: &std::path::Path, error: io::Error) -> Self {
        Self::Disk { path: path.display().to_string(), source: error.into() }
    }
}

fn is_disk(error: &object_store::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    if matches!(error, object_store::Error::PermissionDenied { .. }) {
        return true;
    }
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)) {
            return true;
        }
        next = error.source();
    }
    false
}
